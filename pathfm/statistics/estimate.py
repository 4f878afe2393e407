"""A score, or a difference of scores, with what each independent unit (hospital, patient, image) has to do with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """`value` [...], and for each unit its influence and its weight; leading axes are repeats of one design.

    Units are what is drawn independently. The variance of `value` is the sum of squared influences plus `floor`. Influences of two
    estimates add up unit by unit, so that what they share (the same patients, the same hospitals) is counted once.
    """

    value: np.ndarray  # [...]
    units: np.ndarray  # [units] str, sorted, each once
    influence: np.ndarray  # [..., units]: what the unit adds to value - truth, corrected for the part that it has in value itself
    weight: np.ndarray  # [..., units], sums to 1: the share of the variance that is the unit's if units differ in size alone
    floor: np.ndarray | float = 0.0  # [...]: variance of one more changed prediction, where predictions are classes

    @property
    def variance(self) -> np.ndarray:
        return (self.influence**2).sum(axis=-1) + self.floor

    @property
    def error(self) -> np.ndarray:
        """The standard error."""
        return np.sqrt(self.variance)

    @property
    def effective(self) -> np.ndarray:
        """The number of equal units that would weigh as these do: 1 / sum of squared weights (Kish 1965)."""
        return 1 / (self.weight**2).sum(axis=-1)

    @property
    def freedom(self) -> np.ndarray:
        """Degrees of freedom of `variance`: the effective number of units less one."""
        return self.effective - 1

    def quantile(self, level: float | np.ndarray = LEVEL) -> np.ndarray:
        """How many standard errors a two-sided interval of this level reaches out, by Student's t; infinite for a single unit."""
        freedom = np.asarray(self.freedom, float)
        there = freedom > SMALLEST_FREEDOM
        return np.where(there, student.ppf((1 + np.asarray(level)) / 2, np.where(there, freedom, 1)), np.inf)

    def repeat(self, number: int) -> "Estimate":
        """One of several repeats."""
        floor = np.broadcast_to(self.floor, np.shape(self.value))[number]
        return Estimate(self.value[number], self.units, self.influence[number], self.weight[number], floor)

    def minus(self, other: "Estimate") -> "Estimate":
        """The difference of two estimates over the same rows and units: its floor is that of one side, since it is of the design."""
        assert np.array_equal(self.units, other.units)
        return Estimate(self.value - other.value, self.units, self.influence - other.influence, self.weight, self.floor)


SMALLEST_FREEDOM = 0.02


def combined(estimates: Sequence[Estimate], factors: Sequence[float]) -> Estimate:
    """The sum of factor · estimate, with influences summed unit by unit over whatever units each has.

    A unit weighs what it is expected to have of the variance, so that the degrees of freedom are Satterthwaite's (1946) over estimates
    of other units, and those of one estimate where all have the same units.
    """
    units = np.unique(np.concatenate([one.units for one in estimates]))
    places = [np.searchsorted(units, one.units) for one in estimates]
    shape = np.broadcast_shapes(*(np.shape(one.value) for one in estimates))
    influence, expected = np.zeros((*shape, len(units))), np.zeros((*shape, len(units)))
    floor, value = np.zeros(shape), np.zeros(shape)
    for one, factor, place in zip(estimates, factors, places, strict=True):
        influence[..., place] += factor * one.influence
        expected[..., place] += factor**2 * one.variance[..., None] * one.weight
        value, floor = value + factor * one.value, floor + factor**2 * one.floor
    total = expected.sum(axis=-1, keepdims=True)
    even = np.mean([_spread(one.weight, place, (*shape, len(units))) for one, place in zip(estimates, places, strict=True)], axis=0)
    weight = np.where(total > 0, expected / np.where(total > 0, total, 1), even)
    return Estimate(value, units, influence, weight, floor)


def _spread(weight: np.ndarray, place: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros(shape)
    whole[..., place] = weight
    return whole


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over tasks."""
    return combined(estimates, [1 / len(estimates)] * len(estimates))


def difference_of(one: Estimate, other: Estimate) -> Estimate:
    """The difference of two estimates whose rows may differ, as the same task in two fits: both floors count."""
    return combined([one, other], [1, -1])
