"""k nearest neighbours by the cosine between features, of classes or of values: a probe that fits nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pathfm.probes.protocol import Fitted
from pathfm.probes.rows import rows_of
from pathfm.probes.target import Classes, Target, Values
from pathfm.statistics.scores import balanced_accuracy

NEIGHBOURS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
QUERIES_AT_ONCE = 1024


@dataclass(frozen=True)
class Knn:
    """Neighbours as a probe; the setting is their number, of which there are never more than training rows."""

    grid: np.ndarray = field(default_factory=lambda: np.array(NEIGHBOURS))
    name: str = "knn"
    setting: str = "k"
    takes: tuple[type[Target], ...] = (Classes, Values)

    def fit(self, features: np.ndarray, target: Target, weights: np.ndarray) -> Iterator["Neighbours"]:
        for times in weights:
            rows = rows_of(times)
            yield Neighbours(features[rows], target.take(rows), self.grid.astype(int))


class Neighbours(Fitted):
    """The training rows, less their mean, at length 1: the order by cosine is then that by distance.

    A class gets the share of its training rows' votes among the k nearest; where classes weigh alike, a vote weighs 1 over the rows of
    its class. Values are the mean over the k nearest. With the features centred this is scikit-learn's KNeighborsClassifier or
    KNeighborsRegressor with `metric="cosine"`, and in the order of neighbours UNI's own evaluation (its `eval_knn`, k = 20).
    """

    def __init__(self, features: np.ndarray, target: Target, grid: np.ndarray):
        self.mean = features.mean(axis=0, dtype=np.float64)
        self.target, self.grid, self.converged = target, np.minimum(grid, len(features)), np.ones(len(grid), bool)
        self.ends = (False, len(features) > int(grid.max()))  # there is no k below 1, nor one above the rows
        self.rows = self._unit(features)

    def predict(self, features: np.ndarray, setting: int) -> np.ndarray:
        return self._of_nearest(self.nearest(features), setting)

    def scores(self, features: np.ndarray, target: Target) -> np.ndarray:
        """Of all k from one search: balanced accuracy, or the target's own measure of values."""
        nearest = self.nearest(features)
        predictions = [self._of_nearest(nearest, setting) for setting in range(len(self.grid))]
        if isinstance(target, Classes):
            return np.array([balanced_accuracy(target.numbers, one.argmax(axis=1)) for one in predictions])
        return np.array([target.measure(one) for one in predictions])

    def nearest(self, features: np.ndarray) -> np.ndarray:
        """The numbers [n, most neighbours] of the nearest training rows, the nearest first."""
        most, found = int(self.grid.max()), []
        for start in range(0, len(features), QUERIES_AT_ONCE):
            cosine = self._unit(features[start : start + QUERIES_AT_ONCE]) @ self.rows.T
            some = np.sort(np.argpartition(-cosine, most - 1, axis=1)[:, :most], axis=1)
            order = np.argsort(-np.take_along_axis(cosine, some, axis=1), axis=1, kind="stable")
            found.append(np.take_along_axis(some, order, axis=1))
        return np.concatenate(found) if found else np.zeros((0, most), int)

    def _of_nearest(self, nearest: np.ndarray, setting: int) -> np.ndarray:
        nearest = nearest[:, : self.grid[setting]]
        if isinstance(self.target, Values):
            return self.target.values[nearest].mean(axis=1, dtype=np.float64)
        numbers, count = self.target.numbers, self.target.count
        vote = 1 / np.bincount(numbers, minlength=count)[numbers] if self.target.balanced else np.ones(len(numbers))
        votes = np.zeros((len(nearest), count))
        np.add.at(votes, (np.arange(len(nearest))[:, None], numbers[nearest]), vote[nearest])
        return votes / votes.sum(axis=1, keepdims=True)

    def _unit(self, features: np.ndarray) -> np.ndarray:
        centred = features - self.mean
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        return (centred / np.where(length > 0, length, 1)).astype(np.float32)
