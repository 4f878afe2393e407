"""Rows about the hospital: high where features hold it, chance where they do not, and baselines that see no image."""

import numpy as np
import pandas as pd
import pytest

from pathfm.probes.logistic import Logistic
from pathfm.probes.ridge import Ridge
from pathfm.tasks.confounds import ConfoundTask
from pathfm.tasks.registry import BESIDE, BY_NAME
from pathfm.tasks.task import SCORES, People, Probing

TASK = BESIDE[0]
COUNT = 240
SITES = np.array(["h0", "h1", "h2", "h3"])[np.arange(COUNT) // 2 % 4]
CANCERS = np.array(["BRCA", "LUAD"])[np.arange(COUNT) % 2]
ROLES = np.repeat(["train", "val", "test"], [60, 20, 160])
LOGISTIC = Probing([Logistic(grid=np.array([1.0, 100.0]))])


class Given:
    of_images = None

    def __init__(self, matrix):
        self.matrix = matrix.astype(np.float32)


def people(**columns):
    patients = [f"patient{number:03d}" for number in range(COUNT)]
    tp53 = np.where(CANCERS == "BRCA", "mutant", "wild type")
    table = {"patient": patients, "role": ROLES, "site": SITES, "cancer": CANCERS, "project": CANCERS, "tp53": tp53} | columns
    return People(pd.DataFrame(table), 0, "hash")


def features(of_site=0.0, of_cancer=0.0):
    matrix = np.random.default_rng(0).normal(size=(COUNT, 8))
    matrix[:, :4] += of_site * (SITES[:, None] == np.unique(SITES))
    matrix[:, 4] += of_cancer * (CANCERS == "BRCA")
    return Given(matrix)


def measured(given, who=None, probing=LOGISTIC):
    scores = TASK.run(given, who or people(), probing).scores
    return scores, scores[scores["task"] == "confounds"].set_index("metric")["value"]


def test_the_hospital_is_read_where_features_hold_it_and_not_where_they_hold_the_cancer_type_alone():
    _, stain = measured(features(of_site=6))
    _, biology = measured(features(of_cancer=6))
    for prefix in ("", "within_cancer/"):
        assert stain[f"{prefix}site/balanced_accuracy"] > 0.95
        assert stain[f"{prefix}site/chance"] == 0.25
        assert abs(biology[f"{prefix}site/balanced_accuracy"] - 0.25) < 0.12
    assert abs(stain["site/from_cancer_type"] - 0.25) < 0.05  # every hospital has as many of both types
    assert stain["robustness_index@11"] < 0.2 < stain["robustness_index/chance"] < 0.8 < 0.95 < biology["robustness_index@11"]
    assert stain["neighbours_accuracy@11"] < 0.7 < 0.85 < biology["neighbours_accuracy@11"]


def test_rows_are_those_of_the_format_none_is_a_headline_and_test_patients_alone_are_looked_at():
    given = features(of_site=2)
    scores, before = measured(given)
    assert list(scores) == SCORES and not scores["headline"].any() and (scores["n"] <= 160).all()
    given.matrix[ROLES != "test"] = 0
    pd.testing.assert_series_equal(measured(given)[1], before)


def test_codes_that_have_one_cancer_type_each_are_told_by_it_and_have_no_index():
    codes = np.char.add(CANCERS, (np.arange(COUNT) // 2 % 2).astype(str))
    _, values = measured(features(of_cancer=8), people(site=codes))
    assert values["site/chance"] == 0.25 and values["site/from_cancer_type"] == pytest.approx(0.5, abs=0.01)
    assert "robustness_index@11" not in values and values["within_cancer/site/chance"] == 0.5


def test_a_label_that_is_the_cancer_type_is_known_without_an_image_and_the_hospital_does_not_tell_it():
    scores, _ = measured(features())
    rows = scores[scores["task"] == "tp53"].set_index(["fit", "metric"])["value"]
    for fit in ("split", "held_out"):
        assert rows[fit, "baseline_cancer_type/balanced_accuracy"] == 1
        assert abs(rows[fit, "baseline_site/balanced_accuracy"] - 0.5) < 0.15
    assert set(scores.loc[scores["task"] == "cancer", "metric"]) == {"baseline_site/balanced_accuracy"}


def test_of_subtypes_that_are_cancer_types_nothing_is_said_from_the_cancer_type():
    cancers = np.array(["LUAD", "LUSC", "BRCA"])[np.arange(COUNT) % 3]
    lung = np.where(cancers == "BRCA", None, cancers)
    scores, _ = measured(features(), people(cancer=cancers, lung=lung, breast=np.where(cancers == "LUAD", "IDC", "ILC")))
    assert set(scores.loc[scores["task"] == "lung", "metric"]) == {"baseline_site/balanced_accuracy"}
    assert scores.loc[(scores["task"] == "breast") & scores["metric"].str.contains("cancer"), "value"].eq(1).all()


def test_of_hospitals_that_no_training_patient_is_of_nothing_is_known_on_the_split_and_all_among_test_patients():
    sites = np.where(ROLES == "test", np.char.add("t", SITES), SITES)
    tp53 = np.where(np.isin(SITES, ["h0", "h1"]), "mutant", "wild type")
    scores, _ = measured(features(), people(site=sites, tp53=tp53))
    rows = scores[(scores["task"] == "tp53") & (scores["metric"] == "baseline_site/balanced_accuracy")].set_index("fit")["value"]
    assert rows["split"] == 0.5 and rows["held_out"] == 1


def test_without_hospitals_or_a_probe_of_classes_there_is_nothing():
    assert TASK.run(features(), people(site=None), LOGISTIC) is None
    assert TASK.run(features(), people(), Probing([Ridge()])) is None
    assert isinstance(BY_NAME["confounds"], ConfoundTask)


def test_a_probe_that_can_read_the_stain_drops_as_the_type_goes_with_the_hospital_and_one_that_cannot_does_not():
    _, biology = measured(features(of_cancer=3))
    _, both = measured(features(of_site=3, of_cancer=1.5))
    assert biology["performance_drop/low"] <= biology["performance_drop"] <= biology["performance_drop/high"]
    assert abs(biology["performance_drop"]) < 0.08 and biology["performance_drop/accuracy"] > 0.7
    assert both["performance_drop/high"] < -0.05


def test_two_types_that_meet_in_two_hospitals_less_than_sixteen_times_have_no_drop():
    rare = np.where((CANCERS == "LUAD") & (np.arange(COUNT) % 3 > 0), None, SITES)
    assert "performance_drop" not in measured(features(), people(site=rare))[1]
