"""The features of tiles held near those of the weights that training starts from: distillation from the frozen base.

Learning without Forgetting (Li and Hoiem 2016, https://arxiv.org/abs/1606.09282) holds outputs in this way, DELTA (Li et al. 2019,
https://arxiv.org/abs/1901.09229) features. The base sees the very same augmented tile, as a teacher should (Beyer et al. 2022,
https://arxiv.org/abs/2106.05237): its tower runs in the step, forward alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import mean_where, unit_rows
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.settings import terms


@dataclass(frozen=True)
class Anchor:
    """The mean over a patient's tiles of the distance between the tower's feature and the base's. It has no parameters."""

    settings: terms.Anchor
    widths: Widths
    views: int = 1
    reads: str = "base"
    modality: str | None = None
    additive: bool = True
    needs_bank: bool = False

    def init(self, rng: jax.Array) -> dict[str, Any]:
        return {}

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        distance = cosine_distance if self.settings.distance == "cosine" else l2_distance
        distances = distance(features["tiles"][:, 0], features["base"])
        weight = batch["tile_mask"].astype(jnp.float32)
        losses = jnp.sum(distances * weight, axis=-1) / jnp.maximum(jnp.sum(weight, axis=-1), 1.0)
        # Features that have nothing to do with the base's are at a distance of 1, so the loss is its own share of that.
        return losses, {"loss_share": mean_where(losses, self.counted(batch))}

    def counted(self, batch: Batch) -> jax.Array:
        return batch["patient"] >= 0

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """Nothing: it only holds."""
        return {}

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        return []

    def flops(self, batch: int, tiles: int) -> float:
        return 0.0


def cosine_distance(a: jax.Array, b: jax.Array) -> jax.Array:
    """1 − cosine of the rows, [..., width] to [...]; written as half the square between unit rows, which is exact near 0 too."""
    return 0.5 * jnp.sum(jnp.square(unit_rows(a) - unit_rows(b)), axis=-1)


def l2_distance(a: jax.Array, b: jax.Array) -> jax.Array:
    """Half the square between the rows over that of `b`, [..., width] to [...]: of rows of one length, 1 − their cosine."""
    return 0.5 * jnp.sum(jnp.square(a - b), axis=-1) / jnp.maximum(jnp.sum(jnp.square(b), axis=-1), 1e-12)
