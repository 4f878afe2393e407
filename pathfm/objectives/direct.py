"""Direct prediction of the expression profile from the feature of a patient's tiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pathfm.objectives.image_tower import ImageTower, normal
from pathfm.objectives.losses import effective_rank, huber, masked_mean


@dataclass(frozen=True)
class Direct:
    """Huber regression of the scaled expression on the bag's feature: linear, or through one hidden layer."""

    tower: ImageTower
    genes: int
    hidden: int = 0
    delta: float = 1.0
    views: int = 1
    needs_expression: bool = True
    additive: bool = True

    def init(self, rng: jax.Array) -> Any:
        image_rng, hidden_rng, head_rng = jax.random.split(rng, 3)
        params = self.tower.init(image_rng)
        width = self.tower.spec.features
        if self.hidden:
            params["hidden"] = {"kernel": normal(hidden_rng, width, self.hidden), "bias": jnp.zeros((self.hidden,), jnp.float32)}
        # A head near zero starts at the cohort's mean profile, which is zero in the panel's units.
        kernel = 0.01 * normal(head_rng, self.hidden or width, self.genes)
        return {**params, "head": {"kernel": kernel, "bias": jnp.zeros((self.genes,), jnp.float32)}}

    def encode(self, params: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        return self.tower.bags(params, batch["images"][0], batch["tile_mask"])

    def loss(
        self, params: Any, encoded: jax.Array, batch: Mapping[str, jax.Array], rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        prediction, truth, valid = self._head(params, encoded), batch["expression"], batch["patient"] >= 0
        loss = masked_mean(huber(prediction, truth, self.delta), valid)
        of_mean = masked_mean(huber(jnp.zeros_like(truth), truth, self.delta), valid)
        metrics = {"loss_over_mean_profile": loss / jnp.maximum(of_mean, 1e-12)}
        if not train:
            metrics["effective_rank"] = effective_rank(encoded, valid)
        return loss, metrics

    def expression(self, params: Any, images: jax.Array, tile_mask: jax.Array) -> jax.Array:
        """Scaled expression [batch, genes] of images [batch, tiles, height, width, 3]."""
        return self._head(params, self.tower.bags(params, images, tile_mask))

    @property
    def predict(self):
        return {"expression": self.expression}

    def flops(self, batch: int, tiles: int) -> float:
        width = self.tower.spec.features
        head = width * self.hidden + self.hidden * self.genes if self.hidden else width * self.genes
        return self.tower.flops(batch * tiles) + 6.0 * batch * head

    def _head(self, params: Any, features: jax.Array) -> jax.Array:
        if self.hidden:
            hidden = params["hidden"]
            features = nn.gelu(features @ hidden["kernel"] + hidden["bias"][None], approximate=False)
        return features @ params["head"]["kernel"] + params["head"]["bias"][None]
