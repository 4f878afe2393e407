"""Contrastive learning with a patient's vector in place of text; docs/objectives.md says what can be chosen, and its sources."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.models.applied import applied
from pathfm.models.mlp import VectorTower
from pathfm.objectives.bank import Bank, encoded_in_chunks
from pathfm.objectives.losses import (
    LEARNED_NOTHING,
    bounded_scale,
    effective_rank,
    first_logit_scale,
    logit_scale,
    mean_where,
    normal,
    nothing_learned,
    unit_rows,
)
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.objectives.pair_losses import best_bias, info_nce_of_pairs, siglip
from pathfm.objectives.pairs import Rows, Rule, gathered, retrieved
from pathfm.settings import terms

ANOTHER = 2**31 - 1  # the number of every patient of the bank who is not in the batch


@dataclass(frozen=True)
class Contrastive:
    """Image embedding and vector embedding of one patient find each other among all patients of the batch, or of all training patients."""

    settings: terms.Contrastive
    widths: Widths
    views: int = 1
    reads: str = "bag"
    additive: bool = False

    @property
    def modality(self) -> str:
        return self.settings.modality

    @property
    def needs_bank(self) -> bool:
        return self.settings.negatives == "bank"

    def init(self, rng: jax.Array) -> dict[str, Any]:
        _, projection_rng, vector_rng = jax.random.split(rng, 3)
        inputs = jnp.zeros((1, self.widths.vectors[self.modality]), jnp.float32)
        params = {
            "projection": {"kernel": normal(projection_rng, self.widths.features, self.settings.projection)},
            self.modality: self._tower.init(vector_rng, inputs)["params"],
            "logit_scale": first_logit_scale(self.settings),
        }
        return params | {"logit_bias": jnp.float32(self._first_bias)} if self.settings.loss == "siglip" else params

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        patient = jnp.where(self.counted(batch), batch["patient"], -1)
        place, cancer = jnp.arange(len(patient)), batch["cancer"] if self.settings.same_cancer else None
        images = Rows(self._projected(params, features["bag"]), patient, place, cancer)
        vectors = Rows(self.embed(params, batch["vectors"][self.modality], rng if train else None), patient, place, cancer)
        others = vectors
        if self.needs_bank:
            assert bank is not None
            both = gathered((vectors, self._rows_of_bank(params, bank, batch["patient"], rng, train)), self.widths.everywhere)
            others = jax.tree.map(lambda *rows: jnp.concatenate(rows), *both)
        scale = logit_scale(params, self.settings)
        rule = Rule(self.settings.targets, self.settings.same_cancer, self.widths.everywhere)
        metrics = {"logit_scale": scale}
        if self.settings.loss == "siglip":
            loss, chance = siglip(images, others, scale, params["logit_bias"], rule)
            metrics["logit_bias"] = params["logit_bias"]
            if not train:
                suited = siglip(images, others, scale, best_bias(images, others, scale, rule), rule)[0]
                metrics["calibrated_share"] = suited / jnp.maximum(chance, 1e-12)
        else:
            loss, chance = info_nce_of_pairs(images, vectors, others, scale, rule)
        metrics["loss_share"] = loss / jnp.maximum(chance, 1e-12)
        return loss, metrics if train else metrics | self._diagnosis(images, vectors)

    def embed(self, params: Any, vectors: jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """Unit rows [b, projection] of scaled vectors [b, width]; with `rng`, dropout, masking and noise are on."""
        if rng is None:
            return unit_rows(applied(self._tower, params[self.modality], vectors))
        dropout, masking, noise = jax.random.split(rng, 3)
        if self.settings.noise:
            vectors = vectors + self.settings.noise * jax.random.normal(noise, vectors.shape)
        streams = {"dropout": dropout, "masking": masking}
        return unit_rows(applied(self._tower, params[self.modality], vectors, deterministic=False, rngs=streams))

    def counted(self, batch: Batch) -> jax.Array:
        return (batch["patient"] >= 0) & batch["present"][self.modality]

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """The image's place in the shared space, unit rows [b, projection]; `embed` gives that of a vector."""
        return {"embedding": self._projected(params, bag)}

    def bounded(self, params: dict[str, Any]) -> dict[str, Any]:
        return bounded_scale(params, self.settings)

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        if "calibrated_share" not in validation:
            return nothing_learned(validation, self.settings.max_logit_scale)
        found = nothing_learned(
            {**validation, "loss_share": validation["calibrated_share"]},
            self.settings.max_logit_scale,
            stayed_at="that of one probability for all pairs",
        )
        if validation["calibrated_share"] <= LEARNED_NOTHING < validation.get("loss_share", 0.0):
            found.append(
                f"the bias of SigLIP is far from what the pairs ask for: {validation['logit_bias']:.1f}; start it at minus the log of the "
                "number of vectors that an image is compared with (objective.bias), or let it learn faster (optimizer.multipliers)"
            )
        return found

    def flops(self, batch: int, tiles: int) -> float:
        inputs, hidden, projection = self.widths.vectors[self.modality], self.settings.hidden, self.settings.projection
        banked = self.widths.patients if self.needs_bank else 0
        encoded = batch * self.widths.features * projection + (batch + banked) * (inputs * hidden + hidden * projection)
        return 6.0 * (encoded + batch * (batch + banked) * projection)

    @property
    def _tower(self) -> VectorTower:
        return VectorTower(
            self.settings.hidden, self.settings.projection, self.settings.dropout, self.settings.mask_genes, self.widths.dtype
        )

    def _projected(self, params: Any, bag: jax.Array) -> jax.Array:
        return unit_rows(bag @ params["projection"]["kernel"])

    @property
    def _first_bias(self) -> float:
        """Of one probability for all pairs the best, as -10 is for the batches of Zhai et al.: minus the log of a row's negatives."""
        if self.settings.bias is not None:
            return self.settings.bias
        compared = max(self.widths.batch, self.widths.patients if self.needs_bank else 0)
        return -math.log(max(compared - 1, 1))

    def _rows_of_bank(self, params: Any, bank: Bank, in_batch: jax.Array, rng: jax.Array, train: bool) -> Rows:
        """The bank's patients who are not in the batch. In validation none of them is: the bank holds training patients.

        Genes are masked, dropped out and noised as those of the batch are: a row that was not would be told from a positive by that alone.
        """
        own = jax.random.fold_in(rng, 3)  # `embed` takes 0 to 2 for the batch

        def encode(vectors: jax.Array, chunk: jax.Array) -> jax.Array:
            return self.embed(params, vectors, jax.random.fold_in(own, chunk) if train else None)

        there = bank.present[self.modality]
        if train:
            there &= ~jnp.isin(bank.patient, gathered(in_batch, self.widths.everywhere), method="sort")  # holds no array of all pairs
        return Rows(
            encoded_in_chunks(encode, bank.vectors[self.modality]),
            jnp.where(there, ANOTHER, -1),
            jnp.full_like(bank.patient, -1),
            bank.cancer if self.settings.same_cancer else None,
        )

    def _diagnosis(self, images: Rows, vectors: Rows) -> Metrics:
        """How often the nearest vector is the patient's own, and the signs of a collapse."""
        valid = images.patient >= 0
        gap = row_mean(images.unit, valid) - row_mean(vectors.unit, valid)
        return {
            "retrieval_at_1": mean_where(retrieved(images, vectors, self.widths.everywhere).astype(jnp.float32), valid),
            "effective_rank": effective_rank(images.unit, valid),
            "modality_gap": jnp.sqrt(jnp.sum(gap * gap)),
        }


def row_mean(rows: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean row [width] over the rows that the mask keeps."""
    weight = mask.astype(jnp.float32)
    return jnp.einsum("bw,b->w", rows, weight) / jnp.maximum(jnp.sum(weight), 1.0)
