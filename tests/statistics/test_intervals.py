"""Influences, intervals and bands beside SciPy, the plain jackknife and known truths."""

import numpy as np
import pytest
from scipy import stats

from pathfm.statistics.accuracy import accuracy_estimate
from pathfm.statistics.correlation import pearson, within_types
from pathfm.statistics.estimate import Estimate, difference_of, mean_of
from pathfm.statistics.expression import correlation_estimate
from pathfm.statistics.intervals import correlations, family_level, of_correlation, of_difference, of_share
from pathfm.statistics.power import detectable, patients_for
from pathfm.statistics.scores import balanced_accuracy

RNG = np.random.default_rng(0)
TRUTH = np.repeat(["a", "b"], 60)
HOSPITAL = np.arange(120) % 12


def right(share: float = 0.7) -> np.ndarray:
    return (RNG.random(120) < share).astype(float)


def test_the_value_is_balanced_accuracy():
    truth = np.repeat(["a", "b", "c"], [20, 70, 30])
    prediction = RNG.choice(["a", "b", "c"], 120)
    estimate = accuracy_estimate(truth, (truth == prediction).astype(float), HOSPITAL)
    assert estimate.value == pytest.approx(balanced_accuracy(truth, prediction))
    assert estimate.influence.sum() == pytest.approx(0, abs=0.05) and estimate.weight.sum() == pytest.approx(1)


def test_of_independent_patients_the_interval_of_a_difference_is_scipys_paired_t():
    change = right() - right()
    estimate = accuracy_estimate(np.full(120, "a"), change, np.arange(120))
    reference = stats.ttest_1samp(change, 0).confidence_interval(0.95)
    plain = Estimate(estimate.value, estimate.units, estimate.influence, estimate.weight)
    np.testing.assert_allclose(of_difference(plain), (reference.low, reference.high), rtol=1e-9)
    assert estimate.freedom == pytest.approx(119)


def test_of_equal_hospitals_it_is_scipys_t_over_their_means():
    change = right() - right()
    estimate = accuracy_estimate(np.full(120, "a"), change, HOSPITAL)
    means = [change[HOSPITAL == number].mean() for number in range(12)]
    reference = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    plain = Estimate(estimate.value, estimate.units, estimate.influence, estimate.weight)
    np.testing.assert_allclose(of_difference(plain), (reference.low, reference.high), rtol=1e-9)


@pytest.mark.parametrize(("changed", "arrow"), [(0, False), (1, False), (4, False), (6, True)])
def test_a_handful_of_changes_to_one_side_is_judged_as_mcnemars_exact_test_does(changed, arrow):
    change = np.zeros(120)
    change[:changed] = 1
    low, high = of_difference(accuracy_estimate(np.full(120, "a"), change, np.arange(120)))
    p = stats.binomtest(changed, changed, 0.5).pvalue if changed else 1
    assert (low > 0) == arrow == (p < 0.05)
    assert high - low > 0.01
    if not changed:
        assert high == pytest.approx(1.96 / 120, rel=0.02)


def test_the_level_stays_inside_and_is_wilsons_where_patients_are_independent():
    for count in (0, 60, 108, 120):
        values = np.zeros(120)
        values[:count] = 1
        estimate = accuracy_estimate(np.full(120, "a"), values, np.arange(120))
        low, high = of_share(estimate)
        reference = stats.binomtest(count, 120).proportion_ci(method="wilson")
        assert 0 <= low < high <= 1
        assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.006)


def test_repeats_along_leading_axes_are_as_one_by_one():
    values = (RNG.random((3, 120)) < 0.7).astype(float)
    together = accuracy_estimate(TRUTH, values, HOSPITAL)
    for number in range(3):
        alone = accuracy_estimate(TRUTH, values[number], HOSPITAL)
        np.testing.assert_allclose(of_share(together.repeat(number)), of_share(alone))
        np.testing.assert_allclose([end[number] for end in of_share(together)], of_share(alone))


def test_one_hospital_alone_says_nothing():
    low, high = of_difference(accuracy_estimate(TRUTH, right() - right(), np.zeros(120)))
    assert (low, high) == (-1, 1)
    assert of_share(accuracy_estimate(TRUTH, right(), np.zeros(120))) == (0, 1)


