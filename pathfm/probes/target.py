"""What a probe is fitted to, a row per unit: classes or values; and how well a prediction meets it."""

from dataclasses import dataclass, replace

import numpy as np

from pathfm.statistics.correlation import pearson, summary
from pathfm.statistics.scores import mean_log_probability


@dataclass(frozen=True)
class Classes:
    """A class of each row; predicted are probabilities [n, count]."""

    numbers: np.ndarray  # int [n], below `count`
    count: int
    balanced: bool = True  # in a fit a row weighs n / (classes · rows of its class)

    def take(self, rows: np.ndarray) -> "Classes":
        return replace(self, numbers=self.numbers[rows])

    def measure(self, prediction: np.ndarray) -> float:
        """How probable the true classes are, the classes weighing alike: a smooth measure, where balanced accuracy has steps and ties."""
        return mean_log_probability(self.numbers, prediction)

    def unpredicted(self) -> np.ndarray:
        """Room for a prediction of each row."""
        return np.zeros((len(self.numbers), self.count))


@dataclass(frozen=True)
class Values:
    """Numbers of each row, float32 [n, outputs], such as scaled expression."""

    values: np.ndarray

    def take(self, rows: np.ndarray) -> "Values":
        return replace(self, values=self.values[rows])

    def measure(self, prediction: np.ndarray) -> float:
        """The mean over outputs of Pearson's r; 0 where none has a value."""
        return float(np.nan_to_num(summary(pearson(prediction, self.values))["mean_pearson"]))

    def unpredicted(self) -> np.ndarray:
        """Room for a prediction of each row."""
        return np.zeros(self.values.shape, np.float32)


Target = Classes | Values
