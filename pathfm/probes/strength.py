"""The grids of a penalty's strength, and the choice of a setting on validation data only."""

import numpy as np

STRENGTHS = np.logspace(-6, 4, 21)
WIDE_STRENGTHS = np.logspace(-6, 7, 27)
"""For ridge: with thousands of outputs of little signal the best mean r lies at up to 1e7."""

MATTERS = 1e-3
"""What a further step beyond the grid must still bring for a warning: 0.001 in r is 0.1 in the table, the last digit shown, and 0.001 in
the mean log of the true class's probability raises that probability by 0.1 %."""


def choose(scores: np.ndarray) -> tuple[int, bool]:
    """(index, whether a better one may lie beyond the grid): the best validation score [settings], of equal ones the last: the strongest.

    A score that is no number is the worst. A better one may lie beyond where the best lies at an end of the grid and the score has risen
    by more than MATTERS in the last step towards it.
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = len(known) - 1 - int(np.argmax(known[::-1]))
    if len(known) < 2 or best not in (0, len(known) - 1):
        return best, False
    return best, bool(known[best] > known[1 if best == 0 else best - 1] + MATTERS)
