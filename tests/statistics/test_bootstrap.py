"""The Bayesian bootstrap: its weights, its widths beside other bootstraps, its coverage."""

import numpy as np
import pytest
from scipy import stats

from pathfm.statistics.bootstrap import Draws, balanced_accuracy_draws, interval, mean_pearson_draws, weighted_pearson
from pathfm.statistics.correlation import pearson
from pathfm.statistics.scores import balanced_accuracy

UNITS = np.array([f"p{number}" for number in range(200)])


def planted(seed: int, share: float = 0.75, count: int = 200):
    rng = np.random.default_rng(seed)
    truth = np.where(np.arange(count) < count * 0.3, "a", "b")
    return truth, np.where(rng.random(count) < share, truth, np.where(truth == "a", "b", "a"))


def test_a_patients_weight_does_not_depend_on_who_else_is_there():
    draws = Draws(50)
    everyone = draws.weights("cohort", UNITS)
    np.testing.assert_array_equal(draws.weights("cohort", UNITS[[7, 3, 7]]), everyone[:, [7, 3, 7]])
    assert abs(np.corrcoef(draws.weights("benchmark mhist", UNITS).ravel(), everyone.ravel())[0, 1]) < 0.05
    assert (Draws(50, seed=1).weights("cohort", UNITS) != everyone).all()
    assert everyone.mean() == pytest.approx(1, abs=0.05) and everyone.std() == pytest.approx(1, abs=0.05)


def test_each_draw_is_the_weighted_score():
    truth, prediction = planted(0)
    draws = Draws(20)
    scores = balanced_accuracy_draws(truth, prediction, UNITS, "cohort", draws)
    weights = draws.weights("cohort", UNITS)
    np.testing.assert_allclose(scores, [balanced_accuracy(truth, prediction, one) for one in weights], rtol=1e-6)


def test_width_of_balanced_accuracy_is_that_of_the_stratified_bootstrap():
    truth, prediction = planted(1)
    draws = balanced_accuracy_draws(truth, prediction, UNITS, "cohort", Draws(4000))
    right = truth == prediction
    result = stats.bootstrap(
        (right[truth == "a"], right[truth == "b"]),
        lambda a, b, axis: (a.mean(axis=axis) + b.mean(axis=axis)) / 2,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = interval(draws)
    reference = result.confidence_interval
    assert high - low == pytest.approx(reference.high - reference.low, rel=0.08)
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.012)
    assert draws.mean() == pytest.approx(balanced_accuracy(truth, prediction), abs=0.003)


def test_images_of_a_patient_share_its_weight():
    truth, prediction = planted(2)
    patients = np.array([f"p{number // 10}" for number in range(200)])
    prediction[:] = np.where(np.arange(200) // 10 % 3 == 0, "a", truth)  # whole patients are right or wrong
    alone, shared = (interval(balanced_accuracy_draws(truth, prediction, units, "x", Draws(1000))) for units in (UNITS, patients))
    assert shared[1] - shared[0] > 2 * (alone[1] - alone[0])


def test_the_interval_of_a_paired_difference_covers_nineteen_times_in_twenty():
    inside, simulations, count = 0, 300, 120
    truth = np.repeat(["a", "b"], count // 2)
    rng = np.random.default_rng(5)
    draws = Draws(400)
    weights = draws.weights("cohort", UNITS[:count])
    for _ in range(simulations):
        ease = rng.random(count)  # easy units are right for both
        base, tuned = ((ease < level).astype(float) for level in (0.65, 0.75))
        shuffled = rng.random(count) < 0.1
        tuned[shuffled] = rng.random(shuffled.sum()) < 0.75
        recalls = [weights[:, truth == label] @ (tuned - base)[truth == label] / weights[:, truth == label].sum(axis=1) for label in "ab"]
        low, high = interval(np.mean(recalls, axis=0))
        inside += low <= 0.10 <= high
    assert 0.91 <= inside / simulations <= 0.985


def test_weighted_pearson_is_that_of_repeated_patients():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 6)) + 50
    prediction = truth + rng.normal(size=truth.shape)
    prediction[:, 2] = 7
    times = rng.integers(1, 4, size=(3, 40))
    r = weighted_pearson(prediction, truth, (times / times.sum(axis=1, keepdims=True)).astype(np.float32))
    for draw, repeats in enumerate(times):
        rows = np.repeat(np.arange(40), repeats)
        np.testing.assert_allclose(r[draw], pearson(prediction[rows], truth[rows]), atol=2e-5)


def test_width_of_mean_pearson_is_that_of_the_ordinary_bootstrap():
    rng = np.random.default_rng(3)
    factor = rng.normal(size=(120, 1))
    truth = (factor + rng.normal(size=(120, 40))).astype(np.float32)
    prediction = (factor + rng.normal(size=(120, 40))).astype(np.float32)
    one = np.zeros(120, int)
    draws = mean_pearson_draws(prediction, truth, one, UNITS[:120], "cohort", Draws(1500))
    picks = rng.integers(0, 120, size=(1500, 120))
    reference = interval(np.array([pearson(prediction[rows], truth[rows]).mean() for rows in picks]))
    low, high = interval(draws)
    assert high - low == pytest.approx(reference[1] - reference[0], rel=0.12)
    assert draws.mean() == pytest.approx(pearson(prediction, truth).mean(), abs=0.01)


def test_mean_pearson_goes_by_blocks_of_genes_and_keeps_the_rules(monkeypatch):
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(60, 30)).astype(np.float32)
    prediction = (truth + rng.normal(size=truth.shape)).astype(np.float32)
    truth[:, 5], prediction[:, 6] = 1, 2
    folds = np.repeat(["0", "1"], 30)
    whole = mean_pearson_draws(prediction, truth, folds, UNITS[:60], "cohort", Draws(30))
    monkeypatch.setattr("pathfm.statistics.bootstrap.GENES_AT_ONCE", 7)
    np.testing.assert_allclose(mean_pearson_draws(prediction, truth, folds, UNITS[:60], "cohort", Draws(30)), whole, rtol=1e-6)
    without = np.delete(np.arange(30), 5)
    less = mean_pearson_draws(prediction[:, without], truth[:, without], folds, UNITS[:60], "cohort", Draws(30))
    np.testing.assert_allclose(less, whole, rtol=1e-6)
    assert np.isnan(mean_pearson_draws(prediction[:, 5:6], truth[:, 5:6], folds, UNITS[:60], "cohort", Draws(30))).all()
