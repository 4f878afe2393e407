"""The same differences by other software: Welch's interval of SciPy, GEE by hospital of statsmodels, McNemar's exact test."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binom, norm, ttest_ind

GEE_REPEATS = 200


@dataclass(frozen=True)
class Other:
    covers: float  # NaN: not to be had here


def beside(world: Any, made: Sequence[tuple], truth: float) -> list[Other]:
    """SciPy and GEE of the designs that `coverage.class_estimates` gives."""
    if world.classes > 2:
        return [Other(np.nan), Other(np.nan)]
    return [Other(np.mean(np.concatenate([_welch(one, truth) for one in made]))), Other(_gee(made, truth) if world.clustered else np.nan)]


def _welch(one: tuple, truth: float) -> np.ndarray:
    """[repeats]: whether SciPy's interval of the mean over two classes, of patients who are independent, holds the truth."""
    label, _, (base, tuned), *_ = one
    change = tuned.astype(float) - base
    ends = ttest_ind(change[:, label == 0], -change[:, label == 1], axis=1, equal_var=False).confidence_interval(0.95)
    return (np.nan_to_num(ends.low) / 2 <= truth) & (truth <= np.nan_to_num(ends.high) / 2)


def _gee(made: Iterable[tuple], truth: float) -> float:
    try:
        import statsmodels.api as sm
    except ImportError:
        return np.nan
    inside, contrast = [], np.array([0.5, 0.5])
    for label, hospital, (base, tuned), *_ in made:
        exog = np.stack([label == 0, label == 1], axis=1).astype(float)
        for change in (tuned.astype(float) - base)[: GEE_REPEATS // len(made)]:
            fitted = sm.GEE(change, exog, hospital, cov_struct=sm.cov_struct.Independence()).fit()
            error = np.sqrt(contrast @ fitted.cov_params() @ contrast)
            inside.append(abs(contrast @ fitted.params - truth) <= norm.ppf(0.975) * error)
    return float(np.mean(inside))


def mcnemar(made: Iterable[tuple]) -> float:
    """How often the exact test of the changed predictions, all classes and hospitals alike, has p < 0.05."""
    p = []
    for _, _, (base, tuned), *_ in made:
        better, worse = ((tuned > base).sum(axis=1), (tuned < base).sum(axis=1))
        p.append(np.minimum(2 * binom.cdf(np.minimum(better, worse), better + worse, 0.5), 1))
    return float(np.mean(np.concatenate(p) < 0.05))
