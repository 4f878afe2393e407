"""The shapes and types of arrays in the signatures of models, objectives and probes, checked at each call while tests run.

Every public function, method and constructor there that takes or gives arrays has its line, as `tests/test_shapes.py` holds.
A name stands for one size within a call, `...` for any axes, `_` for any size, `?` lets the elements of a mapping differ. jaxtyping is a
dependency of the tests alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int16, Key, Num, Shaped, UInt8

from pathfm.probes.bags import Bags


class Kind:
    """`f32["batch width"]`: an array of jax or NumPy of that type and shape."""

    def __init__(self, dtype: Any):
        self.dtype = dtype

    def __getitem__(self, shape: str) -> Any:
        return self.dtype[jax.Array | np.ndarray, shape]


some, number, f, f32, f64, integer, i16, u8, yes = map(Kind, (Shaped, Num, Float, Float32, Float64, Int, Int16, UInt8, Bool))
key, scalar = Kind(Key)[""], f32[""]
tokens, image = f["batch tokens width"], f["batch height width 3"]
turn = f32["2 3 1 1 tokens _"] | None
bags, tiled = f32["batch features"], f32["batch tiles features"]
tiles, mask = f32["batch tiles height width 3"], yes["batch tiles"]
loss = dict(features=Mapping[str, f32["batch ..."]], rng=key)
scores = dict(features=f["n features"], returns=f64["settings"])

TERM = {
    "init": dict(rng=key),
    "loss": loss | dict(returns=tuple[scalar, dict[str, scalar]]),
    "counted": dict(returns=yes["batch"]),
    "predict": dict(bag=f32["batch features"], returns=dict[str, f32["batch _"]]),
}
FITTED = {"converged": dict(returns=yes["settings"]), "predict": dict(features=f["n features"], returns=f64["n outputs"]), "scores": scores}

SHAPES = {
    "models.applied.applied": dict(inputs=some["..."], returns=f["..."]),
    "models.images.normalised": dict(images=u8["*any 3"], returns=f32["*any 3"]),
    "models.images.standardised": dict(images=f32["*any 3"], returns=f32["*any 3"]),
    "models.layers.product": dict(x=f["*any rows"], kernel=f32["rows columns"], returns=f["*any columns"]),
    "models.layers.Dense.__call__": dict(tokens=f["batch tokens _"], returns=f["batch tokens {self.features}"]),
    "models.layers.layer_norm": dict(x=f32["*any width"], scale=f32["*ones width"], bias=f32["*ones width"], returns=f32["*any width"]),
    "models.layers.LayerNorm.__call__": dict(x=f["*any width"], returns=f32["*any width"]),
    "models.layers.attention": dict(qkv=f["3 batch heads tokens depth"], returns=f["batch heads tokens depth"]),
    "models.lora.init_lora": dict(rng=key),
    "models.mlp.VectorTower.__call__": dict(vectors=f32["batch _"], returns=f32["batch {self.out}"]),
    "models.pooling.masked_mean": dict(features=f["batch tiles width"], mask=mask, returns=f["batch width"]),
    "models.pooling.GatedAttentionPooling.__call__": dict(features=tiled, mask=mask, returns=bags),
    "models.pooling.GatedAttentionPooling.attention": dict(features=tiled, mask=mask, returns=f32["batch tiles"]),
    "models.pooling.TransformerPooling.__call__": dict(features=tiled, mask=mask, returns=bags),
    "models.positions.resize_grid": dict(position=f["1 {prefix}+{old[0]}*{old[1]} width"], returns=f["1 {prefix}+{new[0]}*{new[1]} width"]),
    "models.positions.cubic_weights": dict(returns=f64["{new} {old}"]),
    "models.rotary.rotation": dict(returns=f32["2 3 1 1 {prefix}+{grid[0]}*{grid[1]} {depth}"]),
    "models.rotary.turned": dict(
        qkv=f["3 batch heads tokens depth"],
        cosine=f32["3 1 1 tokens depth"],
        sine=f32["3 1 1 tokens depth"],
        returns=f["3 batch heads tokens depth"],
    ),
    "models.vit.ViT.__call__": dict(images=image, returns=f32["batch {self.spec.features}"]),
    "models.vit.PatchEmbedding.__call__": dict(images=f["batch height width _"], returns=f["batch patches {self.width}"]),
    "models.vit.Block.__call__": dict(tokens=tokens, turn=turn, returns=tokens),
    "models.vit.Attention.__call__": dict(tokens=tokens, turn=turn, returns=tokens),
    "models.vit.MLP.__call__": dict(tokens=tokens, returns=tokens),
    "models.vit.exact_gelu": dict(x=f["*any"], returns=f["*any"]),
    "objectives.bank.encoded_in_chunks": dict(encode=Any, vectors=f32["n _"], returns=f32["n width"]),
    "objectives.balance.balancing_factors": dict(losses=Any, embedding=f32["..."], returns=dict[str, scalar]),
    "objectives.image_tower.ImageTower.init": dict(rng=key),
    "objectives.image_tower.ImageTower.tiles": dict(images=tiles, returns=f32["batch tiles {self.spec.features}"]),
    "objectives.image_tower.ImageTower.base_tiles": dict(images=tiles, returns=f32["batch tiles {self.spec.features}"]),
    "objectives.image_tower.ImageTower.bags": dict(images=tiles, tile_mask=mask, returns=f32["batch {self.spec.features}"]),
    "objectives.image_tower.ImageTower.pooled": dict(features=tiled, tile_mask=mask, returns=bags),
    "objectives.losses.unit_rows": dict(x=f["*any"], returns=f32["*any"]),
    "objectives.losses.info_nce": dict(
        a=f32["batch width"], b=f32["batch width"], logit_scale=scalar, identity=integer["batch"], returns=scalar
    ),
    "objectives.losses.logit_scale": dict(returns=scalar),
    "objectives.losses.first_logit_scale": dict(returns=scalar),
    "objectives.losses.normal": dict(rng=key, returns=f32["{rows} {columns}"]),
    "objectives.losses.huber": dict(prediction=f32["batch columns"], truth=f32["batch columns"], returns=f32["batch"]),
    "objectives.losses.squares": dict(prediction=f32["batch columns"], truth=f32["batch columns"], returns=f32["batch"]),
    "objectives.losses.correlations": dict(
        prediction=f32["batch columns"], truth=f32["batch columns"], mask=yes["batch"], returns=f32["columns"]
    ),
    "objectives.losses.mean_where": dict(values=f32["batch"], mask=yes["batch"], returns=scalar),
    "objectives.losses.effective_rank": dict(embeddings=f32["batch width"], mask=yes["batch"], returns=scalar),
    "objectives.objective.Widths.__init__": dict(starts=Mapping[str, f32["..."]]),
    "objectives.pairs.related": dict(returns=tuple[yes["n m"], yes["n m"]]),
    "objectives.pairs.retrieved": dict(returns=yes["n"]),
    "objectives.pair_losses.info_nce_of_pairs": dict(logit_scale=scalar, returns=tuple[scalar, scalar]),
    "objectives.pair_losses.siglip": dict(logit_scale=scalar, logit_bias=scalar, returns=tuple[scalar, scalar]),
    "objectives.pair_losses.best_bias": dict(logit_scale=scalar, returns=scalar),
    "objectives.objective.Objective.init": dict(rng=key),
    "objectives.objective.Objective.encode": dict(returns=Mapping[str, f32["batch ..."]]),
    "objectives.objective.Objective.loss": loss | dict(of=Mapping[str, scalar] | None, returns=tuple[scalar, dict[str, scalar]]),
    "objectives.objective.Objective.counts": dict(returns=dict[str, scalar]),
    "objectives.objective.Objective.predict": dict(images=tiles, tile_mask=mask, returns=dict[str, dict[str, f32["batch _"]]]),
    **{
        f"objectives.terms.{term}.{name}": shapes
        for term in (
            "contrastive.Contrastive",
            "views.Views",
            "regression.Regression",
            "adversary.Adversary",
            "towers.Towers",
            "anchor.Anchor",
        )
        for name, shapes in TERM.items()
    },
    "objectives.terms.adversary.reversed_gradient": dict(x=bags, strength=f32["batch"], returns=bags),
    "objectives.terms.adversary.Adversary.loss": loss | dict(returns=tuple[f32["batch"], dict[str, scalar]]),
    "objectives.terms.adversary.Adversary.strength": dict(progress=f32["batch"], returns=f32["batch"]),
    "objectives.terms.anchor.Anchor.loss": loss | dict(returns=tuple[f32["batch"], dict[str, scalar]]),
    **{
        f"objectives.terms.anchor.{name}": dict(a=f32["*any width"], b=f32["*any width"], returns=f32["*any"])
        for name in ("cosine_distance", "l2_distance")
    },
    "objectives.terms.views.Views.predict": dict(bag=bags, returns=dict[str, f32["batch {self.settings.projection}"]]),
    "objectives.terms.regression.Regression.loss": loss | dict(returns=tuple[f32["batch"], dict[str, scalar]]),
    "objectives.terms.regression.Regression.errors": dict(
        prediction=f32["batch columns"], truth=f32["batch columns"], returns=f32["batch"]
    ),
    "objectives.terms.regression.Regression.head": dict(features=bags, returns=f32["batch _"]),
    "objectives.terms.mse.MeanSquares.errors": dict(prediction=f32["batch columns"], truth=f32["batch columns"], returns=f32["batch"]),
    "objectives.terms.pearson.Pearson.loss": TERM["loss"],
    "objectives.terms.pearson.Pearson.predict": TERM["predict"],
    **{f"objectives.terms.negative_binomial.NegativeBinomial.{name}": TERM[name] for name in ("init", "predict")},
    "objectives.terms.negative_binomial.NegativeBinomial.loss": loss | dict(returns=tuple[f32["batch"], dict[str, scalar]]),
    **{
        f"objectives.terms.negative_binomial.{name}": dict(
            counts=f32["batch genes"], log_mean=f32["batch genes"], dispersion=f32["genes"], returns=f32["batch"]
        )
        for name in ("negative_log_likelihood", "deviance")
    },
    **{f"objectives.terms.gene_query.GeneQuery.{name}": shapes for name, shapes in TERM.items()},
    "objectives.terms.gene_query.GeneQuery.loss": loss | dict(returns=tuple[f32["batch"], dict[str, scalar]]),
    "objectives.terms.gene_query.GeneQuery.ask": dict(tiles=tiled, tile_mask=mask, vectors=f32["n width"], returns=f32["batch n"]),
    "objectives.terms.gene_query.GeneQuery.predict_of_tiles": dict(tiles=tiled, tile_mask=mask, returns=dict[str, f32["batch _"]]),
    "objectives.terms.contrastive.Contrastive.embed": dict(
        vectors=f32["batch _"], rng=key | None, returns=f32["batch {self.settings.projection}"]
    ),
    "objectives.terms.contrastive.row_mean": dict(rows=f32["batch width"], mask=yes["batch"], returns=f32["width"]),
    "probes.bags.Bags.__init__": dict(tiles=f32["n tiles features"], counts=integer["n"]),
    "probes.bags.Bags.of": dict(bags=Sequence[f32["_ _"]]),
    "probes.bags.Bags.mask": dict(returns=yes["n tiles"]),
    "probes.bags.evenly": dict(bag=f32["_ features"], returns=f32["_ features"]),
    "probes.bags.spread": dict(returns=integer["_"]),
    "probes.committee.Committee.named": dict(features=f["n features"] | Bags, returns=f64["_ classes"]),
    "probes.committee.Committee.predict": dict(features=f["n features"] | Bags, returns=f64["_ classes"]),
    "probes.committee.Committee.ballots": dict(features=f["n features"] | Bags, grid=f64["settings"], returns=dict[str, i16["models _"]]),
    "probes.committee.Committee.scores": dict(features=f["n features"] | Bags, returns=f64["settings"]),
    "probes.committee.shares": dict(guesses=integer["models n"], returns=f64["n {count}"]),
    "probes.cross_fitted.Shown.__init__": dict(r=f64["values"], beyond_chance=yes["values"]),
    "probes.cross_fitted.shown": dict(
        features=f32["n features"], values=f32["n values"], patients=some["n"], types=some["n"], sites=some["n"]
    ),
    "probes.cross_fitted.known_together": dict(sites=some["n"], returns=some["n"]),
    "probes.cross_fitted.beyond": dict(values=f["n columns"], types=some["n"], sites=some["n"], fitted=yes["n"], returns=f32["n columns"]),
    "probes.cross_fitted.shuffled": dict(values=f32["n columns"], types=some["n"], sites=some["n"], returns=f32["n {count}"]),
    "probes.divisions.Division.__init__": dict(roles=some["fits n"]),
    "probes.divisions.Division.by_roles": dict(roles=some["n"]),
    "probes.divisions.Division.by_parts": dict(parts=integer["n"]),
    "probes.divisions.Division.scored": dict(returns=integer["scored"]),
    "probes.divisions.cut_validation": dict(labels=some["n"], patients=some["n"], returns=yes["n"]),
    "probes.divisions.with_validation": dict(roles=some["n"], labels=some["n"], patients=some["n"], returns=some["n"]),
    "probes.divisions.resampled": dict(train=yes["n"], strata=some["n"], patients=some["n"], returns=f64["{count} n"]),
    "probes.driver.Probed.__init__": dict(
        prediction=f["scored outputs"], resampled=tuple[f["scored outputs"], ...], ballots=Mapping[str, i16["models scored"]]
    ),
    "probes.driver.run": dict(features=f32["n features"] | Bags, resampled=f64["sets n"] | None),
    "probes.eva.Eva.__init__": dict(grid=f64["settings"]),
    "probes.eva.Eva.fit": dict(features=f["n features"], weights=f64["sets n"]),
    "probes.eva.EvaRuns.__init__": dict(features=f["n features"]),
    "probes.eva.EvaRuns.scores": scores,
    "probes.eva.EvaRuns.guesses": dict(features=f["n features"], returns=i16["runs n"]),
    "probes.eva.EvaRuns.predict": dict(features=f["n features"], returns=f64["n classes"]),
    "probes.eva.train_heads": dict(
        features=f["n features"],
        numbers=integer["n"],
        val_features=f["val features"],
        val_numbers=integer["val"],
        returns=tuple[Any, f32["runs"]],
    ),
    "probes.few_shot.FewShot.__init__": dict(grid=f64["settings"]),
    "probes.few_shot.FewShot.fit": dict(features=f["n features"], weights=f64["sets n"]),
    "probes.few_shot.Supports.__init__": dict(features=f["n features"], grid=integer["settings"]),
    "probes.few_shot.Supports.scores": scores,
    "probes.few_shot.Supports.ballots": dict(features=f["n features"], grid=f64["settings"], returns=dict[str, i16["draws _"]]),
    "probes.few_shot.Supports.guesses": dict(features=f["n features"], returns=i16["draws n"]),
    "probes.few_shot.nearest_means": dict(
        queries=f32["n features"], support=f32["draws classes shots features"], returns=integer["draws n"]
    ),
    "probes.held_out.held_out_parts": dict(patients=some["n"], labels=some["n"], sites=some["n"] | None, returns=integer["n"]),
    "probes.held_out.in_few_parts": dict(parts=integer["n"], labels=some["n"]),
    "probes.held_out.roles_in_part": dict(parts=integer["n"], returns=some["n"]),
    "probes.knn.Knn.__init__": dict(grid=f64["settings"]),
    "probes.knn.Knn.fit": dict(features=f["n features"], weights=f64["sets n"]),
    "probes.knn.Neighbours.__init__": dict(features=f["n features"], grid=integer["settings"]),
    "probes.knn.Neighbours.predict": dict(features=f["n features"], returns=f64["n outputs"]),
    "probes.knn.Neighbours.scores": scores,
    "probes.knn.Neighbours.nearest": dict(features=f["n features"], returns=integer["n most"]),
    "probes.logistic.LogisticPath.__init__": dict(
        mean=f64["sets features"],
        scale=f64["sets features"],
        coefficients=f64["sets strengths features classes"],
        intercepts=f64["sets strengths classes"],
        iterations=integer["sets strengths"],
        converged=yes["sets strengths"],
    ),
    "probes.logistic.LogisticPath.logits": dict(features=f["n features"], returns=f64["*strengths n classes"]),
    "probes.logistic.LogisticPath.probabilities": dict(features=f["n features"], returns=f64["*strengths n classes"]),
    "probes.logistic.Logistic.__init__": dict(grid=f64["settings"]),
    "probes.logistic.Logistic.fit": dict(features=f["n features"], weights=f64["sets n"]),
    "probes.logistic.LogisticFit.__init__": dict(present=integer["fitted"]),
    **{f"probes.logistic.LogisticFit.{name}": shapes for name, shapes in FITTED.items()},
    "probes.logistic.fit_path": dict(features=f["n features"], targets=integer["n"], weights=number["sets n"], strengths=f64["strengths"]),
    "probes.mil.AttentionHead.__call__": dict(tiles=f32["batch tiles features"], mask=mask, returns=f32["batch {self.classes}"]),
    "probes.mil.Mil.__init__": dict(grid=f64["settings"]),
    "probes.mil.Mil.fit": dict(weights=f64["sets n"]),
    "probes.mil.MilHeads.scores": dict(returns=f64["settings"]),
    "probes.mil.MilHeads.guesses": dict(returns=i16["seeds _"]),
    "probes.mil.MilHeads.predict": dict(returns=f64["_ classes"]),
    "probes.newton.minimise": dict(params=f64["problems columns rows"], outputs=f64["problems ..."]),
    "probes.newton.solve": dict(
        wanted=f64["problems columns rows"],
        running=yes["problems"],
        returns=tuple[f64["problems columns rows"], yes["problems"], int],
    ),
    "probes.protocol.Fitted.scores": scores,
    "probes.ridge.RidgePath.predict": dict(features=f["n features"], returns=f64["n outputs"]),
    "probes.ridge.RidgePath.mean_pearson": dict(
        features=f["n features"], truth=f["n outputs"], strengths=f64["strengths"], returns=f64["strengths"]
    ),
    "probes.ridge.Ridge.__init__": dict(grid=f64["settings"]),
    "probes.ridge.Ridge.fit": dict(features=f["n features"], weights=f64["sets n"]),
    "probes.ridge.RidgeFit.__init__": dict(grid=f64["settings"]),
    **{f"probes.ridge.RidgeFit.{name}": shapes for name, shapes in FITTED.items()},
    "probes.ridge.fit_ridge_path": dict(features=f["n features"], truth=f["n outputs"], weights=number["n"] | None),
    "probes.softmax.Softmax.__init__": dict(
        design=f64["rows n"], targets=integer["n"], weights=f64["sets n"], ratio=f64["sets rows"], penalty=f64["sets rows"]
    ),
    "probes.softmax.Softmax.with_penalty": dict(penalty=f64["sets rows"]),
    "probes.softmax.Softmax.outputs": dict(params=f64["sets columns rows"], returns=f64["sets {self.classes} n"]),
    "probes.softmax.Softmax.loss": dict(params=f64["sets columns rows"], outputs=f64["sets {self.classes} n"]),
    "probes.softmax.Softmax.gradient": dict(params=f64["sets columns rows"], returns=f64["sets columns rows"]),
    "probes.softmax.Softmax.rough_hessian": dict(returns=f64["rows rows"]),
    "probes.softmax.SoftmaxLoss.__init__": dict(value=f64["sets"], wrong=f64["sets n"], shares=f64["sets classes n"]),
    "probes.rows.rows_of": dict(times=number["n"], returns=integer["_"]),
    "probes.rows.filled_up": dict(features=f["n *any"], numbers=integer["n"], returns=tuple[f32["filled *any"], integer["filled"]]),
    "probes.standard.standardisation": dict(
        features=f["n features"], weights=number["n"] | None, returns=tuple[f64["features"], f64["features"]]
    ),
    "probes.strength.choose": dict(scores=f["settings"]),
    "probes.target.Classes.__init__": dict(numbers=integer["n"]),
    "probes.target.Classes.take": dict(rows=some["_"]),
    "probes.target.Classes.measure": dict(prediction=f["n classes"]),
    "probes.target.Classes.unpredicted": dict(returns=f64["_ {self.count}"]),
    "probes.target.Values.__init__": dict(values=f32["n outputs"]),
    "probes.target.Values.take": dict(rows=some["_"]),
    "probes.target.Values.measure": dict(prediction=f["n outputs"]),
    "probes.target.Values.unpredicted": dict(returns=f32["n outputs"]),
}
