"""Each gene's change: against refits by hand, the table's estimate, and worlds in which nothing changed."""

import numpy as np
import pytest
from scipy.stats import t as student

from pathfm.statistics.correlation import pearson
from pathfm.statistics.expression import correlation_estimate
from pathfm.statistics.genes import GeneDifferences, gene_differences


def world(seed: int, patients: int = 120, genes: int = 40, units: int = 20, gain: float = 0.0):
    """Two predictions of one truth that share half of their noise; the second is `gain` nearer."""
    rng = np.random.default_rng(seed)
    truth, common, ours, theirs = rng.normal(size=(4, patients, genes))
    before = truth + common + ours
    after = truth + common + (1 - gain) * theirs
    return before, after, truth, np.repeat(["a", "b"], patients // 2), np.array([f"u{n % units:02d}" for n in range(patients)])


def test_a_gene_is_what_refits_without_each_unit_say():
    before, after, truth, groups, units = world(0, genes=3)
    found = gene_differences((before, truth), (after, truth), groups, units)
    change = pearson(after, truth, groups) - pearson(before, truth, groups)
    np.testing.assert_allclose(found.change, change, atol=1e-12)
    names = np.unique(units)
    without = np.stack(
        [pearson(after[k], truth[k], groups[k]) - pearson(before[k], truth[k], groups[k]) for k in (units != u for u in names)]
    )
    error = np.sqrt((len(names) - 1) / len(names) * ((change - without) ** 2).sum(axis=0))
    np.testing.assert_allclose(found.error, error, rtol=1e-9)
    assert found.freedom == pytest.approx(len(names) - 1)
    np.testing.assert_allclose(found.p, 2 * (1 - student.cdf(np.abs(change) / error, len(names) - 1)), rtol=1e-6)


def test_genes_agree_with_the_estimate_of_the_table():
    before, after, truth, groups, units = world(1, genes=600)  # more than one block
    found = gene_differences((before, truth), (after, truth), groups, units)
    whole = correlation_estimate(after, truth, groups, units).minus(correlation_estimate(before, truth, groups, units))
    assert found.change.mean() == pytest.approx(whole.value, abs=1e-12)
    one = slice(555, 556)
    alone = correlation_estimate(after[:, one], truth[:, one], groups, units).minus(
        correlation_estimate(before[:, one], truth[:, one], groups, units)
    )
    assert found.error[555] == pytest.approx(alone.error, rel=1e-9)


def test_where_nothing_changed_p_is_small_as_often_as_it_says_and_hardly_a_gene_stands_out():
    before, after, truth, groups, units = world(2, genes=4000)
    found = gene_differences((before, truth), (after, truth), groups, units)
    assert 0.03 < (found.p < 0.05).mean() < 0.07
    assert (found.q < 0.05).sum() <= 2


def test_a_planted_gain_stands_out():
    before, after, truth, groups, units = world(3, genes=200, gain=0.9)
    found = gene_differences((before, truth), (after, truth), groups, units)
    assert (found.q < 0.05).mean() > 0.5 and (found.change[found.q < 0.05] > 0).all()


def test_the_same_prediction_constant_genes_and_a_single_unit_are_no_evidence():
    before, _, truth, groups, units = world(4, genes=3)
    truth[:, 1] = 1.0
    found = gene_differences((before, truth), (before, truth), groups, units)
    assert found.change[0] == 0 and found.p[0] == 1 and np.isnan(found.p[1]) and np.isnan(found.q[1]) and found.q[2] == 1
    single = gene_differences((before, truth), (before + truth, truth), groups, np.full(len(units), "all"))
    assert single.p[0] == 1
    assert np.isnan(GeneDifferences(np.full(2, np.nan), np.zeros(2), np.zeros(2), 5.0).q).all()
