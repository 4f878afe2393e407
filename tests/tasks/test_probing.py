"""Probes from arrays to rows: who is fitted on, who is scored, and what is written down."""

import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.probes.logistic import Logistic
from pathfm.probes.ridge import Ridge
from pathfm.statistics.scores import balanced_accuracy
from pathfm.tasks.classes import score_classes
from pathfm.tasks.expression import score_expression
from pathfm.tasks.registry import BY_NAME
from pathfm.tasks.task import PREDICTIONS, SCORES, Probing, Rows

TP53, MHIST, EXPRESSION = BY_NAME["tp53"], BY_NAME["mhist"], BY_NAME["expression"]
ROLES = np.repeat(["train", "val", "test"], [60, 40, 60])
PATIENTS = np.array([f"TCGA-A{number % 6}-{number:04d}" for number in range(160)], object)
LABELS = np.array(["mutant", "wild type"], object)[np.arange(160) % 2]


def probe_classification(task, features, labels, rows, *, resamples=0, **options):
    """(scores, predictions) of the logistic probe."""
    result = score_classes(task, features, labels, rows, Probing([Logistic()], resamples=resamples), **options)
    return result.scores, result.predictions


def probe_expression(task, features, truth, rows, *, permutations=1000, resamples=0, **options):
    """(scores, predicted expression) of the ridge probe."""
    probing = Probing([Ridge()], permutations=permutations, resamples=resamples)
    result = score_expression(task, features, truth, rows, probing, **options)
    return result.scores, result.expression


def planted(strength: float = 1.0, seed: int = 0) -> np.ndarray:
    features = np.random.default_rng(seed).normal(size=(160, 16)).astype(np.float32)
    features[:, 0] += strength * (LABELS == "mutant")
    return features


def test_rows_are_those_of_the_format_and_agree_with_each_other():
    scores, predictions = probe_classification(TP53, planted(2.0), LABELS, Rows(PATIENTS, ROLES), fold=3, split_hash="hash")
    assert list(scores) == SCORES
    assert set(zip(scores["fit"], scores["metric"], strict=True)) == {
        (fit, metric) for fit in ("split", "held_out") for metric in ("balanced_accuracy", "auroc")
    }
    assert (scores["column"] == "TP53").all() and (scores["fold"] == 3).all() and (scores["smallest_class"] == 30).all()
    for fit, rows in predictions.groupby("fit"):
        assert sorted(rows["unit"]) == sorted(PATIENTS[ROLES == "test"])
        value = scores.loc[(scores["fit"] == fit) & (scores["metric"] == "balanced_accuracy"), "value"].item()
        assert value == balanced_accuracy(rows["truth"].to_numpy(), rows["prediction"].to_numpy()) > 0.7
        probability = np.stack(rows["probability"])
        np.testing.assert_allclose(probability.sum(axis=1), 1)
        assert (np.array(["mutant", "wild type"])[probability.argmax(axis=1)] == rows["prediction"]).all()


def test_every_prediction_has_the_site_of_its_patient_or_none_where_it_is_not_known():
    sites = np.array([patient.split("-")[1] for patient in PATIENTS], object)
    sites[120] = None
    _, predictions = probe_classification(TP53, planted(2.0), LABELS, Rows(PATIENTS, ROLES, sites=sites), fits=("split",))
    expected = dict(zip(PATIENTS, sites, strict=True)) | {PATIENTS[120]: ""}
    assert list(predictions) == PREDICTIONS
    assert predictions["site"].tolist() == [expected[unit] for unit in predictions["unit"]]
    _, without = probe_classification(TP53, planted(2.0), LABELS, Rows(PATIENTS, ROLES), fits=("split",))
    assert set(without["site"]) == {""}


