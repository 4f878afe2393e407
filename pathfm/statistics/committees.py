"""Scores of many models of one kind, such as the draws of a few-shot probe: the mean over the models, and their spread."""

from collections.abc import Mapping

import numpy as np


def mean_by_class(truth: np.ndarray, right: np.ndarray) -> np.ndarray | float:
    """The mean over the classes in `truth` [n] of how right their rows are, `right` [..., n] in 0 … 1: balanced accuracy [...].

    Of the share of models that name a row's class this is the mean over models of their balanced accuracies.
    """
    return np.mean([right[..., truth == label].mean(axis=-1) for label in np.unique(truth)], axis=0)


def of_committee(metric: str, numbers: np.ndarray, ballots: Mapping[str, np.ndarray]) -> dict[str, float]:
    """By metric the mean and, under "_sd_over_models", the sd over models of balanced accuracy; nothing where there is no committee.

    numbers [n] are the true classes, ballots [models, n] those that the models name: under "" at the setting chosen, under any other
    name at that setting ("balanced_accuracy@4").
    """
    values = {}
    for name, guesses in ballots.items():
        key, each = f"{metric}@{name}" if name else metric, mean_by_class(numbers, guesses == numbers)
        values |= {key: float(np.mean(each)), f"{key}_sd_over_models": float(np.std(each))}
    return values
