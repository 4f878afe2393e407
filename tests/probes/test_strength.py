"""The choice of a penalty."""

import numpy as np

from pathfm.probes.divisions import cut_validation
from pathfm.probes.strength import STRENGTHS, choose


def test_the_grid_is_the_one_that_is_documented():
    assert len(STRENGTHS) == 21
    np.testing.assert_allclose([STRENGTHS[0], STRENGTHS[2], STRENGTHS[-1]], [1e-6, 1e-5, 1e4])


def test_of_equal_scores_the_stronger_penalty_wins():
    scores = np.zeros(21)
    scores[[3, 9, 12]] = 0.8
    assert choose(scores) == (12, False)


def test_a_choice_at_either_end_of_the_grid_is_told():
    assert choose(np.ones(21)) == (20, True)
    assert choose(-np.arange(21.0)) == (0, True)
    assert choose(np.ones(1)) == (0, False)  # a grid of one value leaves nothing to choose


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