def test_the_split_fit_never_sees_test_labels_and_the_held_out_fit_never_sees_others():
    who, features = Rows(PATIENTS, ROLES), planted()
    swapped = np.where(LABELS == "mutant", "wild type", "mutant").astype(object)
    _, before = probe_classification(TP53, features, LABELS, who)
    _, test_changed = probe_classification(TP53, features, np.where(ROLES == "test", swapped, LABELS), who)
    _, train_changed = probe_classification(TP53, features, np.where(ROLES == "test", LABELS, swapped), who)
    of = {name: rows.set_index(["fit", "unit"])["prediction"] for name, rows in (("b", before), ("t", test_changed), ("o", train_changed))}
    assert (of["b"]["split"] == of["t"]["split"]).all()
    assert (of["b"]["held_out"] == of["o"]["held_out"]).all()
    assert (of["b"]["split"] != of["o"]["split"]).all()


def test_unlabelled_patients_are_left_out():
    labels = LABELS.copy()
    labels[[5, 65, 120]] = None
    scores, predictions = probe_classification(TP53, planted(), labels, Rows(PATIENTS, ROLES))
    assert (scores["n"] == 59).all()
    assert PATIENTS[120] not in set(predictions["unit"])


def test_a_rare_class_has_no_score_but_says_how_many():
    labels = LABELS.copy()
    labels[np.flatnonzero((ROLES == "test") & (LABELS == "mutant"))[9:]] = None
    scores, _ = probe_classification(TP53, planted(), labels, Rows(PATIENTS, ROLES))
    assert scores["value"].isna().all() and (scores["smallest_class"] == 9).all()
    assert scores["too_small"].all()
    absent = np.where((ROLES == "test") & (LABELS == "mutant"), None, LABELS)
    assert (probe_classification(TP53, planted(), absent, Rows(PATIENTS, ROLES))[0]["smallest_class"] == 0).all()


def test_a_rare_class_leaves_the_task_by_name_and_the_others_are_scored():
    """Four test patients have a third class: the others' share is scored as if these were not there."""
    labels = LABELS.copy()
    labels[[*range(0, 60, 5), *range(60, 100, 5), *np.flatnonzero(ROLES == "test")[:4]]] = "rare"
    scores, predictions = probe_classification(TP53, planted(2.0), labels, Rows(PATIENTS, ROLES))
    split = scores[(scores["fit"] == "split") & (scores["metric"] == "balanced_accuracy")].iloc[0]
    rows = predictions[predictions["fit"] == "split"]
    assert split["left_out"] == "rare (4)" and not split["too_small"] and (split["n"], split["smallest_class"]) == (56, 28)
    kept = rows[rows["truth"] != "rare"]
    assert split["value"] == balanced_accuracy(kept["truth"].to_numpy(), kept["prediction"].to_numpy())
    assert (rows["truth"] == "rare").sum() == 4  # over several folds there may be enough
    held_out = scores[scores["fit"] == "held_out"]
    assert set(held_out["left_out"]) == {"rare (4)"} and "rare" not in set(predictions["truth"][predictions["fit"] == "held_out"])


def test_a_class_that_training_lacks_is_predicted_never():
    labels = LABELS.copy()
    labels[np.flatnonzero(ROLES == "test")[:12]] = "unknown to training"
    _, predictions = probe_classification(TP53, planted(), labels, Rows(PATIENTS, ROLES), fits=("split",))
    assert set(predictions["prediction"]) == {"mutant", "wild type"}
    assert np.stack(predictions["probability"])[:, 1].max() == 0


def test_a_benchmark_without_validation_cuts_it_from_train_and_has_one_fit():
    roles = np.where(ROLES == "val", "train", ROLES)
    images = np.array([f"image{number}.png" for number in range(160)], object)
    labels = np.array(["HP", "SSA"], object)[np.arange(160) % 2]
    scores, predictions = probe_classification(MHIST, planted(2.0), labels, Rows(images, roles), resamples=3)
    assert set(predictions["fit"]) == {"split"} and (predictions["patient"] == predictions["unit"]).all()
    spread = scores[scores["metric"] == "balanced_accuracy_sd"]
    assert spread["resamples"].item() == 3 and 0 <= spread["value"].item() < 0.2


