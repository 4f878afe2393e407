"""SimpleShot, draw by draw, against its definition, and over draws against scikit-learn's nearest centroid."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import normalize

from pathfm.probes import driver
from pathfm.probes.committee import Committee
from pathfm.probes.divisions import Division
from pathfm.probes.few_shot import SHOTS, FewShot, nearest_means
from pathfm.probes.target import Classes
from pathfm.statistics.committees import mean_by_class

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [80, 60, 40])[RNG.permutation(180)]
FEATURES = (RNG.normal(size=(180, 10)) * 3 + 4 * np.eye(10)[LABELS] + 20).astype(np.float32)
ROLES = np.where(np.arange(180) < 90, "train", np.where(np.arange(180) < 100, "val", "test"))
TRAIN, TEST = ROLES == "train", ROLES == "test"
TARGET = Classes(LABELS, 3)


def probed(labels=LABELS, **options):
    return driver.run(FewShot(**options), FEATURES, Classes(labels, 3), Division.by_roles(ROLES))


@pytest.mark.parametrize("shots", [1, 2, 4])
def test_each_draw_is_scikit_learns_nearest_centroid_on_centred_features_of_length_1(shots):
    support = np.stack(
        [[RNG.choice(np.flatnonzero(TRAIN & (label == LABELS)), shots, replace=False) for label in range(3)] for _ in range(7)]
    )
    ours = nearest_means(FEATURES[TEST], FEATURES[support])
    for rows, guesses in zip(support, ours, strict=True):
        middle = FEATURES[rows].reshape(-1, 10).mean(axis=0)
        nearest = KNeighborsClassifier(1) if shots == 1 else NearestCentroid()  # of one row a class they are the same
        theirs = nearest.fit(normalize(FEATURES[rows].reshape(-1, 10) - middle), np.repeat(range(3), shots))
        np.testing.assert_array_equal(guesses, theirs.predict(normalize(FEATURES[TEST] - middle)))


@pytest.mark.parametrize("setting", range(len(SHOTS)))
def test_the_guesses_at_every_number_of_shots_are_those_of_the_first_rows_drawn(setting):
    fitted = next(FewShot(draws=12).fit(FEATURES, TARGET, TRAIN.astype(float)[None]))
    for rows, guesses in zip(np.flatnonzero(TRAIN)[fitted.drawn], fitted.guesses(FEATURES[TEST], setting), strict=True):
        support = FEATURES[rows[:, : int(SHOTS[setting])]].astype(float)
        middle = support.mean(axis=(0, 1))
        means = normalize((support - middle).reshape(-1, 10)).reshape(support.shape).mean(axis=1)
        np.testing.assert_array_equal(guesses, cdist(normalize(FEATURES[TEST] - middle), means).argmin(axis=1))


def test_the_score_is_the_mean_over_draws_and_the_prediction_the_share_of_draws():
    done = probed(draws=60)
    guesses = done.ballots[""]
    assert guesses.shape == (60, TEST.sum())
    each = [balanced_accuracy_score(LABELS[TEST], one) for one in guesses]
    np.testing.assert_allclose(mean_by_class(LABELS[TEST], guesses == LABELS[TEST]), each)
    np.testing.assert_allclose(done.prediction, np.stack([(guesses == label).mean(axis=0) for label in range(3)], axis=1))
    right = done.prediction[np.arange(TEST.sum()), LABELS[TEST]]
    np.testing.assert_allclose(np.mean([right[LABELS[TEST] == label].mean() for label in range(3)]), np.mean(each))


def test_validation_would_judge_a_committee_by_the_mean_over_its_models():
    fitted = next(FewShot(draws=20).fit(FEATURES, TARGET, TRAIN.astype(float)[None]))
    means = [
        np.mean([balanced_accuracy_score(LABELS[TEST], one) for one in fitted.guesses(FEATURES[TEST], at)]) for at in range(len(SHOTS))
    ]
    np.testing.assert_allclose(Committee.scores(fitted, FEATURES[TEST], TARGET.take(TEST)), means)


def test_more_shots_do_better_and_vary_less():
    done = probed(draws=300)
    scores = {name: mean_by_class(LABELS[TEST], guesses == LABELS[TEST]) for name, guesses in done.ballots.items()}
    means, sds = ([function(scores[f"{shots:g}"]) for shots in SHOTS] for function in (np.mean, np.std))
    assert np.all(np.diff(means) > 0) and np.all(np.diff(sds) < 0) and means[0] > 0.4


def test_the_headline_is_of_sixteen_shots_or_of_the_most_that_the_rarest_class_can_give():
    assert (probed(draws=5).chosen, probed(draws=5).edge) == (16.0, 0)
    rare = LABELS.copy()
    rare[np.flatnonzero(TRAIN & (LABELS == 2))[6:]] = 0
    done = probed(rare, draws=5)
    assert (done.chosen, done.edge, done.unconverged) == (4.0, 0, 0) and set(done.ballots) == {"", "1", "2", "4"}


def test_a_draw_holds_each_row_once_and_the_seed_alone_decides_it():
    target, weights = TARGET, TRAIN.astype(float)[None]
    one, again, other = (next(FewShot(draws=50, seed=seed).fit(FEATURES, target, weights)).drawn for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any() and one.shape == (50, 3, 16)
    for label in range(3):
        assert (target.numbers[TRAIN][one[:, label]] == label).all()
    assert (np.diff(np.sort(one, axis=2), axis=2) > 0).all()


def test_a_class_that_no_training_row_has_is_named_by_no_draw():
    labels = np.where(TRAIN & (LABELS == 2), 0, LABELS)
    assert not probed(labels, draws=5).prediction[:, 2].any()
