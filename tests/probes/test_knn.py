"""The nearest neighbours against scikit-learn's."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from pathfm.probes import driver
from pathfm.probes.divisions import Division
from pathfm.probes.knn import NEIGHBOURS, Knn
from pathfm.probes.target import Classes, Values
from pathfm.statistics.scores import balanced_accuracy

RNG = np.random.default_rng(0)
LABELS = np.array([0] * 120 + [1] * 60 + [2] * 20)[RNG.permutation(200)]
FEATURES = (RNG.normal(size=(200, 12)) + 0.8 * np.eye(12)[LABELS] + 5).astype(np.float32)
VALUES = (FEATURES[:, :3] @ RNG.normal(size=(3, 4)) + RNG.normal(size=(200, 4))).astype(np.float32)
ROLES = np.where(np.arange(200) < 100, "train", np.where(np.arange(200) < 150, "val", "test"))
TRAIN, VAL, TEST = (ROLES == role for role in ("train", "val", "test"))
CENTRED = FEATURES.astype(float) - FEATURES[TRAIN].mean(axis=0, dtype=float)


def fitted(target, weights=TRAIN):
    return next(Knn().fit(FEATURES, target, weights.astype(float)[None]))


@pytest.mark.parametrize("setting", range(len(NEIGHBOURS)))
def test_probabilities_and_values_are_scikit_learns_at_every_k(setting):
    k = int(NEIGHBOURS[setting])
    theirs = KNeighborsClassifier(k, metric="cosine").fit(CENTRED[TRAIN], LABELS[TRAIN])
    ours = fitted(Classes(LABELS, 3, balanced=False)).predict(FEATURES[TEST], setting)
    np.testing.assert_allclose(ours, theirs.predict_proba(CENTRED[TEST]), atol=1e-12)
    values = KNeighborsRegressor(k, metric="cosine").fit(CENTRED[TRAIN], VALUES[TRAIN]).predict(CENTRED[TEST])
    np.testing.assert_allclose(fitted(Values(VALUES)).predict(FEATURES[TEST], setting), values, atol=1e-5)


def test_where_classes_weigh_alike_a_vote_is_over_the_rows_of_its_class():
    votes = KNeighborsClassifier(20, metric="cosine").fit(CENTRED[TRAIN], LABELS[TRAIN]).predict_proba(CENTRED[TEST])
    votes /= np.bincount(LABELS[TRAIN])
    ours = fitted(Classes(LABELS, 3)).predict(FEATURES[TEST], NEIGHBOURS.index(20))
    np.testing.assert_allclose(ours, votes / votes.sum(axis=1, keepdims=True), atol=1e-12)


def test_k_is_the_best_on_validation_and_of_equal_ones_the_larger():
    target = Classes(LABELS, 3, balanced=False)
    scores = [
        balanced_accuracy(
            LABELS[VAL], KNeighborsClassifier(int(k), metric="cosine").fit(CENTRED[TRAIN], LABELS[TRAIN]).predict(CENTRED[VAL])
        )
        for k in NEIGHBOURS
    ]
    best = max(k for k, score in zip(NEIGHBOURS, scores, strict=True) if score == max(scores))
    assert driver.run(Knn(), FEATURES, target, Division.by_roles(ROLES)).chosen == best


def test_a_better_k_may_lie_beyond_the_grid_only_above_and_where_there_are_more_rows():
    assert fitted(Classes(LABELS, 3)).ends == (False, False)  # 100 rows, and up to 100 neighbours
    apart = (100 * np.eye(12)[LABELS] + RNG.normal(size=(200, 12))).astype(np.float32)
    near = driver.run(Knn(grid=np.array([1.0, 90.0])), apart, Classes(LABELS, 3, balanced=False), Division.by_roles(ROLES))
    assert (near.chosen, near.edge) == (1.0, 0)
    noise = np.where(np.random.default_rng(1).random(200) < 0.3, 1 - LABELS.clip(0, 1), LABELS.clip(0, 1))
    far = driver.run(Knn(grid=np.array([1.0, 20.0])), apart, Classes(noise, 2, balanced=False), Division.by_roles(ROLES))
    assert (far.chosen, far.edge) == (20.0, 1)


def test_there_are_never_more_neighbours_than_training_rows_and_a_row_that_stands_twice_counts_twice():
    few = np.zeros(200)
    few[np.flatnonzero(LABELS == 0)[0]], few[np.flatnonzero(LABELS == 1)[0]] = 2, 1
    ours = fitted(Classes(LABELS, 3, balanced=False), few).predict(FEATURES[TEST], len(NEIGHBOURS) - 1)
    np.testing.assert_allclose(ours, np.tile([2 / 3, 1 / 3, 0], (TEST.sum(), 1)))
