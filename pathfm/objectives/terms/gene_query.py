"""Genes as queries that attend to the tiles of a patient (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pathfm.models.precision import float32_products
from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import LOWEST, effective_rank, huber, mean_where, no_better_than_the_mean, normal, unit_rows
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.settings import regression_terms

KERNELS = ("query", "read", "key", "value")


@dataclass(frozen=True)
class GeneQuery:
    """Huber regression of each gene's scaled expression on what its vector finds among the tiles.

    The vector e of a gene gives a query and a read-out, the feature of a tile a key and a value. In each head the gene's prediction is the
    mean over tiles of ⟨read-out, value⟩ by softmax weights ⟨query, key⟩; heads are summed. Nothing else belongs to a single gene, so any
    vector of the same origin can be asked for after training. A gene whose vector is 0 is not known: it is predicted as 0, the mean
    profile, and has no part in the loss.
    """

    settings: regression_terms.GeneQuery
    widths: Widths
    views: int = 1
    reads: str = "tiles"
    additive: bool = True
    needs_bank: bool = False

    @property
    def modality(self) -> str:
        return self.settings.modality

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("genes",) if self.settings.vectors else ()

    def init(self, rng: jax.Array) -> dict[str, Any]:
        genes_rng, *rngs = jax.random.split(rng, 1 + len(KERNELS))
        genes, width = self.widths.vectors[self.modality], self.settings.width
        drawn = normal(genes_rng, genes, self.settings.gene_width) * genes**0.5
        vectors = jnp.asarray(self.widths.starts.get("genes", np.empty(0)), jnp.float32) if self.settings.vectors else drawn
        rows = {"query": vectors.shape[-1], "read": vectors.shape[-1], "key": self.widths.features, "value": self.widths.features}
        kernels = {name: normal(one, rows[name], width) for name, one in zip(KERNELS, rngs, strict=True)}
        kernels["read"] = 0.01 * kernels["read"]  # near zero it starts at the cohort's mean profile
        return {"genes": vectors} | {name: {"kernel": kernel} for name, kernel in kernels.items()}

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        tiles, tile_mask, valid = features["tiles"][:, 0], batch["tile_mask"], self.counted(batch)
        known = jnp.any(params["genes"] != 0, axis=-1).astype(jnp.float32)[None]
        truth = batch["vectors"][self.modality] * known
        share = jnp.maximum(jnp.mean(known), 1e-12)
        losses = huber(self.ask(params, tiles, tile_mask, params["genes"]) * known, truth, self.settings.huber) / share
        of_mean = mean_where(huber(jnp.zeros_like(truth), truth, self.settings.huber) / share, valid)
        metrics = {"loss_share": mean_where(losses, valid) / jnp.maximum(of_mean, 1e-12)}
        if not train:
            metrics["effective_rank"] = effective_rank(tiles[:, 0], valid)
        return losses, metrics

    @float32_products
    def ask(self, params: Any, tiles: jax.Array, tile_mask: jax.Array, vectors: jax.Array) -> jax.Array:
        """Scaled expression [b, n] of the genes with these vectors [n, gene width], in patients with tile features [b, tiles, features].

        The length of a vector says nothing. A gene set is asked for by the mean of its genes' vectors, each of length 1.
        """
        genes = unit_rows(vectors) * vectors.shape[-1] ** 0.5
        query, read = (self._heads(genes @ params[name]["kernel"]) for name in ("query", "read"))
        key, value = (self._heads(tiles @ params[name]["kernel"]) for name in ("key", "value"))
        logits = jnp.einsum("nhd,bthd->bhnt", query, key) * query.shape[-1] ** -0.5
        weights = jax.nn.softmax(jnp.where(tile_mask[:, None, None], logits, LOWEST), axis=-1)
        return jnp.sum(weights * jnp.einsum("nhd,bthd->bhnt", read, value), axis=(1, 3)) * self.settings.width**-0.5

    def counted(self, batch: Batch) -> jax.Array:
        return (batch["patient"] >= 0) & batch["present"][self.modality]

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """The scaled vector [b, width] under the name of its modality, with the pooled feature in place of a single tile."""
        return self.predict_of_tiles(params, bag[:, None], jnp.ones((len(bag), 1), bool))

    def predict_of_tiles(self, params: Any, tiles: jax.Array, tile_mask: jax.Array) -> dict[str, jax.Array]:
        return {self.modality: self.ask(params, tiles, tile_mask, params["genes"])}

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        return no_better_than_the_mean(validation, self.modality)

    def flops(self, batch: int, tiles: int) -> float:
        genes, width = self.widths.vectors[self.modality], self.settings.width
        return 6.0 * 2 * batch * tiles * width * (self.widths.features + genes)

    def _heads(self, rows: jax.Array) -> jax.Array:
        """[..., width] as [..., heads, width / heads]."""
        return rows.reshape(*rows.shape[:-1], self.settings.heads, -1)
