"""Probes that are many models of one kind, random draws or runs: their score is the mean over the models, not that of their vote."""

from abc import abstractmethod

import numpy as np

from pathfm.probes.protocol import Fitted
from pathfm.probes.target import Classes
from pathfm.statistics.committees import mean_by_class

NONE = -1  # where no model could be made


class Committee(Fitted):
    """The models of one training set for each setting; each model names a class, and the share of those that do is its probability."""

    count: int  # classes

    @abstractmethod
    def guesses(self, features: np.ndarray, setting: int) -> np.ndarray:
        """int16 [models, n]: the class that each model names for each row of features [n, features]."""

    def predict(self, features: np.ndarray, setting: int) -> np.ndarray:
        return self.named(features, setting)

    def named(self, features: np.ndarray, setting: int) -> np.ndarray:
        """The share [n, classes] of the models that name each class."""
        return shares(self.guesses(features, setting), self.count)

    def ballots(self, features: np.ndarray, setting: int, grid: np.ndarray) -> dict[str, np.ndarray]:
        """The guesses [models, n] at the setting chosen, under ""; a probe may add those at others of `grid` under their names."""
        return {"": self.guesses(features, setting)}

    def scores(self, features: np.ndarray, target: Classes) -> np.ndarray:
        """The mean over the models of balanced accuracy."""
        each = (mean_by_class(target.numbers, self.guesses(features, one) == target.numbers) for one in range(len(self.converged)))
        return np.array([np.mean(models) for models in each])


def shares(guesses: np.ndarray, count: int) -> np.ndarray:
    """The share [n, count] of the models that name each class: guesses [models, n]."""
    return np.stack([(guesses == number).mean(axis=0) for number in range(count)], axis=1)
