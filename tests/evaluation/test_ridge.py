"""The ridge probe against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from pathfm.evaluation.ridge import fit_ridge_path
from pathfm.evaluation.strength import STRENGTHS


@pytest.mark.parametrize(("rows", "features"), [(120, 30), (40, 100)], ids=["more patients", "more features"])
def test_predictions_are_scikit_learns_at_every_strength(rows, features):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(rows + 50, features)) * np.exp(2 * rng.normal(size=features)) + 3).astype(np.float32)
    values[:, 4] = 0.1
    truth = values[:, :10] @ rng.normal(size=(10, 25)) + rng.normal(size=(rows + 50, 25))
    path = fit_ridge_path(values[:rows], truth[:rows])
    scaler = StandardScaler().fit(values[:rows].astype(np.float64))
    standard = scaler.transform(values.astype(np.float64))
    for strength, ours in zip(STRENGTHS, path.predict_all(values[rows:], STRENGTHS), strict=True):
        theirs = Ridge(alpha=strength, solver="svd").fit(standard[:rows], truth[:rows]).predict(standard[rows:])
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
        np.testing.assert_allclose(path.predict(values[rows:], strength), ours)


def test_a_constant_feature_has_no_say():
    rng = np.random.default_rng(1)
    values, truth = rng.normal(size=(30, 5)), rng.normal(size=(30, 4))
    values[:, 2] = 0.1
    path = fit_ridge_path(values, truth)
    other = values.copy()
    other[:, 2] = 1e9
    np.testing.assert_array_equal(path.predict(other, 1.0), path.predict(values, 1.0))
