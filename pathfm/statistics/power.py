"""What a comparison can show: the smallest difference that it would see, and how many patients a given one needs."""

import numpy as np
from scipy.stats import t as student

from pathfm.statistics.estimate import LEVEL, SMALLEST_FREEDOM, Estimate

POWER = 0.8


def detectable(estimate: Estimate, power: float = POWER) -> float:
    """The true difference whose interval would leave 0 out with this probability: (t of the level + t of the power) · error.

    By the estimate's own standard error and degrees of freedom; infinite for a single unit.
    """
    freedom = float(estimate.freedom)
    if freedom <= SMALLEST_FREEDOM:
        return float("inf")
    return float((student.ppf((1 + LEVEL) / 2, freedom) + student.ppf(power, freedom)) * estimate.error)


def patients_for(estimate: Estimate, difference: float, patients: int, power: float = POWER) -> float:
    """How many patients of the same kind, from units of the same sizes, would show this difference; `patients` are there now."""
    return patients * (detectable(estimate, power) / difference) ** 2 if np.isfinite(detectable(estimate, power)) else float("inf")
