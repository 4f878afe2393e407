"""The ridge probe against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from pathfm.probes import ridge
from pathfm.probes.ridge import fit_ridge_path
from pathfm.probes.strength import STRENGTHS
from pathfm.statistics.correlation import pearson


@pytest.mark.parametrize(("rows", "features"), [(120, 30), (40, 100)], ids=["more patients", "more features"])
def test_predictions_are_scikit_learns_at_every_strength(rows, features):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(rows + 50, features)) * np.exp(2 * rng.normal(size=features)) + 3).astype(np.float32)
    values[:, 4] = 0.1
    truth = values[:, :10] @ rng.normal(size=(10, 25)) + rng.normal(size=(rows + 50, 25))
    path = fit_ridge_path(values[:rows], truth[:rows])
    scaler = StandardScaler().fit(values[:rows].astype(np.float64))
    standard = scaler.transform(values.astype(np.float64))
    for strength in STRENGTHS:
        theirs = Ridge(alpha=strength, solver="svd").fit(standard[:rows], truth[:rows]).predict(standard[rows:])
        ours = path.predict(values[rows:], strength)
        assert ours.dtype == np.float64
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_the_score_of_a_strength_is_the_mean_correlation_of_its_predictions():
    rng = np.random.default_rng(2)
    values, truth = rng.normal(size=(90, 6)), rng.normal(size=(90, 7))
    truth[:, 0] += values[:, 0]
    truth[60:, 3] = 1.5
    path = fit_ridge_path(values[:60], truth[:60])
    ours = path.mean_pearson(values[60:], truth[60:], STRENGTHS)
    theirs = [np.nanmean(pearson(path.predict(values[60:], strength), truth[60:])) for strength in STRENGTHS]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_constant_predictions_score_zero_and_constant_truth_has_no_score():
    rng = np.random.default_rng(3)
    values, truth = np.full((40, 3), 0.1), rng.normal(size=(40, 2))
    path = fit_ridge_path(values, truth)
    np.testing.assert_array_equal(path.mean_pearson(values, truth, STRENGTHS), np.zeros(len(STRENGTHS)))
    assert np.isnan(path.mean_pearson(values, np.ones_like(truth), STRENGTHS)).all()


def test_a_constant_feature_has_no_say():
    rng = np.random.default_rng(1)
    values, truth = rng.normal(size=(30, 5)), rng.normal(size=(30, 4))
    values[:, 2] = 0.1
    path = fit_ridge_path(values, truth)
    other = values.copy()
    other[:, 2] = 1e9
    np.testing.assert_array_equal(path.predict(other, 1.0), path.predict(values, 1.0))


@pytest.mark.parametrize("features", [6, 90], ids=["more patients", "more features"])
def test_a_training_set_as_weights_is_scikit_learns_with_those_weights(features):
    rng = np.random.default_rng(4)
    values, truth = rng.normal(size=(60, features)), rng.normal(size=(60, 5)) + 3
    times = rng.integers(0, 3, 60).astype(float)
    path = fit_ridge_path(values, truth, times)
    standard = (values - path.mean) * path.scale
    np.testing.assert_allclose(np.average(standard, axis=0, weights=times), 0, atol=1e-12)
    for strength in (1e-2, 1.0, 100.0):
        theirs = Ridge(alpha=strength).fit(standard, truth, sample_weight=times).predict(standard)
        np.testing.assert_allclose(path.predict(values, strength), theirs, atol=1e-5)


def test_outputs_in_blocks_are_those_at_once(monkeypatch):
    rng = np.random.default_rng(5)
    values, truth = rng.normal(size=(50, 6)), rng.normal(size=(50, 8))
    whole = fit_ridge_path(values, truth)
    monkeypatch.setattr(ridge, "OUTPUTS_AT_ONCE", 3)
    blocks = fit_ridge_path(values, truth)
    np.testing.assert_allclose(blocks.predict(values, 1.0), whole.predict(values, 1.0), atol=1e-6)
    monkeypatch.undo()
    scores = whole.mean_pearson(values, truth, STRENGTHS)
    monkeypatch.setattr(ridge, "OUTPUTS_AT_ONCE", 3)
    np.testing.assert_allclose(whole.mean_pearson(values, truth, STRENGTHS), scores, atol=1e-6)


@pytest.mark.parametrize("rows", [4, 200], ids=["fewer rows than features", "more rows than features"])
def test_scores_from_sums_are_those_of_predictions_whatever_is_fewer(rows):
    rng = np.random.default_rng(6)
    values, truth = rng.normal(size=(80 + rows, 20)), rng.normal(size=(80 + rows, 7)).astype(np.float32)
    truth[:, :3] += values[:, :3]
    path = fit_ridge_path(values[:80], truth[:80])
    ours = path.mean_pearson(values[80:], truth[80:], STRENGTHS)
    theirs = [pearson(path.predict(values[80:], strength), truth[80:]).mean() for strength in STRENGTHS]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
