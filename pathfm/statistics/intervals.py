"""Intervals of estimates: of differences, of scores between 0 and 1, of correlations; one at a time or for a family together."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from pathfm.statistics.estimate import LEVEL, Estimate

DRAWS = 20_000
SEED = 0
LARGEST = 1 - 1e-9


def of_difference(estimate: Estimate, level: float | np.ndarray = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """value ± t · error, within [−1, 1]."""
    reach = estimate.quantile(level) * estimate.error
    return np.maximum(estimate.value - reach, -1), np.minimum(estimate.value + reach, 1)


def of_share(estimate: Estimate, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's (1927) interval of a (mean of) proportion(s), with t in place of z and the number of independent rows that would have
    this variance (Korn and Graubard 1998); inside [0, 1].
    """
    p, t = np.asarray(estimate.value, float), estimate.quantile(level)
    rows = 1 / (np.asarray(estimate.weight) ** 2).sum(axis=-1)
    shrunk = (p * rows + 1) / (rows + 2)
    over = t**2 * estimate.variance / (shrunk * (1 - shrunk))
    finite = np.isfinite(over)
    over = np.where(finite, over, 1)
    centre, half = (p + over / 2) / (1 + over), np.sqrt(over * p * (1 - p) + over**2 / 4) / (1 + over)
    return np.where(finite, np.maximum(centre - half, 0), 0.0), np.where(finite, np.minimum(centre + half, 1), 1.0)


def of_correlation(estimate: Estimate, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """tanh(artanh(value) ± t · error / (1 − value²)): inside [−1, 1]."""
    r = np.clip(estimate.value, -LARGEST, LARGEST)
    reach = estimate.quantile(level) * estimate.error / (1 - r**2)
    return np.tanh(np.arctanh(r) - reach), np.tanh(np.arctanh(r) + reach)


def family_level(estimates: Sequence[Estimate], level: float = LEVEL, draws: int = DRAWS, seed: int = SEED) -> float:
    """The level at which each of several intervals must be taken so that all hold together in `level` of cases.

    The largest of jointly normal values whose correlations are those of the influences (single-step max-|t|: Hothorn, Bretz and Westfall
    2008); each interval then takes its own degrees of freedom (Hasler and Hothorn 2008), so that a task of few hospitals does not borrow
    the certainty of another. Estimates without repeats.
    """
    if len(estimates) < 2:
        return level
    normal = np.random.default_rng(seed).standard_normal((draws, len(estimates)))
    largest = np.abs(normal @ _root(correlations(estimates))).max(axis=1)
    return float(2 * norm.cdf(np.quantile(largest, level)) - 1)


def correlations(estimates: Sequence[Estimate]) -> np.ndarray:
    """[estimates, estimates]: the correlation of their errors, from the units that they share.

    What trainings do to several tasks counts as independent, which asks for more: two or three of them cannot tell how it goes together.
    """
    units = np.unique(np.concatenate([one.units for one in estimates]))
    influences = np.zeros((len(estimates), len(units)))
    for row, one in zip(influences, estimates, strict=True):
        row[np.searchsorted(units, one.units)] = one.influence
    error = np.array([one.error for one in estimates])
    safe = np.where(error > 0, error, 1)
    matrix = influences @ influences.T / np.outer(safe, safe)
    np.fill_diagonal(matrix, 1)
    return matrix


def _root(matrix: np.ndarray) -> np.ndarray:
    """A square root of a symmetric matrix, which rounding may have left a little below zero."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