def test_resampled_training_sets_give_the_expression_probe_an_sd():
    features, truth, sites, _ = expression()
    options = {"sites": sites, "permutations": 0, "fits": ("split",)}
    scores, predicted = probe_expression(EXPRESSION, features, truth, Rows(PATIENTS, ROLES), resamples=4, **options)
    value = scores.set_index("metric")["value"]
    assert 0 < value["mean_pearson_sd"] < 0.1
    again, plain = probe_expression(EXPRESSION, features, truth, Rows(PATIENTS, ROLES), **options)
    assert "mean_pearson_sd" not in set(again["metric"])
    np.testing.assert_array_equal(predicted.prediction, plain.prediction)


def test_one_class_in_training_is_refused():
    labels = np.where(ROLES == "train", "mutant", LABELS).astype(object)
    with pytest.raises(InputError, match="tp53 has fewer than two classes among its training rows"):
        probe_classification(TP53, planted(), labels, Rows(PATIENTS, ROLES))


def expression(seed: int = 0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(160, 12)).astype(np.float32)
    cancers = np.array(["BRCA", "KIRC"], object)[np.arange(160) % 2]
    truth = (features[:, :4] @ rng.normal(size=(4, 25)) + rng.normal(size=(160, 25)) + 2 * (cancers == "BRCA")[:, None]).astype(np.float32)
    features[:, 5] += cancers == "BRCA"
    sites = np.array([patient[5:7] for patient in PATIENTS], object)
    return features, truth, sites, cancers


def test_expression_is_scored_beside_its_baselines_and_within_cancer():
    features, truth, sites, cancers = expression()
    truth[ROLES == "test", 7] = 0.5
    scores, predicted = probe_expression(
        EXPRESSION, features, truth, Rows(PATIENTS, ROLES), sites=sites, cancers=cancers, split_hash="hash", permutations=99
    )
    value = scores.set_index(["fit", "metric"])["value"]
    assert min(value["split", "mean_pearson"], value["split", "within_cancer/mean_pearson"]) > 0.3
    assert value["split", "mean_pearson"] > value["split", "baseline_cancer_type/mean_pearson"] > 0.2
    assert value["split", "baseline_cohort_mean/mean_pearson"] == 0
    assert 0 < value["split", "genes_fdr_below_0.05"] <= 24
    assert value["held_out", "mean_pearson"] > 0.3
    assert scores[scores["headline"]].set_index("fit")["metric"].to_dict() == dict.fromkeys(
        ["split", "held_out"], "within_cancer/mean_pearson"
    )
    assert (scores["constant_genes"] == 1).all()
    assert predicted.prediction.shape == predicted.truth.shape == (120, 25)
    assert list(predicted.obs) == ["patient", "fold", "probe", "fit", "part", "site", "cancer"]
    assert predicted.obs.index.is_unique
    held_out = predicted.obs["fit"] == "held_out"
    assert set(predicted.obs["part"][held_out]) == set(range(5)) and set(predicted.obs["part"][~held_out]) == {0}


def test_the_same_patients_get_the_same_parts_whatever_the_features():
    features, truth, sites, cancers = expression()
    who, other = Rows(PATIENTS, ROLES), np.random.default_rng(9).normal(size=features.shape)
    parts = [
        probe_expression(EXPRESSION, x, truth, who, sites=sites, cancers=cancers, split_hash="h", permutations=0)[1].obs["part"]
        for x in (features, other)
    ]
    assert (parts[0] == parts[1]).all()


def test_expression_of_few_patients_has_no_score():
    features, truth, sites, cancers = expression()
    few = np.flatnonzero(ROLES != "test").tolist() + np.flatnonzero(ROLES == "test")[:9].tolist()
    scores, predicted = probe_expression(
        EXPRESSION, features[few], truth[few], Rows(PATIENTS[few], ROLES[few]), sites=sites[few], cancers=cancers[few]
    )
    assert scores["value"].isna().all() and scores["too_small"].all() and (scores["smallest_class"] == 9).all()
    assert set(predicted.obs["fit"]) == {"split"}
