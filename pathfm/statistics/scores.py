"""Scores of predicted classes: balanced accuracy and the area under the ROC curve, also under weights."""

import numpy as np

SMALLEST_CLASS = 10


def balanced_accuracy(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The mean over the classes in `truth` [n] of the (weighted) share that is predicted right."""
    weights = np.ones(len(truth)) if weights is None else weights
    right = np.asarray(truth) == np.asarray(prediction)
    recalls = [np.average(right[members], weights=weights[members]) for members in (truth == label for label in np.unique(truth))]
    return float(np.mean(recalls))


def mean_log_probability(truth: np.ndarray, probability: np.ndarray) -> float:
    """The mean over the classes in `truth` [n] (column numbers) of the mean log of the probability [n, classes] that they are given.

    This is scikit-learn's `log_loss` with balanced sample weights, its sign turned: the higher the better. Probabilities are at least the
    float's epsilon there and here. NaN without rows.
    """
    if not len(truth):
        return float("nan")
    given = np.log(np.maximum(probability[np.arange(len(truth)), truth], np.finfo(probability.dtype).eps))
    return float(np.mean([given[truth == label].mean() for label in np.unique(truth)]))


def auroc(truth: np.ndarray, probability: np.ndarray, classes: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the ROC curve; with more than two classes the mean of each class against the rest.

    truth [n], probability [n, classes] with columns in the order of `classes`. Ties count half; NaN when a class has no row.
    """
    weights = np.ones(len(truth)) if weights is None else weights
    columns = [1] if len(classes) == 2 else range(len(classes))
    return float(np.mean([_auroc(truth == classes[column], probability[:, column], weights) for column in columns]))


def _auroc(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> float:
    levels, level = np.unique(score, return_inverse=True)
    above = np.bincount(level, weights * positive, minlength=len(levels))
    below = np.bincount(level, weights * ~positive, minlength=len(levels))
    pairs = above.sum() * below.sum()
    return float((above * (np.cumsum(below) - 0.5 * below)).sum() / pairs) if pairs else float("nan")


def class_sizes(truth: np.ndarray, units: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """[classes] int: the number of units (patients, or images of unknown patients) of each of `classes` among the scored rows."""
    return np.array([len(np.unique(units[truth == label])) for label in classes], int)


def smallest_class(truth: np.ndarray, units: np.ndarray, classes: np.ndarray) -> int:
    """The number of units in the rarest of `classes`."""
    return int(class_sizes(truth, units, classes).min())


def large_classes(truth: np.ndarray, units: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Those of `classes` that have units enough for a score; of the others nothing is scored."""
    return classes[class_sizes(truth, units, classes) >= SMALLEST_CLASS]


def too_small(count: int) -> bool:
    """Whether so few units carry no score."""
    return count < SMALLEST_CLASS
