"""The rows of a training set, each as often as it stands there."""

import numpy as np


def rows_of(times: np.ndarray) -> np.ndarray:
    """The numbers of the rows [rows], in order, by how often each of n stands in the training set: times [n], whole numbers."""
    return np.repeat(np.arange(len(times)), np.asarray(times).astype(int))


def filled_up(features: np.ndarray, numbers: np.ndarray, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 features [n, ...] and classes [n] with rows of 0 and −1 to one of few lengths, so that tasks of like size share a program.

    The length is a multiple of `batch`, at most an eighth longer than needed where n is large.
    """
    step = max(batch, 1 << max(0, len(numbers).bit_length() - 4))
    further = -(-len(numbers) // step) * step - len(numbers)
    rows = np.pad(np.asarray(features, np.float32), ((0, further), *((0, 0) for _ in features.shape[1:])))
    return rows, np.pad(np.asarray(numbers, np.int32), (0, further), constant_values=-1)
