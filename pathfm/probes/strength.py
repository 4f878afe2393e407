"""The grid of a penalty's strength, and the choice of a setting on validation data only."""

import numpy as np

STRENGTHS = np.logspace(-6, 4, 21)


def choose(scores: np.ndarray) -> tuple[int, bool]:
    """(index, whether it lies at an end of the grid): the best validation score [settings], of equal ones the last: the strongest penalty.

    A score that is no number is the worst.
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = len(known) - 1 - int(np.argmax(known[::-1]))
    return best, len(known) > 1 and best in (0, len(known) - 1)
