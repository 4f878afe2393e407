"""Multi-output ridge regression: one compiled program, and one factorisation for every strength."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pathfm.probes.device import float64
from pathfm.probes.protocol import Fitted
from pathfm.probes.standard import standardisation
from pathfm.probes.strength import WIDE_STRENGTHS
from pathfm.probes.target import Target, Values


class RidgePath(NamedTuple):
    """Ridge models of every strength, on features standardised by the training rows' mean and sd; all float64."""

    mean: np.ndarray  # [features]
    scale: np.ndarray  # [features]: 1 / sd, 0 where the feature is constant
    axes: np.ndarray  # [features, rank]: principal axes of the training features
    spread: np.ndarray  # [rank]: squared singular values
    cross: np.ndarray  # [rank, outputs]: axesᵀ Xᵀ Y, Y centred
    intercept: np.ndarray  # [outputs]

    def predict(self, features: np.ndarray, strength: float) -> np.ndarray:
        """[n, outputs] from features [n, features]."""
        with float64():
            return np.asarray(_predict(self, np.asarray(features, np.float64), np.float64(strength)))

    def mean_pearson(self, features: np.ndarray, truth: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        """[strengths]: the mean over outputs of the correlation of prediction and truth [n, outputs].

        A constant prediction counts 0, an output with constant truth is left out; NaN when there is no other.
        """
        with float64():
            given = (np.asarray(values, np.float64) for values in (features, truth, strengths))
            return np.asarray(_mean_pearson(self, *given))


@dataclass(frozen=True)
class Ridge:
    """Ridge regression as a probe of values; the setting is the strength of its penalty."""

    grid: np.ndarray = field(default_factory=lambda: WIDE_STRENGTHS)
    name: str = "ridge"
    setting: str = "strength"
    takes: tuple[type[Target], ...] = (Values,)

    def fit(self, features: np.ndarray, target: Values, weights: np.ndarray) -> Iterator["RidgeFit"]:
        """One training set after the other: the factors of all at once would not fit for a whole transcriptome."""
        for times in weights:
            rows = np.repeat(np.arange(len(times)), times.astype(int))
            yield RidgeFit(fit_ridge_path(features[rows], target.values[rows]), self.grid)


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
        """The mean Pearson of each strength, in one program; 0 where no output has a value."""
        return np.nan_to_num(self.path.mean_pearson(features, target.values, self.grid))


def fit_ridge_path(features: np.ndarray, truth: np.ndarray) -> RidgePath:
    """Minimises ‖Y − XW − b‖² + strength · ‖W‖² for any strength, X standardised, b free: scikit-learn's Ridge(alpha=strength).

    features [n, d], truth [n, outputs]. In float64: eigenvalues of the smaller Gram matrix are then exact far below the weakest strength.
    """
    features, truth = np.asarray(features, np.float64), np.asarray(truth, np.float64)
    mean, scale = standardisation(features)
    intercept = truth.mean(axis=0)
    with float64():
        axes, spread, cross = map(np.asarray, _factors((features - mean) * scale, truth - intercept))
    return RidgePath(mean, scale, axes, spread, cross, intercept)


@jax.jit
def _factors(standard: jax.Array, centred: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Axes, squared singular values and cross products of X [n, d] and Y [n, outputs], through the smaller Gram matrix."""
    rows, columns = standard.shape
    if columns <= rows:
        spread, axes = jnp.linalg.eigh(standard.T @ standard)
        return axes, jnp.maximum(spread, 0.0), axes.T @ (standard.T @ centred)
    spread, left = jnp.linalg.eigh(standard @ standard.T)
    kept = spread > rows * jnp.finfo(spread.dtype).eps * jnp.maximum(spread[-1], 1.0)
    root = jnp.sqrt(jnp.where(kept, spread, 1.0))
    axes = jnp.where(kept[None], (standard.T @ left) / root[None], 0.0)
    return axes, jnp.where(kept, spread, 1.0), jnp.where(kept, root, 0.0)[:, None] * (left.T @ centred)


def _outputs(path: RidgePath, scores: jax.Array, strength: jax.Array) -> jax.Array:
    return scores @ (path.cross / (path.spread + strength)[:, None]) + path.intercept[None]


def _scores(path: RidgePath, features: jax.Array) -> jax.Array:
    """Features [n, d] along the axes: [n, rank]."""
    return ((features - path.mean[None]) * path.scale[None]) @ path.axes


@jax.jit
def _predict(path: RidgePath, features: jax.Array, strength: jax.Array) -> jax.Array:
    return _outputs(path, _scores(path, features), strength)


@jax.jit
def _mean_pearson(path: RidgePath, features: jax.Array, truth: jax.Array, strengths: jax.Array) -> jax.Array:
    """One strength after the other: the predictions of all at once would not fit for a whole transcriptome."""
    scores, true = _scores(path, features), _unit(truth)
    varies = jnp.ptp(truth, axis=0) > 0

    def one(strength: jax.Array) -> jax.Array:
        r = jnp.sum(_unit(_outputs(path, scores, strength)) * true, axis=0)
        return jnp.sum(jnp.where(varies, r, 0.0)) / jnp.sum(varies.astype(r.dtype))

    return jax.lax.map(one, strengths)


def _unit(values: jax.Array) -> jax.Array:
    """Columns with mean 0 and sum of squares 1; a column that is constant but for rounding is 0."""
    centred = values - jnp.mean(values, axis=0, keepdims=True)
    norm = jnp.sqrt(jnp.sum(centred * centred, axis=0, keepdims=True))
    largest = jnp.max(jnp.abs(values), axis=0, keepdims=True)
    varies = norm > 1e-12 * jnp.maximum(largest, 1e-300)
    return jnp.where(varies, centred / jnp.where(varies, norm, 1.0), 0.0)
