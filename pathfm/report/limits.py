"""What a row of differences could have shown: the smallest difference it would see, patients for a point, the loss left out; and what
hides more, the choice of patients or the chance of trainings.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pathfm.report.measured import Measured
from pathfm.report.words import MISSING, number
from pathfm.statistics.power import detectable, patients_for

POINT = 0.01
ENOUGH = 1e7  # patients; more are not counted
LINES = {
    "detectable": "smallest Δ it would show",
    "needed": "patients to show 1 point",
    "excluded": "a larger loss is excluded",
    "trainings": "of the variance, patients / trainings",
}


@dataclass(frozen=True)
class Limits:
    """Of one row of differences, a value for each column of the table; NaN where there is no difference."""

    fit: str
    approach: str
    detectable: tuple[float, ...]  # points, with a power of 80 %
    needed: tuple[float, ...]  # patients, or images; of the mean Δ a multiple of those that are there is no number of patients: NaN
    excluded: tuple[float, ...]  # points: the interval's lower end, as a loss; 0 where that is a gain
    probe: str = ""
    trainings: tuple[float, ...] = ()  # %: the trainings' part of the variance; empty for one training, whose part is not known

    def lines(self) -> dict[str, list[str]]:
        """Words for each column, by the line's name."""
        lines = {
            "detectable": [_points(value) for value in self.detectable],
            "needed": [_patients(value) for value in self.needed],
            "excluded": [_points(value) for value in self.excluded],
        }
        return lines | ({"trainings": [_parts(value) for value in self.trainings]} if self.trainings else {})


def limits_of(fit: str, approach: str, differences: Mapping[str, Measured]) -> Limits:
    seen, needed, excluded = [], [], []
    for one in differences.values():
        there = one.there and float(one.estimate.variance) > 0
        seen.append(100 * detectable(one.estimate) if there else np.nan)
        needed.append(patients_for(one.estimate, POINT, one.patients) if there and one.patients else np.nan)
        excluded.append(max(0.0, -one.cell().low) if there else np.nan)
    several = any(one.there and one.estimate.trainings > 1 for one in differences.values())
    shares = tuple(100 * float(one.estimate.share) if one.there else np.nan for one in differences.values()) if several else ()
    return Limits(fit, approach, tuple(seen), tuple(needed), tuple(excluded), trainings=shares)


def _points(value: float) -> str:
    return MISSING if np.isnan(value) else "none" if value >= 100 else number(value, False)


def _patients(value: float) -> str:
    """To two digits."""
    if np.isnan(value):
        return MISSING
    if np.isinf(value):
        return "no number"
    return f"over {ENOUGH:,.0f}" if value > ENOUGH else f"{float(f'{value:.2g}'):,.0f}"


def _parts(share: float) -> str:
    return MISSING if np.isnan(share) else f"{100 - share:.0f} / {share:.0f} %"
