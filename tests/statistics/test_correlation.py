"""Pearson per gene, its joining, its chance level and the baselines, against SciPy."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import false_discovery_control

from pathfm.statistics.correlation import chance, discoveries, fisher_join, from_cancer_type, pearson, permuted_within, summary, within

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(60, 12)).astype(np.float32)
PREDICTION = (TRUTH + RNG.normal(size=TRUTH.shape)).astype(np.float32)


def test_each_gene_is_scipys_pearson():
    reference = [stats.pearsonr(PREDICTION[:, gene].astype(float), TRUTH[:, gene].astype(float)).statistic for gene in range(12)]
    np.testing.assert_allclose(pearson(PREDICTION, TRUTH), reference, atol=1e-12)


def test_folds_are_joined_by_fisher_z_and_never_pooled():
    folds = np.repeat([0, 1, 2], 20)
    shifted = PREDICTION + 100 * folds[:, None]
    per_fold = [stats.pearsonr(PREDICTION[folds == fold, 3].astype(float), TRUTH[folds == fold, 3]).statistic for fold in range(3)]
    joined = pearson(shifted, TRUTH, folds)
    assert joined[3] == pytest.approx(np.tanh(np.mean(np.arctanh(per_fold))), abs=1e-5)


def test_a_constant_prediction_counts_zero_and_a_constant_truth_leaves():
    prediction, truth = PREDICTION.copy(), TRUTH.copy()
    prediction[:, 0], truth[:, 1] = 0.3, 0.7
    r = pearson(prediction, truth)
    assert r[0] == 0 and np.isnan(r[1])
    assert summary(r)["mean_pearson"] == pytest.approx(np.delete(r, 1).mean())
    np.testing.assert_array_equal(np.isnan(pearson(np.zeros_like(truth), truth)), np.isnan(r))
    folds = np.repeat([0, 1], 30)
    truth[:30, 2] = 0
    assert pearson(prediction, truth, folds)[2] == pytest.approx(pearson(prediction[30:], truth[30:])[2])


def test_fisher_join_survives_a_perfect_fold():
    assert fisher_join(np.array([[1.0], [1.0]]), np.array([20, 20]))[0] == pytest.approx(1)
    assert np.isnan(fisher_join(np.array([[np.nan], [np.nan]]), np.array([20, 20]))[0])


def test_within_cancer_a_prediction_from_the_cancer_type_is_worth_nothing():
    cancers = np.repeat(["BRCA", "KIRC", "LUAD"], 20)
    train = np.arange(60) % 2 == 0
    truth = TRUTH + 3 * (cancers == "BRCA")[:, None]
    guess = from_cancer_type(truth, cancers, train)
    np.testing.assert_allclose(guess[cancers == "KIRC"][7], truth[train & (cancers == "KIRC")].mean(axis=0), rtol=1e-5)
    one_fold = np.zeros(60)
    assert summary(pearson(guess, truth))["mean_pearson"] > 0.5
    residual = [within(values, cancers, one_fold) for values in (guess, truth)]
    assert (pearson(*residual) == 0).all()
    alone = from_cancer_type(truth, np.where(np.arange(60) == 1, "CHOL", cancers), train)
    np.testing.assert_allclose(alone[1], truth[train].mean(axis=0), rtol=1e-5)


def test_permutation_p_values_are_scipys_where_sites_do_not_bind():
    one = np.zeros(60)
    weak = TRUTH + 4 * np.random.default_rng(3).normal(size=TRUTH.shape)
    p = chance(weak, TRUTH, one, one, 2000, seed=0)
    reference = [stats.pearsonr(weak[:, gene], TRUTH[:, gene].astype(float), alternative="greater").pvalue for gene in range(12)]
    np.testing.assert_allclose(p, reference, atol=0.03)


def test_permutations_stay_within_site_and_fold():
    sites, folds = np.arange(60) % 4, np.repeat([0, 1], 30)
    for order in permuted_within(folds, sites, 5, seed=0):
        assert sorted(order) == list(range(60))
        assert (sites[order] == sites).all() and (folds[order] == folds).all()
    site_effect = 5 * np.random.default_rng(1).normal(size=(4, 12))[sites]
    prediction = site_effect + np.random.default_rng(2).normal(size=TRUTH.shape)
    p = chance(prediction, TRUTH + site_effect, np.zeros(60), sites, 199, seed=0)
    assert np.median(p) > 0.1  # a prediction of the hospital is no discovery


def test_discoveries_are_benjamini_and_hochbergs():
    p = np.concatenate([np.full(5, 0.001), np.linspace(0.02, 0.99, 40), [np.nan]])
    assert discoveries(p) == (stats.false_discovery_control(p[:-1]) < 0.05).sum() == 5
    assert discoveries(np.array([np.nan])) == 0


def test_few_genes_that_are_predicted_perfectly_are_found_among_many():
    """A thousand permutations alone give p ≥ 1/1001, at which fewer than one gene in fifty can be no discovery."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 1000)).astype(np.float32)
    prediction = rng.normal(size=truth.shape).astype(np.float32)
    prediction[:, :12] = truth[:, :12]
    one = np.zeros(40, int)
    p = chance(prediction, truth, one, one, 1000, seed=0)
    assert (p[:12] < 1e-4).all() and 12 <= discoveries(p) <= 14
    assert discoveries(np.maximum(p, 1 / 1001)) == 0


@pytest.mark.parametrize("true", [0, 6])
def test_false_discoveries_stay_below_their_rate(true):
    """Over repeats with no or with some predicted genes; predictions and truths share factors, so that genes hang together."""
    share = []
    for seed in range(60):
        rng = np.random.default_rng([seed, true])
        factors = rng.normal(size=(2, 30, 3))
        truth, prediction = (rng.normal(size=(30, 60)) + 0.7 * one @ rng.normal(size=(3, 60)) for one in factors)
        prediction[:, :true] = truth[:, :true] + 0.5 * rng.normal(size=(30, true))
        sites = rng.integers(3, size=30)
        p = chance(prediction, truth, np.zeros(30, int), sites, 100, seed)
        found = false_discovery_control(p) < 0.05
        assert found.sum() == discoveries(p)
        share.append(found[true:].sum() / max(found.sum(), 1))
    assert np.mean(share) <= 0.05 + 2 * np.std(share) / np.sqrt(len(share))
