"""A mean over several trainings of one recipe, scored on the same patients: what these patients and what the trainings leave uncertain."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from pathfm.statistics.estimate import Estimate


def over_trainings(estimates: Sequence[Estimate], lineages: Sequence[Hashable]) -> Estimate:
    """The mean of what each training gave, over the same rows; of one training what it gave.

    Trainings of one lineage share a chance (they were tuned from the same training of their base): their mean counts as one training.
    With S lineages of values v the variance is that of the mean's influences over units plus s²/S, s² = Σ (v − mean)² / (S − 1).
    Influences of the mean hold what other patients would do to these trainings; s² holds how trainings differ, and beside it the chance
    of which patients told them apart here. That part is in the sum twice: the variance is too large by it (docs/intervals.md).
    """
    if len(estimates) == 1:
        return estimates[0]
    assert all(np.array_equal(one.units, estimates[0].units) and one.training is None for one in estimates)
    members = [[one for one, own in zip(estimates, lineages, strict=True) if own == name] for name in dict.fromkeys(lineages)]
    value, influence, floor = (_mean_of_means(members, what) for what in ("value", "influence", "floor"))
    if len(members) == 1:
        return replace(estimates[0], value=value, influence=influence, floor=floor)
    apart = np.stack([np.mean([one.value for one in some], axis=0) for some in members], axis=-1) - value[..., None]
    return replace(estimates[0], value=value, influence=influence, floor=floor, training=apart / np.sqrt(len(members) * (len(members) - 1)))


def _mean_of_means(members: Sequence[Sequence[Estimate]], what: str) -> np.ndarray:
    return np.mean([np.mean([getattr(one, what) for one in some], axis=0) for some in members], axis=0)
