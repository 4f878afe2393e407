"""Multi-output ridge regression: one factorisation for every strength, and outputs taken in blocks, so that a whole transcriptome fits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pathfm.probes.protocol import Fitted
from pathfm.probes.standard import standardisation
from pathfm.probes.strength import WIDE_STRENGTHS
from pathfm.probes.target import Target, Values
from pathfm.statistics.correlation import unit_columns

OUTPUTS_AT_ONCE = 2048


class RidgePath(NamedTuple):
    """Ridge models of every strength, on features standardised by the training rows' mean and sd; float64 but for `cross`."""

    mean: np.ndarray  # [features]
    scale: np.ndarray  # [features]: 1 / sd, 0 where the feature is constant
    axes: np.ndarray  # [features, rank]: principal axes of the training features
    spread: np.ndarray  # [rank]: singular values, all above rounding
    cross: np.ndarray  # float32 [rank, outputs]: centred Y along the left singular vectors
    intercept: np.ndarray  # [outputs]

    def predict(self, features: np.ndarray, strength: float) -> np.ndarray:
        """[n, outputs] from features [n, features]."""
        return (self._along(features) * self._shrunk(strength)) @ self.cross.astype(np.float64) + self.intercept

    def mean_pearson(self, features: np.ndarray, truth: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        """[strengths]: the mean over outputs of the correlation of prediction and truth [n, outputs].

        A constant prediction counts 0, an output with constant truth is left out; NaN when there is no other. No strength's predictions
        are formed where features are fewer than rows: how much a prediction varies is told by the triangle of the rows' QR.
        """
        along = self._along(features)
        level = along.mean(axis=0)
        along -= level
        shrunk = self._shrunk(np.asarray(strengths)[:, None])
        triangle = np.linalg.qr(along, mode="r") if len(along) > along.shape[1] else along
        models = [(triangle * one).astype(np.float32) for one in shrunk]
        along, levels, shrunk = (one.astype(np.float32) for one in (along, level * shrunk, shrunk))
        total, count = np.zeros(len(shrunk)), 0
        for first in range(0, truth.shape[1], OUTPUTS_AT_ONCE):
            block = slice(first, first + OUTPUTS_AT_ONCE)
            varies = np.ptp(truth[:, block], axis=0) > 0
            true = unit_columns(truth[:, block]).astype(np.float32)
            cross = self.cross[:, block]
            covariance = shrunk @ (along.T @ true * cross)
            constant = np.abs(levels @ cross + self.intercept[block].astype(np.float32))
            for number, model in enumerate(models):
                varying = model @ cross
                length = np.sqrt(np.einsum("ij,ij->j", varying, varying))
                told = varies & (length > 1e-12 * constant[number])
                total[number] += np.sum(covariance[number, told] / length[told], dtype=np.float64)
            count += int(varies.sum())
        return total / count if count else np.full(len(total), np.nan)

    def _along(self, features: np.ndarray) -> np.ndarray:
        """Features [n, d] along the axes: [n, rank]."""
        return ((features - self.mean) * self.scale) @ self.axes

    def _shrunk(self, strength: float | np.ndarray) -> np.ndarray:
        """What a strength leaves of each axis's 1 / spread."""
        return self.spread / (self.spread**2 + strength)


@dataclass(frozen=True)
class Ridge:
    """Ridge regression as a probe of values; the setting is the strength of its penalty."""

    grid: np.ndarray = field(default_factory=lambda: WIDE_STRENGTHS)
    name: str = "ridge"
    setting: str = "strength"
    takes: tuple[type[Target], ...] = (Values,)

    def fit(self, features: np.ndarray, target: Values, weights: np.ndarray) -> Iterator["RidgeFit"]:
        """One training set after the other: the factors of all at once would not fit for a whole transcriptome."""
        return (RidgeFit(fit_ridge_path(features, target.values, times), self.grid) for times in weights)


@dataclass(frozen=True)
class RidgeFit(Fitted):
    """The models of one training set; the solution is exact."""

    path: RidgePath
    grid: np.ndarray

    @property
    def converged(self) -> np.ndarray:
        return np.ones(len(self.grid), bool)

    def predict(self, features: np.ndarray, setting: int) -> np.ndarray:
        return self.path.predict(features, self.grid[setting])

    def scores(self, features: np.ndarray, target: Values) -> np.ndarray:
        """The mean Pearson of each strength, from sums; 0 where no output has a value."""
        return np.nan_to_num(self.path.mean_pearson(features, target.values, self.grid))


def fit_ridge_path(features: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> RidgePath:
    """Minimises Σᵢ wᵢ ‖yᵢ − xᵢW − b‖² + strength · ‖W‖² for any strength, X standardised, b free: scikit-learn's Ridge(alpha=strength).

    features [n, d], truth [n, outputs], weights [n]: how often a row stands in the training set (once by default). The axes are float64:
    eigenvalues of the smaller Gram matrix are then exact far below the weakest strength. Along them Y is multiplied in float32, which errs
    as if Y, itself measured, had been rounded to seven digits.
    """
    weights = np.ones(len(features)) if weights is None else np.asarray(weights, np.float64)
    mean, scale = standardisation(features, weights)
    used = np.flatnonzero(weights)
    share = np.sqrt(weights[used])[:, None]
    axes, spread, left = _factors((features[used] - mean) * scale * share)
    left = (left * share).astype(np.float32)
    cross, intercept = np.empty((len(spread), truth.shape[1]), np.float32), np.empty(truth.shape[1])
    for first in range(0, truth.shape[1], OUTPUTS_AT_ONCE):
        block = slice(first, first + OUTPUTS_AT_ONCE)
        values = truth[used, block]
        intercept[block] = np.average(values, axis=0, weights=weights[used])
        cross[:, block] = left.T @ (values - intercept[block].astype(values.dtype)).astype(np.float32)
    return RidgePath(mean, scale, axes, spread, cross, intercept)


def _factors(standard: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right singular vectors [d, rank], singular values and left vectors [n, rank] of X [n, d], through the smaller Gram matrix."""
    rows, columns = standard.shape
    wide = columns > rows
    squares, vectors = np.linalg.eigh(standard @ standard.T if wide else standard.T @ standard)
    kept = squares > rows * np.finfo(squares.dtype).eps * max(squares[-1], 1.0)
    vectors, spread = vectors[:, kept], np.sqrt(squares[kept])
    return (standard.T @ vectors / spread, spread, vectors) if wide else (vectors, spread, standard @ vectors / spread)
