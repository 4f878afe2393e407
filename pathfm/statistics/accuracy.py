"""Balanced accuracy, and differences of it, with the influence of each unit."""

import numpy as np
from scipy.sparse import csr_array

from pathfm.statistics.estimate import Estimate


def accuracy_estimate(truth: np.ndarray, right: np.ndarray, units: np.ndarray) -> Estimate:
    """The mean over the classes in `truth` [n] of the mean of `right` [..., n] in the class, by `units` [n].

    `right` is 1 or 0 (a score; of many models the share of them that are right), or the difference of two such. With n_c rows in each of C
    classes a row weighs 1/(C n_c), and a unit the sum of its rows. A unit's influence is its share of the value less its weight times the
    value, over √(1 − weight): the latter makes the variance unbiased for independent rows, and is √(G/(G − 1)) for G equal units (Bell and
    McCaffrey 2002).

    Few changed rows: the floor is the variance that one more row would add, spread evenly over the classes, half of it to either side
    (what Bonett and Price 2012 do with two). Without it a task in which nothing changed would be known exactly.
    """
    names, unit = np.unique(np.asarray(units, str), return_inverse=True)
    classes, label, counts = np.unique(truth, return_inverse=True, return_counts=True)
    row_weight = 1 / (len(classes) * counts[label])
    right = np.asarray(right, float)
    sums = csr_array((row_weight, (np.arange(len(unit)), unit)), shape=(len(unit), len(names)))
    share = right @ sums
    value, weight = share.sum(axis=-1), np.bincount(unit, row_weight, len(names))
    influence = (share - value[..., None] * weight) / np.sqrt(np.maximum(1 - weight, SMALLEST_REST))
    floor = np.full(value.shape, float((1 / counts**2).sum() / len(classes) ** 3))
    return Estimate(value, names, influence, np.broadcast_to(weight, influence.shape), floor)


SMALLEST_REST = 1e-9  # of a single unit: its influence is 0 over this, and its degrees of freedom are none
