"""Features on one scale: what a probe learns of its training rows before it is fitted."""

import numpy as np


def standardisation(features: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(mean, 1 / sd), float64 [features] each, over the rows with their weights [n] (how often a row stands in the training set).

    A feature that is constant in the training set gets 0 for 1 / sd and so has no say.
    """
    weights = np.ones(len(features)) if weights is None else np.asarray(weights, np.float64)
    used = np.asarray(features[weights > 0], np.float64)
    share = weights[weights > 0] / weights.sum()
    mean = share @ used
    sd = np.sqrt(share @ (used - mean) ** 2)
    varies = (np.ptp(used, axis=0) > 0) & (sd > 0)
    return mean, np.where(varies, 1 / np.where(varies, sd, 1), 0)
