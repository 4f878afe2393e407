"""What a probe is: fitted on frozen features for several training sets, one of its settings chosen on validation rows, then asked.

A new probe is a file like `ridge.py` and a line in `registry.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

import numpy as np

from pathfm.probes.target import Target

T = TypeVar("T", bound=Target, contravariant=True)


class Fitted(ABC):
    """The models of one training set, one for each setting of the probe's grid."""

    ends: tuple[bool, bool] = (True, True)  # whether a better setting may lie below the grid, and above it
    converged: np.ndarray  # bool [settings]: whether the fit reached its optimum; True where there is nothing to reach

    @abstractmethod
    def predict(self, features: np.ndarray, setting: int) -> np.ndarray:
        """[n, width of the target] of features [n, features]: probabilities of classes, or values; `setting` counts along the grid."""

    def scores(self, features: np.ndarray, target: Target) -> np.ndarray:
        """[settings]: how good each setting is on validation rows, by the target's own measure; for a quicker way to override."""
        return np.array([target.measure(self.predict(features, setting)) for setting in range(len(self.converged))])


class Probe(Protocol[T]):
    """A kind of model on frozen features, for targets of the type `T`: plain attributes will do."""

    @property
    def name(self) -> str:
        """Its word in scores.parquet, in the config and in the table."""
        ...

    @property
    def takes(self) -> tuple[type[Target], ...]:
        """What it can be fitted to."""
        ...

    @property
    def setting(self) -> str:
        """What is chosen on validation rows, for example "strength" or "k"."""
        ...

    @property
    def grid(self) -> np.ndarray:
        """[settings] float, the values tried in order; of equal ones on validation the last wins."""
        ...

    def fit(self, features: Any, target: T, weights: np.ndarray) -> Iterable[Fitted]:
        """The models of each training set, in order, fitted together or each when it is asked for.

        features float32 [n, features] (of an `OfTiles` they are `Bags`), target [n], weights [sets, n]: how often a row stands in each
        training set (0: not at all).
        """
        ...
