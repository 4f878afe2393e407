"""The loss of logistic regression for several training sets of the same rows: its value, gradient and curvature."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit

ROWS_A_FEATURE = 32


@dataclass(frozen=True)
class SoftmaxLoss:
    """The loss at a point of every training set."""

    value: np.ndarray  # [sets], with the penalty
    wrong: np.ndarray  # [sets, n]: how probable the other classes are together
    shares: np.ndarray  # [sets, classes, n]: how probable each other class is, 0 for the true one


@dataclass(frozen=True)
class Softmax:
    """Σᵢ wᵢ · cross-entropy(i) + ½ Σ penalty · params², one training set beside the other.

    Params [sets, columns, features + 1] are coefficients and, last, intercepts, a column for each class, or one where there are two
    classes; in each set they are multiplied by `ratio` before they meet the rows. Rows lie along the last axis.
    """

    design: np.ndarray  # float64 [features + 1, n], its last row 1
    targets: np.ndarray  # int [n]
    classes: int
    weights: np.ndarray  # [sets, n], each of sum 1
    ratio: np.ndarray  # [sets, features + 1]
    penalty: np.ndarray  # [sets, features + 1], 0 for the intercept

    def with_penalty(self, penalty: np.ndarray) -> "Softmax":
        """The same rows under another penalty [sets, features + 1]."""
        return replace(self, penalty=penalty)

    @property
    def columns(self) -> int:
        return 1 if self.classes == 2 else self.classes

    @cached_property
    def single(self) -> tuple[np.ndarray, np.ndarray]:
        """Design and weights in single precision."""
        return self.design.astype(np.float32), self.weights.astype(np.float32)

    @cached_property
    def true(self) -> tuple[slice, np.ndarray, np.ndarray]:
        """Where the true classes stand in [sets, classes, n]."""
        return slice(None), self.targets, np.arange(len(self.targets))

    def outputs(self, params: np.ndarray) -> np.ndarray:
        """Logits [sets, classes, n]; of two classes the first has 0."""
        return self._forth(params, self.design)

    def loss(self, params: np.ndarray, outputs: np.ndarray) -> SoftmaxLoss:
        """By how far the other classes together lie above the true one: precise however well the classes are told apart."""
        odds = outputs - outputs[self.true][:, None]
        odds[self.true] = -np.inf
        top = odds.max(axis=1)
        shares = np.exp(odds - top[:, None])
        together = shares.sum(axis=1)
        above = top + np.log(together)
        wrong = expit(above)
        shares *= (wrong / together)[:, None]
        penalty = 0.5 * np.einsum("sf,scf->s", self.penalty, params * params)
        return SoftmaxLoss(np.einsum("sn,sn->s", self.weights, np.logaddexp(0, above)) + penalty, wrong, shares)

    def gradient(self, loss: SoftmaxLoss, params: np.ndarray) -> np.ndarray:
        residual = loss.shares * self.weights[:, None]
        residual[self.true] = -loss.wrong * self.weights
        return self._back(residual, self.design) + self.penalty[:, None] * params

    def curvature(self, loss: SoftmaxLoss) -> Callable:
        """In single precision; changes are taken from the true class's, so that rows that are nearly sure keep their digits."""
        design, weights = self.single
        probability = loss.shares.astype(np.float32)
        probability[self.true] = 1 - loss.wrong
        weighted = probability * weights[:, None]

        def product(direction: np.ndarray) -> np.ndarray:
            change = self._forth(direction, design)
            change -= change[self.true][:, None]
            change -= np.einsum("scn,scn->sn", probability, change)[:, None]
            change *= weighted
            return self._back(change, design) + self.penalty[:, None] * direction

        return product

    def rough_hessian(self, loss: SoftmaxLoss) -> np.ndarray:
        """[features + 1, features + 1]: the loss's second derivative without the penalty, as if it were the same for every class and set.

        From at most ROWS_A_FEATURE rows a feature, drawn evenly along the sum of what each row contributes.
        """
        spread = loss.wrong * (1 - loss.wrong) + (loss.shares * (1 - loss.shares)).sum(axis=1)
        spread = np.einsum("sn,sn->n", self.weights, spread) / (len(self.weights) * max(self.classes - 1, 2))
        rows = ROWS_A_FEATURE * len(self.design)
        if rows >= len(spread):
            scaled = self.design * np.sqrt(spread)
        else:
            along = np.cumsum(spread)
            drawn = np.searchsorted(along, along[-1] * (np.arange(rows) + 0.5) / rows)
            scaled = self.design[:, np.minimum(drawn, len(spread) - 1)] * np.sqrt(along[-1] / rows)
        return scaled @ scaled.T

    def _forth(self, params: np.ndarray, design: np.ndarray) -> np.ndarray:
        """Params to logits, in the precision of the design."""
        scaled = (params * self.ratio[:, None]).astype(design.dtype)
        logits = (scaled.reshape(-1, len(design)) @ design).reshape(*params.shape[:2], -1)
        return np.concatenate([np.zeros_like(logits), logits], axis=1) if self.classes == 2 else logits

    def _back(self, residual: np.ndarray, design: np.ndarray) -> np.ndarray:
        """The transpose of `_forth`."""
        residual = residual[:, -self.columns :]
        return (residual.reshape(-1, residual.shape[-1]) @ design.T).reshape(*residual.shape[:2], -1) * self.ratio[:, None]
