"""Image–image contrastive learning without labels (SimCLR, Chen et al. 2020, https://arxiv.org/abs/2002.05709)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import (
    bounded_scale,
    effective_rank,
    first_logit_scale,
    info_nce,
    logit_scale,
    normal,
    nothing_learned,
    unit_rows,
)
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.settings import terms


@dataclass(frozen=True)
class Views:
    """Two augmentations of a tile find each other among all tiles of the batch."""

    settings: terms.Views
    widths: Widths
    views: int = 2
    reads: str = "tiles"
    modality: str | None = None
    additive: bool = False
    needs_bank: bool = False

    def init(self, rng: jax.Array) -> dict[str, Any]:
        projection_rng = jax.random.split(rng)[1]
        return {
            "projection": {"kernel": normal(projection_rng, self.widths.features, self.settings.projection)},
            "logit_scale": first_logit_scale(self.settings),
        }

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        first, second = (self._embedding(params, features["tiles"][:, view]) for view in range(2))
        valid = (batch["tile_mask"] & (batch["patient"] >= 0)[:, None]).reshape(-1)
        identity = jnp.where(valid, jnp.arange(valid.size), -1)
        scale = logit_scale(params, self.settings)
        loss = info_nce(first, second, scale, identity)
        count = jnp.maximum(jnp.sum(valid), 2).astype(jnp.float32)
        metrics = {"loss_share": loss / jnp.log(count), "logit_scale": scale}
        if not train:
            metrics["effective_rank"] = effective_rank(first, valid)
        return loss, metrics

    def counted(self, batch: Batch) -> jax.Array:
        return batch["patient"] >= 0

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        return {"embedding": self._embedding(params, bag)}

    def bounded(self, params: dict[str, Any]) -> dict[str, Any]:
        return bounded_scale(params, self.settings)

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        return nothing_learned(validation, self.settings.max_logit_scale)

    def flops(self, batch: int, tiles: int) -> float:
        width = self.settings.projection
        return 6.0 * 2 * batch * tiles * (self.widths.features * width + batch * tiles * width)

    def _embedding(self, params: Any, features: jax.Array) -> jax.Array:
        return unit_rows(features.reshape(-1, features.shape[-1]) @ params["projection"]["kernel"])
