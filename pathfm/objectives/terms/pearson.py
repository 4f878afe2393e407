"""Prediction of which patients have more of a gene and which less: one less Pearson's r over the patients of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import LEARNED_NOTHING, correlations, effective_rank
from pathfm.objectives.objective import Batch, Features, Metrics
from pathfm.objectives.terms.regression import Regression
from pathfm.settings import regression_terms


@dataclass(frozen=True)
class Pearson(Regression):
    """The mean over genes of 1 − r, r over all patients of the batch: no patient has a loss of its own, so it is not additive.

    r does not change with the scale of a prediction. A head near zero would take steps a hundred times as long as the tower's, so it starts
    with unit gain; what it predicts has neither scale nor mean. Its bias stays 0: its gradient is rounding, which Adam would walk along.
    """

    settings: regression_terms.Pearson
    additive: bool = False
    start: float = 1.0
    inputs: tuple[str, ...] = ("head/bias",)

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        valid = self.counted(batch)
        r = correlations(self.head(params, features["bag"]), batch["vectors"][self.modality], valid)
        loss = 1.0 - jnp.mean(r)
        metrics = {"loss_share": loss}
        if not train:
            metrics["effective_rank"] = effective_rank(features["bag"], valid)
        return loss, metrics

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """The vector [b, width], each of its columns up to a factor above 0 and a shift that training leaves open."""
        return {"unscaled": self.head(params, bag)}

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        if validation.get("loss_share", 0.0) > LEARNED_NOTHING:
            return [f"on validation patients the predicted {self.modality} does not go with the measured one"]
        return []
