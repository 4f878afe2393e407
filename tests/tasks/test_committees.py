"""Probes of many models from arrays to cells: their score is the mean over the models, in scores, predictions and the table's cells."""

import numpy as np
import pytest

from pathfm.probes.bags import Bags
from pathfm.probes.few_shot import FewShot
from pathfm.probes.logistic import Logistic
from pathfm.probes.mil import Mil
from pathfm.statistics.committees import mean_by_class, of_committee
from pathfm.statistics.scores import balanced_accuracy
from pathfm.tasks.classes import score_classes
from pathfm.tasks.registry import BY_NAME
from pathfm.tasks.task import Probing, Rows, able

TP53, MHIST = BY_NAME["tp53"], BY_NAME["mhist"]
ROLES = np.repeat(["train", "val", "test"], [60, 40, 60])
LABELS = np.array(["mutant", "wild type"], object)[np.arange(160) % 2]
ROWS = Rows(np.array([f"p{number:03d}" for number in range(160)], object), ROLES)
FEATURES = np.random.default_rng(0).normal(size=(160, 8)).astype(np.float32)
FEATURES[:, 0] += 2 * (LABELS == "mutant")


def test_the_score_of_a_committee_is_the_mean_over_its_models_and_of_the_rows_right():
    result = score_classes(TP53, FEATURES, LABELS, ROWS, Probing([FewShot(draws=40)], resamples=2))
    for fit in ("split", "held_out"):
        scores = result.scores[result.scores["fit"] == fit].set_index("metric")["value"]
        rows = result.predictions[result.predictions["fit"] == fit]
        right = rows["right"].to_numpy()
        assert scores["balanced_accuracy"] == pytest.approx(mean_by_class(rows["truth"].to_numpy(), right))
        assert 0.6 < scores["balanced_accuracy"] != balanced_accuracy(rows["truth"].to_numpy(), rows["prediction"].to_numpy())
        assert ((right > 0) & (right < 1)).any() and 0 < scores["balanced_accuracy_sd_over_models"] < 0.2
        assert scores["balanced_accuracy@1"] < scores["balanced_accuracy@4"]
    split = result.scores[(result.scores["fit"] == "split") & result.scores["headline"]]
    assert (split["chosen"].item(), split["setting"].item()) == (16.0, "shots")
    assert result.scores["headline"].sum() == 2 and "balanced_accuracy_sd" in set(result.scores["metric"])


def test_a_class_that_is_too_small_leaves_the_score_of_a_committee_too():
    labels = LABELS.copy()
    labels[[0, 1, 2, 60, 61, 120, 121, 122, 123]] = "other"
    result = score_classes(TP53, FEATURES, labels, ROWS, Probing([FewShot(draws=20)]), fits=("split",))
    rows, large = result.predictions, result.predictions["truth"] != "other"
    scores = result.scores.set_index("metric")
    assert (rows["truth"] == "other").sum() == 4 and scores.loc["balanced_accuracy", "left_out"] == "other (4)"
    recalls = rows[large].groupby("truth")["right"].mean()
    assert scores.loc["balanced_accuracy", "value"] == pytest.approx(recalls.mean()) and len(recalls) == 2
    assert scores.loc["balanced_accuracy@2", "value"] == pytest.approx(scores.loc["balanced_accuracy", "value"])  # three rows are rarest
    assert scores.loc["balanced_accuracy", "n"] == 56 and scores.loc["balanced_accuracy", "chosen"] == 2


def test_of_a_single_model_each_row_is_right_or_not():
    rows = score_classes(TP53, FEATURES, LABELS, ROWS, Probing([Logistic()])).predictions
    np.testing.assert_array_equal(rows["right"], (rows["truth"] == rows["prediction"]).astype(float))


def test_the_mean_of_models_is_that_of_their_balanced_accuracies():
    rng = np.random.default_rng(1)
    truth, guesses = rng.integers(0, 3, 50), rng.integers(0, 3, (7, 50))
    each = [balanced_accuracy(truth, one) for one in guesses]
    assert mean_by_class(truth, (guesses == truth).mean(axis=0)) == pytest.approx(np.mean(each))
    found = of_committee("score", truth, {"": guesses, "4": guesses[:2]})
    assert found["score"] == pytest.approx(np.mean(each)) and found["score_sd_over_models"] == pytest.approx(np.std(each))
    assert found["score@4"] == pytest.approx(np.mean(each[:2]))


def test_a_probe_of_tiles_is_given_the_bags_and_left_out_where_there_are_none(capsys):
    bags = Bags.of([np.stack([row, row]) for row in FEATURES])
    mil, logistic = Mil(grid=np.array([3e-3]), seeds=2, epochs=20), Logistic()
    result = score_classes(TP53, FEATURES, LABELS, ROWS, Probing([logistic, mil]), fits=("split",), bags=bags)
    value = result.scores[result.scores["headline"]].set_index("probe")["value"]
    assert value["mil"] > 0.6
    alone = score_classes(TP53, FEATURES, LABELS, ROWS, Probing([logistic]), fits=("split",))
    assert value["logistic"] == alone.scores.loc[alone.scores["headline"], "value"].item()
    assert list(able(Probing([logistic, mil]), MHIST, logistic.takes[0]).probes) == [logistic]
    assert able(Probing([mil]), MHIST, logistic.takes[0]) is None
    told = capsys.readouterr().err
    assert "mhist: mil left out, which sees the tiles of patients, and here are none" in told
    assert "mhist: left out, no probe among mil can be fitted to it" in told
