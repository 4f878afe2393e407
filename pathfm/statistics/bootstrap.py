"""The Bayesian bootstrap over patients (Rubin 1981): a draw gives every patient one weight, whatever run or task it appears in."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pathfm.statistics.correlation import LARGEST_R, members_of

DRAWS = 2000
INTERVAL = (2.5, 97.5)
GENES_AT_ONCE = 512


@dataclass(frozen=True)
class Draws:
    """`count` draws. The weights of a unit are a function of the seed, its scope and its id alone, so base, tuned and all tasks of a
    scope share them, whoever else is present; units of different scopes are independent.
    """

    count: int = DRAWS
    seed: int = 0

    def weights(self, scope: str, units: np.ndarray) -> np.ndarray:
        """[count, n] float32: Exp(1) per distinct unit; rows of one unit get the same weight."""
        names, place = np.unique(np.asarray(units, str), return_inverse=True)
        columns = np.empty((len(names), self.count), np.float32)
        for row, name in zip(columns, names, strict=True):
            key = hashlib.sha256(f"{self.seed}\0{scope}\0{name}".encode()).digest()
            np.random.Generator(np.random.PCG64(int.from_bytes(key[:16], "little"))).standard_exponential(dtype=np.float32, out=row)
        return columns[place].T


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval."""
    low, high = np.percentile(draws, INTERVAL)
    return float(low), float(high)


def balanced_accuracy_draws(truth: np.ndarray, prediction: np.ndarray, units: np.ndarray, scope: str, draws: Draws) -> np.ndarray:
    """[count]: balanced accuracy under each draw's weights, normalised within each class, which is drawing stratified by class.

    truth, prediction, units [n]. One class at a time, so memory is the draws times the units of the largest class.
    """
    total = np.zeros(draws.count)
    labels = np.unique(truth)
    for label in labels:
        members = truth == label
        weights = draws.weights(scope, units[members])
        right = (prediction[members] == label).astype(np.float32)
        total += (weights @ right).astype(np.float64) / weights.sum(axis=1, dtype=np.float64)
    return total / len(labels)


def mean_pearson_draws(
    prediction: np.ndarray, truth: np.ndarray, groups: np.ndarray, units: np.ndarray, scope: str, draws: Draws
) -> np.ndarray:
    """[count]: the mean over genes of the weighted Pearson r, per gene joined over groups (folds or parts) by Fisher z.

    prediction, truth [n, genes]; groups, units [n]. The rules are those of `correlation.pearson`: a constant prediction counts 0, genes
    with constant truth are left out. Genes go in blocks, and each block needs five matrix products with the weights.
    """
    blocks = [(members, _summing_to_one(draws.weights(scope, units[members]))) for members in members_of(groups)]
    total, genes = np.zeros(draws.count), 0
    for start in range(0, truth.shape[1], GENES_AT_ONCE):
        columns = slice(start, start + GENES_AT_ONCE)
        width = min(GENES_AT_ONCE, truth.shape[1] - start)
        z, count = np.zeros((draws.count, width), np.float32), np.zeros(width, int)
        for members, weights in blocks:
            predicted, true = prediction[members, columns], truth[members, columns]
            varies = np.ptp(true, axis=0) > 0
            r = np.clip(weighted_pearson(predicted, true, weights), -LARGEST_R, LARGEST_R)
            z = z + np.where(varies, np.arctanh(r), 0)
            count = count + varies
        kept = count > 0
        total += np.tanh(z[:, kept] / count[kept]).sum(axis=1)
        genes += int(kept.sum())
    return total / genes if genes else np.full(draws.count, np.nan)


def _summing_to_one(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(axis=1, keepdims=True)


def weighted_pearson(prediction: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[draws, genes] from prediction, truth [n, genes] and weights [draws, n] that sum to 1 in each draw; 0 where a side is constant."""
    predicted, true = _unit_sd(prediction), _unit_sd(truth)
    means = weights @ predicted, weights @ true
    covariance = weights @ (predicted * true) - means[0] * means[1]
    spread = np.maximum(weights @ predicted**2 - means[0] ** 2, 0) * np.maximum(weights @ true**2 - means[1] ** 2, 0)
    return np.where(spread > 0, covariance / np.sqrt(np.where(spread > 0, spread, 1)), 0)


def _unit_sd(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and sd 1 in float32, constant ones 0: weighted sums of squares then lose little to rounding."""
    centred = np.asarray(values, np.float64) - values.mean(axis=0, dtype=np.float64)
    sd = centred.std(axis=0)
    varies = (np.ptp(values, axis=0) > 0) & (sd > 0)
    return np.where(varies, centred / np.where(varies, sd, 1), 0).astype(np.float32)
