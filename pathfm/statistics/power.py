"""What a comparison can show: the smallest difference that it would see, and how many patients a given one needs."""

import numpy as np

from pathfm.statistics.estimate import LEVEL, Estimate

POWER = 0.8


def detectable(estimate: Estimate, power: float = POWER) -> float:
    """The true difference whose interval would leave 0 out with this probability: (t of the level + t of the power) · error.

    By the estimate's own standard error and degrees of freedom; infinite for a single unit.
    """
    return float((estimate.quantile(LEVEL) + estimate.quantile(2 * power - 1)) * estimate.error)


def patients_for(estimate: Estimate, difference: float, patients: int, power: float = POWER) -> float:
    """How many patients of the same kind, from units of the same sizes, would show this difference; `patients` are there now.

    Of several trainings their part of the variance stays: infinite where it alone hides the difference, or for a single unit.
    """
    both = zip(estimate.quantiles(LEVEL), estimate.quantiles(2 * power - 1), strict=True)
    of_units, of_trainings = (float(one + other) for one, other in both)
    sample, spread = float(estimate.of_sample), float(estimate.of_trainings)
    if not np.isfinite(of_units) or (spread and of_trainings**2 * spread >= difference**2):
        return float("inf")
    # the variance x of the sample at which (x · of_units + spread · of_trainings)² = difference² · (x + spread)
    between = spread * of_trainings if spread else 0.0
    slope = difference**2 - 2 * of_units * between
    x = (slope + np.sqrt(slope**2 + 4 * of_units**2 * (difference**2 * spread - between**2))) / (2 * of_units**2)
    return patients * sample / x
