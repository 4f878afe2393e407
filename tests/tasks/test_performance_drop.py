"""The performance drop: which patients it trains on, and what it is of probes whose answers are known."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from pathfm.tasks.performance_drop import HELD, REPEATS, STEPS, average_drop

CANCERS, SITES = np.repeat(["a", "b"], 45), np.tile(np.repeat(["x", "y"], [24, 21]), 2)
ROWS = np.arange(90, dtype=np.float32)[:, None]


@dataclass
class Fitted:
    """Answers by a rule (training rows, asked rows) -> class, and writes down whom it is asked about."""

    train: np.ndarray
    rule: object
    asked: list
    converged = np.ones(1, bool)

    def scores(self, features, target):
        self.asked.append(features[:, 0].astype(int))
        return np.zeros(1)

    def predict(self, features, setting):
        self.asked.append(features[:, 0].astype(int))
        return np.eye(2)[self.rule(self.train, self.asked[-1])]


@dataclass
class Probe:
    """A probe whose features are the numbers of the rows."""

    rule: object
    seen: list = field(default_factory=list)
    name, setting, grid, takes = "rule", "", np.ones(1), ()

    def fit(self, features, target, weights):
        for one in weights:
            fitted = Fitted(features[one > 0, 0].astype(int), self.rule, [])
            self.seen.append(fitted)
            yield fitted


def truly(train, asked):
    return (CANCERS[asked] == "b").astype(int)


def by_hospital(train, asked):
    """The most common class of each hospital among the training rows; of none the truth."""
    answers = truly(train, asked)
    for site in np.unique(SITES):
        share = truly(train, train[SITES[train] == site]).mean()
        if share != 0.5:
            answers[SITES[asked] == site] = share > 0.5
    return answers


def cells(rows):
    return [int(((CANCERS[rows] == cancer) & (SITES[rows] == site)).sum()) for cancer in "ab" for site in "xy"]


def test_training_and_validation_go_with_the_hospitals_step_by_step_and_the_scored_patients_do_not():
    average_drop(ROWS, CANCERS, SITES, probe := Probe(truly), 0)
    assert len(probe.seen) == REPEATS * (STEPS + 1)
    for number, fitted in enumerate(probe.seen):
        step = number % (STEPS + 1)
        val, test = fitted.asked
        assert cells(fitted.train) == cells(val) == [STEPS - step, STEPS + step, STEPS + step, STEPS - step]
        assert cells(test) == [21 - 4 * STEPS] * 4
        assert len(np.unique(np.concatenate([fitted.train, val, test]))) == len(fitted.train) + len(val) + len(test)
        assert set(test) == set(probe.seen[number - step].asked[1])
    assert len({tuple(sorted(fitted.train)) for fitted in probe.seen[:: STEPS + 1]}) > 1  # each repeat draws anew


def test_a_probe_that_is_right_loses_nothing_and_one_that_goes_by_the_hospital_half():
    right = average_drop(ROWS, CANCERS, SITES, Probe(truly), 0)
    assert (right.value, right.low, right.high, right.accuracy, right.patients) == (0, 0, 0, 1, 90)
    stain = average_drop(ROWS, CANCERS, SITES, Probe(by_hospital), 0)
    assert (stain.value, stain.accuracy) == pytest.approx((-0.5, 1))


def test_cells_that_are_too_small_have_no_drop_and_neither_has_a_probe_that_is_never_right():
    few = np.arange(90) % 45 < 24 + 4 * STEPS + HELD - 1
    assert average_drop(ROWS[few], CANCERS[few], SITES[few], Probe(truly), 0) is None
    assert average_drop(ROWS, CANCERS, SITES, Probe(lambda train, asked: 1 - truly(train, asked)), 0) is None
