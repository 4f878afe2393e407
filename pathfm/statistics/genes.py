"""What tuning changed gene by gene: each gene's difference of r, its error over units, and what that is worth among all genes."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from pathfm.statistics.correlation import GENES_AT_ONCE, members_of
from pathfm.statistics.estimate import SMALLEST_FREEDOM
from pathfm.statistics.expression import with_each_left_out


@dataclass(frozen=True)
class GeneDifferences:
    """[genes] each; NaN where a gene has no r."""

    before: np.ndarray  # r of one prediction
    after: np.ndarray  # r of the other
    error: np.ndarray  # standard error of after − before
    freedom: float  # degrees of freedom of `error`, the same for all genes

    @property
    def change(self) -> np.ndarray:
        return self.after - self.before

    @property
    def p(self) -> np.ndarray:
        """Two-sided, by Student's t; 1 where there is no error to measure by."""
        measurable = (self.error > 0) & (self.freedom > SMALLEST_FREEDOM)
        t = np.abs(self.change) / np.where(measurable, self.error, 1)
        p = 2 * student.sf(t, max(self.freedom, SMALLEST_FREEDOM))
        return np.where(np.isnan(self.change), np.nan, np.where(measurable, p, 1.0))

    @property
    def q(self) -> np.ndarray:
        """The false discovery rate at which a gene stands out among all that have a p (Benjamini and Hochberg 1995)."""
        p = self.p
        there = ~np.isnan(p)
        q = np.full(len(p), np.nan)
        if there.any():
            q[there] = false_discovery_control(p[there])
        return q


def gene_differences(
    before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray], groups: np.ndarray, units: np.ndarray
) -> GeneDifferences:
    """Each gene's difference, of two (prediction, truth) [n, genes] of the same rows, by `units` [n], r joined over `groups` [n].

    The error is that of `correlation_estimate`, gene by gene: the delete-one-group jackknife.
    """
    names, unit = np.unique(np.asarray(units, str), return_inverse=True)
    weight = np.bincount(unit, minlength=len(names)) / len(unit)
    membership = list(members_of(groups))
    found: list[tuple[np.ndarray, ...]] = []
    for start in range(0, before[0].shape[1], GENES_AT_ONCE):
        genes = slice(start, start + GENES_AT_ONCE)
        one, other = (with_each_left_out(side[0][:, genes], side[1][:, genes], membership, unit, len(names)) for side in (before, after))
        change = other - one
        left_out = np.where(np.isnan(change[:-1]), 0, change[:-1])
        influence = (change[-1] - left_out) * np.sqrt(1 - weight)[:, None]
        found.append((one[-1], other[-1], np.sqrt((influence**2).sum(axis=0))))
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)] if found else [np.zeros(0)] * 3
    return GeneDifferences(columns[0], columns[1], columns[2], float(1 / (weight**2).sum() - 1))
