"""The probe by which a blend is chosen: scikit-learn's ridge regression, each half with the other's strength."""

import numpy as np
import pytest

from pathfm.features.expression_probe import validation_r
from pathfm.probes.ridge import Ridge


def world(train=60, val=24, genes=30, seed=0, signal=1.0):
    rng = np.random.default_rng(seed)
    count = train + val
    features = rng.normal(size=(count, 8)).astype(np.float32)
    truth = (signal * features @ rng.normal(size=(8, genes)) + 2 * rng.normal(size=(count, genes))).astype(np.float32)
    roles = np.array(["train"] * train + ["val"] * val)
    types = np.array([("LUAD", "LUSC")[number % 2] for number in range(count)])
    truth[types == "LUAD"] += 4.0  # what a type has by itself counts for nothing
    patients = np.array([f"P{number:03d}" for number in rng.permutation(count)])
    return features, truth, roles, types, patients


def r_of(guess, truth):
    guess, truth = guess - guess.mean(axis=0), truth - truth.mean(axis=0)
    return (guess * truth).sum(axis=0) / np.sqrt((guess**2).sum(axis=0) * (truth**2).sum(axis=0))


def test_it_is_ridge_regression_within_types():
    linear = pytest.importorskip("sklearn.linear_model")
    features, truth, roles, types, patients = world()
    train, val = (np.flatnonzero(roles == role) for role in ("train", "val"))
    mean, sd = features[train].mean(axis=0), features[train].std(axis=0)
    x = (features - mean) / sd
    guesses = [linear.Ridge(alpha=one).fit(x[train], truth[train]).predict(x[val]) for one in Ridge().grid]
    order = sorted(range(len(val)), key=lambda row: (types[val][row], patients[val][row]))
    halves = [np.array(order[number::2]) for number in (0, 1)]
    joined = np.empty_like(truth[val])
    for scored, chooses in (halves, halves[::-1]):
        best = max(range(len(guesses)), key=lambda one: (round(float(r_of(guesses[one][chooses], truth[val][chooses]).mean()), 6), one))
        joined[scored] = guesses[best][scored]
    members = [types[val] == name for name in ("LUAD", "LUSC")]
    z = [np.arctanh(r_of(joined[rows], truth[val][rows])) * (rows.sum() - 3) for rows in members]
    expected = np.tanh(sum(z) / sum(rows.sum() - 3 for rows in members)).mean()
    assert validation_r(features, truth, roles, types, patients) == pytest.approx(expected, abs=2e-3)


def test_the_order_of_rows_plays_no_role_and_nothing_to_find_is_near_zero():
    rows = world()
    order = np.random.default_rng(1).permutation(len(rows[0]))
    assert validation_r(*(of_row[order] for of_row in rows)) == pytest.approx(validation_r(*rows), abs=1e-6)
    assert validation_r(*rows) > 0.3 > 0.15 > abs(validation_r(*world(signal=0.0)))
