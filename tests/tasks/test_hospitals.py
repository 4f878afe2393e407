"""The held-out fit among whole hospitals: what it pays for, whom it leaves out, and what it says of that."""

import numpy as np
import pytest

from pathfm.probes.logistic import Logistic
from pathfm.probes.ridge import Ridge
from pathfm.report.words import note_of
from pathfm.tasks.classes import score_classes
from pathfm.tasks.expression import score_expression
from pathfm.tasks.registry import BY_NAME
from pathfm.tasks.task import Probing, Rows

HOSPITALS, PATIENTS = 20, 250  # as many rows as one compiled program is padded to
HELD_OUT = {"fits": ("held_out",), "split_hash": "hash"}


def balanced_accuracy(features, labels, sites, whole: bool) -> float:
    names = np.array([f"p{number:03d}" for number in range(len(labels))], object)
    rows = Rows(names, np.full(len(labels), "test"), sites=sites, by_site=whole)
    scores = score_classes(BY_NAME["tp53"], features, labels, rows, Probing([Logistic(np.array([1.0, 10.0, 100.0]))]), **HELD_OUT).scores
    return scores.loc[scores["metric"] == "balanced_accuracy", "value"].item()


def test_an_encoder_that_only_reads_hospitals_better_gains_by_mixed_hospitals_and_not_by_whole_ones():
    """Mutants are more frequent in some hospitals; the tuned encoder sees tissue a little worse and each hospital's stain much better."""
    gains = {True: [], False: []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        site = rng.integers(HOSPITALS, size=PATIENTS)
        shares = np.array([0.1, 0.9])[rng.permutation(HOSPITALS) % 2]
        mutant = rng.random(PATIENTS) < shares[site]
        stain, noise = rng.normal(size=(HOSPITALS, 12))[site], rng.normal(size=(PATIENTS, 16))
        encoders = []
        for tissue, hospital in ((0.5, 0.1), (0.4, 2.0)):
            features = noise.copy()
            features[:, 0] += tissue * (2 * mutant - 1)
            features[:, 4:] += hospital * stain
            encoders.append(features.astype(np.float32))
        labels, sites = np.where(mutant, "mutant", "wild type").astype(object), np.array([f"h{one}" for one in site], object)
        for whole in gains:
            base, tuned = (balanced_accuracy(features, labels, sites, whole) for features in encoders)
            gains[whole].append(tuned - base)
    error = {whole: np.std(values) / np.sqrt(len(values)) for whole, values in gains.items()}
    assert np.mean(gains[False]) > 3 * error[False]  # a probe that has met the hospital is paid for knowing it
    assert np.mean(gains[True]) < error[True]


def task(sites: np.ndarray, labels: np.ndarray):
    features = np.random.default_rng(0).normal(size=(len(labels), 6)).astype(np.float32)
    names = np.array([f"p{number:03d}" for number in range(len(labels))], object)
    rows = Rows(names, np.full(len(labels), "test"), sites=sites, by_site=True)
    result = score_classes(BY_NAME["cancer"], features, labels.astype(object), rows, Probing([Logistic()]), **HELD_OUT)
    return result.scores.iloc[0], result.predictions


def test_with_fewer_than_five_hospitals_there_is_no_number_and_it_says_so():
    sites, labels = np.array([f"h{number % 4}" for number in range(80)]), np.array(["BRCA", "KIRC"])[np.arange(80) // 40]
    score, predictions = task(sites, labels)
    assert np.isnan(score["value"]) and score["sites"] == 4 and score["parts"] == 0 and not score["too_small"] and predictions.empty
    assert note_of(score) == "the scored patients come from 4 hospitals, parts of whole hospitals need 5"
    features = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    rows = Rows(np.arange(80).astype(str), np.full(80, "test"), sites=sites, by_site=True)
    result = score_expression(BY_NAME["expression"], features, features, rows, Probing([Ridge()], permutations=0), sites=sites, **HELD_OUT)
    assert np.isnan(result.scores["value"]).all() and (result.scores["sites"] == 4).all() and not len(result.expression.obs)


@pytest.mark.parametrize(("classes", "scored"), [(("BRCA", "KIRC", "LUAD"), True), (("BRCA", "LUAD"), False)])
def test_a_class_of_two_hospitals_leaves_the_fit_and_is_named(classes, scored):
    """LUAD is seen in two hospitals alone, so the fits for these would hardly know it; the others are scored where two are left."""
    number = np.arange(150)
    labels = np.array(classes[:-1])[number % (len(classes) - 1)]
    sites = np.array([f"h{one % 10}" for one in number // 2])
    labels = np.where(np.isin(sites, ["h0", "h1"]) & (number % 2 == 0), "LUAD", labels)
    score, predictions = task(sites, labels)
    size = int((labels == "LUAD").sum())
    assert score["left_out"].split("; ")[-1] == f"LUAD ({size})"
    assert set(predictions["truth"]) == set(classes[:-1] if scored else ()) and np.isnan(score["value"]) != scored
    assert ("too few of the scored patients’ hospitals" in note_of(score)) != scored
