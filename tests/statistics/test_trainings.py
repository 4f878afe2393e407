"""A mean over trainings beside the textbook's two-way model, a mixed model by SciPy, and known truths."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from pathfm.statistics.estimate import Estimate, difference_of, mean_of
from pathfm.statistics.intervals import family_level, of_correlation, of_difference, of_share
from pathfm.statistics.power import detectable, patients_for
from pathfm.statistics.trainings import over_trainings

UNITS, TRAININGS = 12, 4
TOOLS = Path(__file__).resolve().parents[2] / "tools"


def crossed(seed: int = 0, units: int = UNITS, of_units: float = 1.0, of_trainings: float = 1.0, rest: float = 1.5) -> np.ndarray:
    """[trainings, units]: a value of each unit by each training."""
    rng = np.random.default_rng(seed)
    return (
        of_units * rng.normal(size=units) + of_trainings * rng.normal(size=(TRAININGS, 1)) + rest * rng.normal(size=(TRAININGS, units))
    ) / 100


def estimates(values: np.ndarray) -> list[Estimate]:
    """Of each training the mean over units."""
    count = values.shape[1]
    names, weight = np.array([f"{unit:03d}" for unit in range(count)]), np.full(count, 1 / count)
    return [Estimate(one.mean(), names, (one - one.mean()) / count * np.sqrt(count / (count - 1)), weight) for one in values]


def mean_squares(values: np.ndarray) -> tuple[float, float, float]:
    """Of units, of trainings and of the rest, of a two-way table without repeats."""
    trainings, units = values.shape
    of_units, of_trainings = values.mean(axis=0), values.mean(axis=1)
    rest = values - of_units - of_trainings[:, None] + values.mean()
    squares = ((rest**2).sum() / ((trainings - 1) * (units - 1)), trainings * of_units.var(ddof=1), units * of_trainings.var(ddof=1))
    return squares[1], squares[2], squares[0]


def test_the_variance_is_that_of_the_two_way_model_and_once_more_the_rest():
    """Of the balanced random model Var = (MS of units + MS of trainings − MS of the rest) / (units · trainings)."""
    for seed in range(5):
        values = crossed(seed)
        of_units, of_trainings, rest = mean_squares(values)
        one = over_trainings(estimates(values), range(TRAININGS))
        assert one.value == pytest.approx(values.mean())
        assert one.of_sample == pytest.approx(of_units / values.size) and one.of_trainings == pytest.approx(of_trainings / values.size)
        assert one.variance - rest / values.size == pytest.approx((of_units + of_trainings - rest) / values.size)


def test_a_mixed_model_fitted_by_restricted_likelihood_agrees():
    values = crossed(1) * 100
    size, ones = values.size, np.ones((values.size, 1))
    training, unit = np.divmod(np.arange(size), values.shape[1])
    same = [(side[:, None] == side).astype(float) for side in (unit, training)] + [np.eye(size)]

    def of_mean(logs: np.ndarray) -> tuple[np.ndarray, float]:
        inverse = np.linalg.inv(sum(np.exp(one) * matrix for one, matrix in zip(logs, same, strict=True)))
        return inverse, 1 / (ones.T @ inverse @ ones).item()

    def minus_likelihood(logs: np.ndarray) -> float:
        inverse, variance = of_mean(logs)
        left = values.ravel() - variance * (ones.T @ inverse @ values.ravel()).item()
        return -np.linalg.slogdet(inverse)[1] - np.log(variance) + left @ inverse @ left

    fitted = minimize(minus_likelihood, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000})
    one = over_trainings(estimates(values / 100), range(TRAININGS))
    assert of_mean(fitted.x)[1] / 1e4 == pytest.approx(float(one.variance) - mean_squares(values / 100)[2] / size, rel=1e-3)


def test_one_training_is_left_as_it_is_and_equal_ones_add_nothing():
    single = estimates(crossed())[0]
    assert over_trainings([single], ["a"]) is single and single.trainings == 1 and single.share == 0
    twice = over_trainings([single, single], ["a", "b"])
    assert twice.trainings == 2 and twice.variance == pytest.approx(single.variance) and twice.share == 0
    assert of_difference(twice) == pytest.approx(of_difference(single))


def test_where_trainings_are_all_that_varies_the_interval_is_students_over_them():
    values = np.repeat(np.array([0.01, 0.02, 0.05, 0.03])[:, None], UNITS, axis=1)
    one = over_trainings(estimates(values), range(4))
    reference = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    assert of_difference(one) == pytest.approx((reference.low, reference.high)) and one.share == pytest.approx(1)


def test_trainings_from_one_training_of_the_base_count_as_one():
    each = estimates(crossed(2))
    nested = over_trainings(each, ["a", "a", "a", "b"])
    means = np.array([np.mean([one.value for one in each[:3]]), each[3].value])
    assert nested.trainings == 2 and nested.value == pytest.approx(means.mean())
    assert nested.of_trainings == pytest.approx(means.var(ddof=1) / 2)
    assert over_trainings(each, "aaaa").trainings == 1


def test_what_a_training_does_to_several_tasks_is_summed_and_in_two_fits_cancels():
    one = over_trainings(estimates(crossed(3)), range(TRAININGS))
    assert mean_of([one, one]).of_trainings == pytest.approx(one.of_trainings)
    opposite = over_trainings([Estimate(-e.value, e.units, e.influence, e.weight) for e in estimates(crossed(3))], range(TRAININGS))
    assert mean_of([one, opposite]).of_trainings == pytest.approx(0) and difference_of(one, one).variance == pytest.approx(0)


def test_bands_and_levels_know_the_spread():
    narrow, wide = (over_trainings(estimates(crossed(4, of_trainings=size)), range(TRAININGS)) for size in (0.0, 5.0))
    for interval in (of_difference, of_share, of_correlation):
        shifted = [Estimate(0.6, one.units, one.influence, one.weight, 0.0, one.training) for one in (narrow, wide)]
        ends = [interval(one) for one in shifted]
        assert ends[1][1] - ends[1][0] > 1.5 * (ends[0][1] - ends[0][0])
    same = Estimate(wide.value, wide.units, wide.influence, wide.weight)
    assert family_level([same] * 5) < family_level([wide] * 5)  # the spread counts as independent from task to task


def test_patients_alone_may_not_be_enough():
    one = over_trainings(estimates(crossed(5, units=40, of_trainings=0.3)), range(TRAININGS))
    seen = detectable(one)
    assert patients_for(one, seen, 100) == pytest.approx(100)
    assert patients_for(one, 0.9 * seen, 100) > 100 / 0.9**2 > 100
    assert patients_for(one, float(np.sqrt(one.of_trainings)), 100) == np.inf
    alone = estimates(crossed(5, units=40))[0]
    assert patients_for(alone, detectable(alone) / 2, 100) == pytest.approx(400)


@pytest.mark.parametrize(("trainings", "spread"), [(2, 0.0), (3, 0.02), (5, 0.05)])
def test_intervals_over_trainings_cover(trainings, spread):
    sys.path.insert(0, str(TOOLS))
    try:
        from coverage_trainings import trained_estimates
        from coverage_worlds import ClassWorld, TrainedWorld

        world = TrainedWorld(ClassWorld(120, 20, tau=0.03), trainings, spread)
        made = list(trained_estimates(world, 0.03, 400, seed=1))
    finally:
        sys.path.remove(str(TOOLS))
    low, high = np.concatenate([np.stack(of_difference(one)) for one, *_ in made], axis=1)
    assert 0.92 <= np.mean((low <= 0.03) & (high >= 0.03)) <= 1
