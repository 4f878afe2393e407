"""The choice of a penalty."""

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from pathfm.probes.divisions import cut_validation
from pathfm.probes.logistic import Logistic
from pathfm.probes.ridge import Ridge
from pathfm.probes.strength import MATTERS, STRENGTHS, WIDE_STRENGTHS, choose
from pathfm.probes.target import Classes
from pathfm.statistics.scores import balanced_accuracy


def test_the_grids_are_those_that_are_documented():
    assert (len(STRENGTHS), len(WIDE_STRENGTHS)) == (21, 27)
    np.testing.assert_allclose([STRENGTHS[0], STRENGTHS[2], STRENGTHS[-1]], [1e-6, 1e-5, 1e4])
    np.testing.assert_allclose([WIDE_STRENGTHS[0], WIDE_STRENGTHS[-1]], [1e-6, 1e7])
    np.testing.assert_array_equal(Ridge().grid, WIDE_STRENGTHS)


def test_of_equal_scores_the_stronger_penalty_wins():
    scores = np.zeros(21)
    scores[[3, 9, 12]] = 0.8
    assert choose(scores) == (12, False)


def test_a_choice_at_either_end_of_the_grid_is_told_where_the_score_still_rises_by_what_matters():
    assert choose(np.arange(21.0)) == (20, True)
    assert choose(-np.arange(21.0)) == (0, True)
    assert choose(np.ones(21)) == (20, False)
    assert choose(np.arange(21) * 0.9 * MATTERS) == (20, False)
    assert choose(np.arange(21) * -1.1 * MATTERS) == (0, True)
    assert choose(np.ones(1)) == (0, False)  # a grid of one value leaves nothing to choose


def test_the_measure_of_classes_is_scikit_learns_log_loss_with_balanced_weights():
    random = np.random.default_rng(0)
    numbers, probability = random.integers(3, size=50), random.dirichlet(np.ones(3), 50)
    probability[0] = np.eye(3)[(numbers[0] + 1) % 3]
    weights = compute_sample_weight("balanced", numbers)
    assert Classes(numbers, 3).measure(probability) == pytest.approx(-log_loss(numbers, probability, sample_weight=weights))


def test_few_validation_patients_do_not_send_the_choice_to_the_end_of_the_grid():
    """Twenty patients give balanced accuracy few steps: strengths tie and the strongest wins. Their probabilities do not tie."""
    ends = {"accuracy": 0, "probability": 0}
    for seed in range(40):
        random = np.random.default_rng(seed)
        numbers = np.arange(90) % 2
        features = random.normal(size=(90, 8)).astype(np.float32)
        features[:, 0] += 1.2 * numbers
        fitted = next(Logistic().fit(features, Classes(numbers, 2), (np.arange(90) < 70)[None].astype(float)))
        val, target = features[70:], Classes(numbers[70:], 2)
        accuracy = [balanced_accuracy(target.numbers, fitted.predict(val, one).argmax(axis=1)) for one in range(21)]
        ends["accuracy"] += choose(np.array(accuracy))[0] == 20
        ends["probability"] += choose(fitted.scores(val, target))[0] == 20
    assert ends["probability"] <= 4 < 10 < ends["accuracy"]


def test_validation_is_a_fifth_of_each_class_and_whole_patients():
    labels = np.array(["HP"] * 100 + ["SSA"] * 50)
    images = np.array([f"image{number}" for number in range(150)])
    held = cut_validation(labels, images, seed=0)
    assert held[:100].sum() == 20 and held[100:].sum() == 10
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_array_equal(cut_validation(labels[order], images[order], seed=0), held[order])
    assert (cut_validation(labels, images, seed=1) != held).any()
    patients = np.array([f"p{number // 5}" for number in range(150)])
    held = cut_validation(labels, patients, seed=0)
    assert all(len(set(held[patients == patient])) == 1 for patient in patients)
    assert held[:100].sum() == 20
