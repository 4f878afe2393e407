"""The residual of expression: hospitals cannot be told apart by it, biology can."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from pathfm.modalities.residual import cancer_means, residual_of

GENES = 200


@pytest.fixture(scope="module")
def world():
    """240 patients in 12 hospitals, which see one cancer type each, as TCGA's codes do; a programme raises the first 40 genes."""
    rng = np.random.default_rng(0)
    site = np.arange(240) % 12
    cancer = site % 2
    programme = rng.normal(size=240)
    scaled = rng.normal(size=(240, GENES)) + 0.4 * rng.normal(size=(12, GENES))[site] + rng.normal(size=(2, GENES))[cancer]
    scaled[:, :40] += programme[:, None]
    return scaled.astype(np.float32), np.char.mod("S%d", site), np.char.mod("C%d", cancer), programme


def taken(world, choice):
    scaled, sites, cancers, _ = world
    return residual_of(scaled, sites, cancers, cancer_means(scaled, cancers), choice)


def decoded(values, truth):
    return cross_val_score(LogisticRegression(max_iter=500), values, truth, cv=5).mean()


def test_hospitals_are_told_by_expression_and_not_by_its_residual(world):
    assert decoded(taken(world, "none"), world[1]) > 0.6
    assert decoded(taken(world, "cancer_and_site"), world[1]) < 2 / 12


def test_the_programme_stays(world):
    for choice in ("none", "site", "cancer_and_site"):
        assert np.corrcoef(taken(world, choice)[:, :40].mean(axis=1), world[3])[0, 1] > 0.9


def test_site_alone_leaves_the_difference_of_cancer_types(world):
    scaled, _, cancers, _ = world
    difference = [values[cancers == "C0"].mean(axis=0) - values[cancers == "C1"].mean(axis=0) for values in (scaled, taken(world, "site"))]
    np.testing.assert_allclose(*difference, atol=1e-4)
    assert abs(taken(world, "cancer")[cancers == "C0"].mean(axis=0)).max() < 1e-5


def test_patients_alone_in_their_hospital_or_of_unknown_hospital_keep_what_they_have(world):
    scaled, sites, cancers, _ = world
    sites = np.where(np.arange(240) < 20, "", sites)
    sites[20] = "alone"
    left = residual_of(scaled, sites, cancers, cancer_means(scaled, cancers), "site")
    np.testing.assert_array_equal(left[:21], scaled[:21])
    assert (left[21:] != scaled[21:]).any(axis=1).all()


def test_a_cancer_type_that_training_has_not_seen_has_no_mean(world):
    scaled, sites, _, _ = world
    np.testing.assert_array_equal(residual_of(scaled, sites, np.full(240, "new"), {"C0": np.ones(GENES)}, "cancer"), scaled)
