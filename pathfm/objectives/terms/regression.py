"""Direct prediction of a patient's vector, gene expression first of all, from the feature of its tiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import effective_rank, huber, mean_where, no_better_than_the_mean, normal
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.settings.terms import Direct


@dataclass(frozen=True)
class Regression:
    """Huber regression of the scaled vector on the bag's feature: linear, or through one hidden layer."""

    settings: Direct
    widths: Widths
    views: int = 1
    reads: str = "bag"
    additive: bool = True
    needs_bank: bool = False
    start: float = 0.01  # gain of the head: near zero it starts at the cohort's mean profile, which is zero in the panel's units

    @property
    def modality(self) -> str:
        return self.settings.modality

    def init(self, rng: jax.Array) -> dict[str, Any]:
        _, hidden_rng, head_rng = jax.random.split(rng, 3)
        width, hidden, outputs = self.widths.features, self.settings.hidden, self.widths.vectors[self.modality]
        params = {}
        if hidden:
            params["hidden"] = {"kernel": normal(hidden_rng, width, hidden), "bias": jnp.zeros((hidden,), jnp.float32)}
        kernel = self.start * normal(head_rng, hidden or width, outputs)
        return {**params, "head": {"kernel": kernel, "bias": jnp.zeros((outputs,), jnp.float32)}}

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        truth, valid = batch["vectors"][self.modality], self.counted(batch)
        losses = self.errors(self.head(params, features["bag"]), truth)
        of_mean = mean_where(self.errors(jnp.zeros_like(truth), truth), valid)
        metrics = {"loss_share": mean_where(losses, valid) / jnp.maximum(of_mean, 1e-12)}
        if not train:
            metrics["effective_rank"] = effective_rank(features["bag"], valid)
        return losses, metrics

    def errors(self, prediction: jax.Array, truth: jax.Array) -> jax.Array:
        """The loss of each patient [b], from vectors [b, width]."""
        return huber(prediction, truth, self.settings.huber)

    def counted(self, batch: Batch) -> jax.Array:
        return (batch["patient"] >= 0) & batch["present"][self.modality]

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """The scaled vector [b, width] under the name of its modality."""
        return {self.modality: self.head(params, bag)}

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        return no_better_than_the_mean(validation, self.modality)

    def flops(self, batch: int, tiles: int) -> float:
        width, hidden, outputs = self.widths.features, self.settings.hidden, self.widths.vectors[self.modality]
        return 6.0 * batch * (width * hidden + hidden * outputs if hidden else width * outputs)

    def head(self, params: Any, features: jax.Array) -> jax.Array:
        """[b, width] of the patients' features [b, features]."""
        if self.settings.hidden:
            hidden = params["hidden"]
            features = nn.gelu(features @ hidden["kernel"] + hidden["bias"][None], approximate=False)
        return features @ params["head"]["kernel"] + params["head"]["bias"][None]
