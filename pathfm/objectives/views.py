"""Image–image contrastive learning without labels (SimCLR, Chen et al. 2020, https://arxiv.org/abs/2002.05709)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.objectives.image_tower import ImageTower, normal
from pathfm.objectives.losses import effective_rank, info_nce, normalised


@dataclass(frozen=True)
class Views:
    """Two augmentations of a tile find each other among all tiles of the batch."""

    tower: ImageTower
    projection: int = 128
    temperature: float = 0.1
    max_logit_scale: float = 100.0
    views: int = 2
    needs_expression: bool = False
    additive: bool = False

    def init(self, rng: jax.Array) -> Any:
        image_rng, projection_rng = jax.random.split(rng)
        return {
            **self.tower.init(image_rng),
            "projection": {"kernel": normal(projection_rng, self.tower.spec.features, self.projection)},
            "logit_scale": jnp.asarray(math.log(1.0 / self.temperature), jnp.float32),
        }

    def encode(self, params: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        """Features [batch, views, tiles, features]."""
        return jnp.stack([self.tower.tiles(params, images) for images in batch["images"]], axis=1)

    def loss(
        self, params: Any, encoded: jax.Array, batch: Mapping[str, jax.Array], rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        first, second = (self._embedding(params, encoded[:, view]) for view in range(2))
        valid = (batch["tile_mask"] & (batch["patient"] >= 0)[:, None]).reshape(-1)
        identity = jnp.where(valid, jnp.arange(valid.size), -1)
        scale = jnp.minimum(jnp.exp(params["logit_scale"]), self.max_logit_scale)
        loss = info_nce(first, second, scale, identity)
        count = jnp.maximum(jnp.sum(valid), 2).astype(jnp.float32)
        metrics = {"loss_over_ln_batch": loss / jnp.log(count), "logit_scale": scale}
        if not train:
            metrics["effective_rank"] = effective_rank(first, valid)
        return loss, metrics

    @property
    def predict(self):
        return {}

    def flops(self, batch: int, tiles: int) -> float:
        images = 2 * batch * tiles
        return self.tower.flops(images) + 6.0 * images * (self.tower.spec.features * self.projection + batch * tiles * self.projection)

    def _embedding(self, params: Any, features: jax.Array) -> jax.Array:
        return normalised(features.reshape(-1, features.shape[-1]) @ params["projection"]["kernel"])
