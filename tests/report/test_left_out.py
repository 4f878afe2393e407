"""Who has no part in a number, and what a reader is told of it."""

import numpy as np
import pandas as pd
import pytest

from pathfm.files import read_json, read_parquet, write_json, write_parquet
from pathfm.report.table import make_table
from pathfm.statistics.scores import balanced_accuracy
from tests.evaluation_folders import write_evaluation, write_runs

BASE = {"name": "base", "weight_hash": "a" * 64}


def cells(table, label):
    """The cells of a row of the split's fit by column."""
    return {row.label: dict(zip(table.columns, row.cells, strict=True)) for row in table.block("split")}[label]


def write_fold(root, fold, right):
    """A base and a run tuned from it, trained and scored on a fold."""
    base = {"name": f"base{fold}", "weight_hash": f"{fold}a" * 32}
    options = {"fold": fold, "right": right}
    return [
        write_evaluation(root / base["name"], "base", weight_hash=base["weight_hash"], recipe="views", **options),
        write_evaluation(root / f"direct{fold}", "direct", weight_hash=f"{fold}b" * 32, base=base, recipe="direct", **options),
    ]


def test_folds_are_joined_by_their_patients_and_a_class_may_be_large_enough_in_all_of_them_together(tmp_path):
    """Of lung eight of one class are scored in each fold: too few for each, enough for three; recalls are over all patients."""
    folds = [write_fold(tmp_path, fold, right) for fold, right in enumerate((0.9, 0.8, 0.7))]
    cell = cells(make_table([run for pair in folds for run in pair]), "direct")["lung"]
    assert cells(make_table(folds[0]), "direct")["lung"].few == 8
    rows = pd.concat([read_parquet(tuned / "predictions.parquet") for _, tuned in folds])
    rows = rows[(rows["task"] == "lung") & (rows["fit"] == "split")]
    assert cell.value == pytest.approx(100 * balanced_accuracy(rows["truth"].to_numpy(), rows["prediction"].to_numpy()))


def test_classes_and_hospitals_that_have_no_part_in_a_number_are_named(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    scores = read_parquet(base / "scores.parquet")
    split = scores["fit"] == "split"
    scores.loc[split & (scores["task"] == "cancer"), "left_out"] = "CHOL (4); DLBC (9)"
    unfitted = ~split & scores["task"].isin(["tp53", "expression"])
    scores.loc[unfitted, ["value", "sites", "parts"]] = [np.nan, 3, 0]
    write_parquet(scores, base / "scores.parquet")
    notes = [note.text for note in make_table([base]).notes]
    assert "split fit: cancer goes without classes of too few scored patients or hospitals: CHOL, DLBC" in notes
    few = "the scored patients come from 3 hospitals, parts of whole hospitals need 5"
    assert f"held-out fit: no number for TP53, expression, since {few}" in notes


def test_warnings_are_one_line_a_kind_the_important_first_and_pretraining_is_said(tmp_path):
    folders = write_runs(tmp_path)
    for folder, flags in zip(folders, ({"edge": 1}, {"edge": 1, "unconverged": 1}, {"edge": 1}), strict=True):
        scores = read_parquet(folder / "scores.parquet")
        write_parquet(scores.assign(**flags), folder / "scores.parquet")
        about = read_json(folder / "evaluation.json")
        about["seen_patients_allowed"] = folder.name == "contrastive"
        about["card"]["pretrained_on"] = ["TCGA", "GTEx"]
        if folder.name == "direct":
            about["card"]["weight_hash"] = about["card"]["base"]["weight_hash"]
        write_json(about, folder / "evaluation.json")
    notes = make_table(folders).notes
    warnings = [note.text for note in notes if note.kind == "warning"]
    kinds = ["patients that the encoder", "no step of training", "a probe did not converge", "a probe's setting was chosen at the edge"]
    assert len(warnings) == 4 and all(said.startswith(kind) for said, kind in zip(warnings, kinds, strict=True))
    assert warnings[0].endswith(": contrastive") and warnings[1].endswith(": direct") and "base and direct and contrastive (" in warnings[3]
    assert sum(note.text.startswith("pre-trained on slides of TCGA, GTEx, as its publisher says") for note in notes) == 1
