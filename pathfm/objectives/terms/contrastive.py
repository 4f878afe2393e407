"""Contrastive learning with a patient's vector in place of text (Radford et al. 2021, https://arxiv.org/abs/2103.00020)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.models.applied import applied
from pathfm.models.mlp import VectorTower
from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import (
    bounded_scale,
    effective_rank,
    first_logit_scale,
    info_nce,
    logit_scale,
    mean_where,
    normal,
    nothing_learned,
    unit_rows,
)
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.settings import terms


@dataclass(frozen=True)
class Contrastive:
    """Image embedding and vector embedding of one patient find each other among all patients of the batch."""

    settings: terms.Contrastive
    widths: Widths
    views: int = 1
    reads: str = "bag"
    additive: bool = False
    needs_bank: bool = False

    @property
    def modality(self) -> str:
        return self.settings.modality

    def init(self, rng: jax.Array) -> dict[str, Any]:
        _, projection_rng, vector_rng = jax.random.split(rng, 3)
        inputs = jnp.zeros((1, self.widths.vectors[self.modality]), jnp.float32)
        return {
            "projection": {"kernel": normal(projection_rng, self.widths.features, self.settings.projection)},
            self.modality: self._tower.init(vector_rng, inputs)["params"],
            "logit_scale": first_logit_scale(self.settings),
        }

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        identity = jnp.where(self.counted(batch), batch["patient"], -1)
        image = self._projected(params, features["bag"])
        vector = self.embed(params, batch["vectors"][self.modality], rng if train else None)
        scale = logit_scale(params, self.settings)
        loss = info_nce(image, vector, scale, identity)
        return loss, self._metrics(loss, image, vector, scale, identity, diagnose=not train)

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
        return nothing_learned(validation, self.settings.max_logit_scale)

    def flops(self, batch: int, tiles: int) -> float:
        inputs, hidden, projection = self.widths.vectors[self.modality], self.settings.hidden, self.settings.projection
        return 6.0 * batch * (self.widths.features * projection + inputs * hidden + hidden * projection + batch * projection)

    @property
    def _tower(self) -> VectorTower:
        return VectorTower(
            self.settings.hidden, self.settings.projection, self.settings.dropout, self.settings.mask_genes, self.widths.dtype
        )

    def _projected(self, params: Any, bag: jax.Array) -> jax.Array:
        return unit_rows(bag @ params["projection"]["kernel"])

    def _metrics(self, loss, image, vector, scale, identity, diagnose: bool) -> Metrics:
        """The loss against ln(b), at which nothing has been learned, and the signs of a collapse."""
        valid = identity >= 0
        count = jnp.maximum(jnp.sum(valid), 2).astype(jnp.float32)
        metrics = {"loss_share": loss / jnp.log(count), "logit_scale": scale}
        if diagnose:
            similarity = jnp.where(valid[None, :], image @ vector.T, -2.0)
            hit = jnp.argmax(similarity, axis=1) == jnp.arange(len(identity))
            gap = row_mean(image, valid) - row_mean(vector, valid)
            metrics |= {
                "retrieval_at_1": mean_where(hit.astype(jnp.float32), valid),
                "effective_rank": effective_rank(image, valid),
                "modality_gap": jnp.sqrt(jnp.sum(gap * gap)),
            }
        return metrics


def row_mean(rows: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean row [width] over the rows that the mask keeps."""
    weight = mask.astype(jnp.float32)
    return jnp.einsum("bw,b->w", rows, weight) / jnp.maximum(jnp.sum(weight), 1.0)
