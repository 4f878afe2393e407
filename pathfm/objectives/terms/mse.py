"""Direct prediction of a patient's vector by least squares."""

from dataclasses import dataclass

import jax

from pathfm.objectives.losses import squares
from pathfm.objectives.terms.regression import Regression
from pathfm.settings import regression_terms


@dataclass(frozen=True)
class MeanSquares(Regression):
    """The mean of squared errors of the scaled vector, as halves: Huber's loss where no error is large."""

    settings: regression_terms.MeanSquares

    def errors(self, prediction: jax.Array, truth: jax.Array) -> jax.Array:
        return squares(prediction, truth)