def genes(noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    truth = RNG.normal(size=(120, 30)).astype(np.float32)
    return truth + np.float32(noise) * RNG.normal(size=truth.shape).astype(np.float32), truth


@pytest.mark.parametrize("folds", [np.zeros(120, int), np.arange(120) % 3])
def test_influences_of_gene_r_are_those_of_leaving_each_hospital_out(folds):
    prediction, truth = genes()
    truth[:, 3], prediction[:, 4] = 1, 2
    truth[HOSPITAL != 5, 6] = 0  # varies in one hospital alone
    estimate = correlation_estimate(prediction, truth, folds, HOSPITAL)
    assert estimate.value == pytest.approx(np.nanmean(pearson(prediction, truth, folds)), abs=1e-9)
    for place, hospital in enumerate(estimate.units.astype(int)):
        rest = hospital != HOSPITAL
        left_out = np.nanmean(pearson(prediction[rest], truth[rest], folds[rest]))
        assert estimate.influence[place] == pytest.approx((estimate.value - left_out) * np.sqrt(11 / 12), abs=1e-9)


def test_the_error_of_a_single_genes_r_is_the_textbooks():
    truth = RNG.normal(size=(400, 1))
    prediction = truth + RNG.normal(size=truth.shape)
    estimate = correlation_estimate(prediction, truth, np.zeros(400), np.arange(400))
    reference = stats.pearsonr(prediction[:, 0], truth[:, 0]).confidence_interval(0.95)
    assert of_correlation(estimate) == pytest.approx((reference.low, reference.high), abs=0.015)


def test_r_within_types_is_joined_by_fisher_z_and_small_types_are_one_group():
    prediction, truth = genes()
    types = np.repeat(["BRCA", "LUAD", "CHOL", "DLBC"], [60, 48, 6, 6])
    one = np.zeros(120)
    shifted = np.float32(5) * (types == "BRCA")[:, None]
    guess, true, groups = within_types(prediction + shifted, truth - shifted, types, one, one, 10)
    r = [stats.pearsonr(prediction[types == name, 0], truth[types == name, 0]).statistic for name in ("BRCA", "LUAD")]
    rest = np.isin(types, ["CHOL", "DLBC"])
    r.append(stats.pearsonr(guess[rest, 0], true[rest, 0]).statistic)
    joined = np.tanh(np.average(np.arctanh(r), weights=[57, 45, 9]))
    assert pearson(guess, true, groups)[0] == pytest.approx(joined, abs=1e-6)
    assert pearson(prediction + shifted, truth - shifted)[0] < joined - 0.5  # pooled over types, the shift speaks


def test_the_mean_of_tasks_counts_what_they_share_once():
    change = right() - right()
    one = accuracy_estimate(TRUTH, change, HOSPITAL)
    twice, apart = mean_of([one, one]), mean_of([one, accuracy_estimate(TRUTH, change, HOSPITAL + 100)])
    assert twice.variance - twice.floor == pytest.approx(one.variance - one.floor) and twice.freedom == pytest.approx(one.freedom)
    assert apart.variance == pytest.approx(one.variance / 2) and apart.freedom == pytest.approx(2 * one.effective - 1)
    nothing = difference_of(one, one)
    assert nothing.value == 0 and nothing.variance == pytest.approx(2 * one.floor)


def test_the_family_of_independent_tasks_is_sidaks_and_of_one_task_repeated_its_own():
    apart = [accuracy_estimate(TRUTH, right() - right(), [f"{task} {number}" for number in range(120)]) for task in range(10)]
    assert family_level(apart) == pytest.approx(0.95**0.1, abs=0.0015)
    plain = [Estimate(one.value, one.units, one.influence, one.weight) for one in apart[:1] * 10]
    assert family_level(plain) == pytest.approx(0.95, abs=0.005)
    np.testing.assert_allclose(correlations(plain), 1)
    assert family_level(apart) == family_level(apart)


def test_the_detectable_difference_is_found_four_times_in_five():
    estimate = accuracy_estimate(np.full(120, "a"), right() - right(), np.arange(120))
    reference = detectable(estimate)
    shifted = reference / float(estimate.error) + RNG.standard_t(119, size=20_000)
    assert np.mean(shifted > stats.t.ppf(0.975, 119)) == pytest.approx(0.8, abs=0.01)
    assert patients_for(estimate, reference, 120) == pytest.approx(120)
    assert patients_for(estimate, reference / 2, 120) == pytest.approx(480)
