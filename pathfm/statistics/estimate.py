"""A score, or a difference of scores, with what each independent unit (hospital, patient, image) has to do with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """`value` [...], and for each unit its influence and its weight; leading axes are repeats of one design.

    Units are what is drawn independently. The variance of `value` is the sum of squared influences plus `floor`, and, of a mean over
    trainings, what their spread adds. Influences of two estimates add up unit by unit, so that what they share (the same patients, the
    same hospitals, the same trainings) is counted once.
    """

    value: np.ndarray  # [...]
    units: np.ndarray  # [units] str, sorted, each once
    influence: np.ndarray  # [..., units]: what the unit adds to value - truth, corrected for the part that it has in value itself
    weight: np.ndarray  # [..., units], sums to 1: the share of the variance that is the unit's if units differ in size alone
    floor: np.ndarray | float = 0.0  # [...]: variance of one more changed prediction, where predictions are classes
    training: np.ndarray | None = None  # [..., trainings]: what each of several adds to value - the recipe's; None: one, spread unknown

    @property
    def trainings(self) -> int:
        return 1 if self.training is None else self.training.shape[-1]

    @property
    def of_sample(self) -> np.ndarray:
        """The variance that other units (hospitals, patients, images) would make."""
        return (self.influence**2).sum(axis=-1) + self.floor

    @property
    def of_trainings(self) -> np.ndarray:
        """The variance that other trainings would make: that between trainings over their number; 0 where there is one."""
        return np.zeros(np.shape(self.value)) if self.training is None else (self.training**2).sum(axis=-1)

    @property
    def variance(self) -> np.ndarray:
        return self.of_sample + self.of_trainings

    @property
    def share(self) -> np.ndarray:
        """[...] from 0 to 1: how much of the variance is the trainings'; 0 where there is none."""
        whole = self.variance
        return np.where(whole > 0, self.of_trainings / np.where(whole > 0, whole, 1), 0.0)

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
        """Degrees of freedom of `of_sample`: the effective number of units less one."""
        return self.effective - 1

    def quantile(self, level: float | np.ndarray = LEVEL) -> np.ndarray:
        """How many standard errors a two-sided interval of this level reaches out; infinite for a single unit.

        Student's t of the units, and of several trainings its mean with that of the trainings, each weighing its share of the variance
        (Cochran and Cox 1950): Satterthwaite's degrees of freedom take a small spread of two or three trainings at its word.
        """
        of_units, of_trainings = self.quantiles(level)
        if self.training is None:
            return of_units
        finite = np.isfinite(of_units)
        return np.where(finite, (1 - self.share) * np.where(finite, of_units, 0) + self.share * of_trainings, np.inf)

    def quantiles(self, level: float | np.ndarray = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Student's two-sided quantiles of the units and of the trainings; infinite where there is one."""
        freedom = np.asarray(self.freedom, float)
        there = freedom > SMALLEST_FREEDOM
        tail = (1 + np.asarray(level)) / 2
        of_units = np.where(there, student.ppf(tail, np.where(there, freedom, 1)), np.inf)
        return of_units, student.ppf(tail, self.trainings - 1) if self.trainings > 1 else np.full(tail.shape, np.inf)

    def repeat(self, number: int) -> "Estimate":
        """One of several repeats."""
        floor = np.broadcast_to(self.floor, np.shape(self.value))[number]
        training = None if self.training is None else self.training[number]
        return Estimate(self.value[number], self.units, self.influence[number], self.weight[number], floor, training)

    def minus(self, other: "Estimate") -> "Estimate":
        """The difference of two trainings over the same rows and units: its floor is that of one side, since it is of the design."""
        assert np.array_equal(self.units, other.units) and self.training is other.training is None
        return Estimate(self.value - other.value, self.units, self.influence - other.influence, self.weight, self.floor)


SMALLEST_FREEDOM = 0.02


def combined(estimates: Sequence[Estimate], factors: Sequence[float]) -> Estimate:
    """The sum of factor · estimate, with influences summed unit by unit over whatever units each has.

    A unit weighs what it is expected to have of the variance, so that the degrees of freedom are Satterthwaite's (1946) over estimates
    of other units, and those of one estimate where all have the same units. All are of the same trainings, or of one.
    """
    units = np.unique(np.concatenate([one.units for one in estimates]))
    places = [np.searchsorted(units, one.units) for one in estimates]
    shape = np.broadcast_shapes(*(np.shape(one.value) for one in estimates))
    influence, expected = np.zeros((*shape, len(units))), np.zeros((*shape, len(units)))
    floor, value = np.zeros(shape), np.zeros(shape)
    for one, factor, place in zip(estimates, factors, places, strict=True):
        influence[..., place] += factor * one.influence
        expected[..., place] += factor**2 * one.of_sample[..., None] * one.weight
        value, floor = value + factor * one.value, floor + factor**2 * one.floor
    total = expected.sum(axis=-1, keepdims=True)
    even = np.mean([_spread(one.weight, place, (*shape, len(units))) for one, place in zip(estimates, places, strict=True)], axis=0)
    weight = np.where(total > 0, expected / np.where(total > 0, total, 1), even)
    return Estimate(value, units, influence, weight, floor, _sum_of_trainings(estimates, factors))


def _sum_of_trainings(estimates: Sequence[Estimate], factors: Sequence[float]) -> np.ndarray | None:
    """[..., trainings]; what a training does to several tasks is summed before it is squared."""
    there = [factor * one.training for one, factor in zip(estimates, factors, strict=True) if one.training is not None]
    return np.sum(there, axis=0) if there else None


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
