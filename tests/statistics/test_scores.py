"""Scores of classes against scikit-learn's, with and without weights."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pathfm.statistics.scores import auroc, balanced_accuracy, class_sizes, too_small


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_scikit_learns(classes, weighted):
    rng = np.random.default_rng(classes)
    names = np.array(["a", "b", "c", "d"])[:classes]
    truth = names[rng.integers(0, classes, 200)]
    probability = np.round(rng.dirichlet(np.ones(classes), 200), 1 if classes == 2 else 12)
    prediction = names[probability.argmax(axis=1)]
    weights = rng.exponential(size=200) if weighted else None
    assert balanced_accuracy(truth, prediction, weights) == pytest.approx(balanced_accuracy_score(truth, prediction, sample_weight=weights))
    if classes == 2:
        reference = roc_auc_score(truth, probability[:, 1], sample_weight=weights)
    else:
        reference = np.mean([roc_auc_score(truth == name, probability[:, i], sample_weight=weights) for i, name in enumerate(names)])
    assert auroc(truth, probability, names, weights) == pytest.approx(reference)


def test_a_rare_class_counts_patients_not_images():
    truth = np.array(["a"] * 30 + ["b"] * 30)
    units = np.array([f"p{number}" for number in range(30)] + [f"q{number % 9}" for number in range(30)])
    assert class_sizes(truth, units, np.array(["a", "b", "c"])).tolist() == [30, 9, 0]
    assert too_small(9) and not too_small(10)
