"""The panel beside the table and the rows of floors: shown where their rows exist, escaped, and marked where a base lies no higher."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet, write_json, write_parquet
from pathfm.report import robustness
from pathfm.report.beside import beside
from pathfm.report.evaluations import Evaluation, over_folds, paired
from pathfm.report.page import named, render
from pathfm.report.robustness import clustering, likeness
from pathfm.report.table import make_table
from pathfm.statistics.retrieval import MEASURES
from tests.evaluation_folders import write_evaluation, write_runs

BASE = "a" * 64


def floor(root, kind, under=BASE, **options):
    """An evaluation of a floor, as `--config.floor` leaves it."""
    name = {"random": "floor: random weights", "colour": "floor: colour"}[kind]
    folder = write_evaluation(root, name, weight_hash=("e" if kind == "random" else "f") * 64, name=name, **options)
    about = read_json(folder / "evaluation.json") | {"floor": {"kind": kind, "under": under}}
    write_json(about, folder / "evaluation.json")
    return folder


def with_rows(folder, task, values, **facts):
    """The evaluation with further rows of scores, none a headline."""
    scores = read_parquet(folder / "scores.parquet")
    rows = pd.DataFrame({"metric": list(values), "value": list(values.values())})
    known = {"task": task, "column": task, "probe": "logistic", "fit": "held_out", "fold": 0, "headline": False, "n": 90, "setting": ""}
    counts = dict.fromkeys(["smallest_class", "parts", "edge", "unconverged", "constant_genes", "resamples"], 0)
    rows = rows.assign(**known | counts | {"chosen": np.nan, "too_small": False} | facts)
    write_parquet(pd.concat([scores, rows[[name for name in scores if name in rows]]], ignore_index=True), folder / "scores.parquet")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    folders = write_runs(root)
    values = {"site/balanced_accuracy": 0.612, "site/chance": 0.167, "site/from_cancer_type": 0.2, "robustness_index/chance": 0.5}
    for folder, best in zip(folders, (3, 5, 21), strict=True):
        accuracies = {f"neighbours_accuracy@{k}": 0.9 if k == best else 0.6 for k in (3, 5, 21)}
        indices = {f"robustness_index@{k}": 0.6 + k / 100 for k in (3, 5, 21)}
        with_rows(folder, "confounds", values | accuracies | indices)
    with_rows(folders[0], "confounds", {"performance_drop": -0.081, "performance_drop/low": -0.12, "performance_drop/high": -0.04})
    with_rows(folders[0], "confounds", {"performance_drop/accuracy": 0.84})
    with_rows(folders[0], "tp53", {"baseline_cancer_type/balanced_accuracy": 0.738, "baseline_site/balanced_accuracy": 0.5}, column="TP53")
    found = {f"image_to/{prefix}{name}": 0.25 for prefix in ("", "chance/") for name in MEASURES}
    with_rows(folders[2], "retrieval", found, probe="cosine", column="contrastive", fit="split")
    return folders, [floor(root / "random", "random", right=0.4), floor(root / "colour", "colour", right=0.65)]


def panel(folders):
    pairs = over_folds(paired(list(map(Evaluation.read, folders))))
    return {table["title"]: {row["name"]: row["values"] for row in table["rows"]} for table in beside(pairs, named(pairs))}


def test_the_panel_shows_each_value_with_its_chance_and_no_table_without_rows(runs):
    tables = panel(runs[0])
    hospitals = tables["What the features say of the hospital"]
    assert hospitals["base"][:5] == ["61.2 (16.7)", "20.0", "–", "0.65 (0.50)", "−8.1 [−12.0, −4.0] of 84.0"]
    assert tables["The hospital, before and after tuning"] == {name: ["61.2 → 61.2 (16.7)", "–"] for name in ("direct", "contrastive")}
    assert hospitals["direct"][3] == "0.65 (0.50)" and hospitals["direct"][4] == "–"  # all at the median of 3, 5 and 21 neighbours
    assert tables["What needs no image"] == {"TP53, from other test patients": ["73.8", "50.0"]}
    assert tables["Image ↔ vector"]["contrastive, image → vector"][0] == "25.0 (25.0)"
    assert set(tables["How far tuning has moved the features"]) == {"direct", "contrastive"}
    assert "Image ↔ vector" not in panel(runs[0][:2])


def test_rows_that_are_no_headline_are_no_column_and_the_page_escapes_them(runs, tmp_path):
    assert not {"confounds", "retrieval"} & set(make_table(runs[0]).columns)
    two = write_runs(tmp_path)[:2]
    for folder in two:  # figures take long
        (folder / "embeddings.h5ad").unlink()
        (folder / "training_metrics.jsonl").unlink()
    with_rows(
        two[1], "retrieval", {"image_to/recall@1": 0.5, "image_to/chance/recall@1": 0.1}, probe="cosine", column="a<script>", fit="split"
    )
    with_rows(two[1], "retrieval", {"image_to/recall@1": 0.5, "image_to/chance/recall@1": 0.1}, probe="cosine", column="other", fit="split")
    page = render(make_table(two), list(map(Evaluation.read, two)))
    assert "a&lt;script&gt;" in page and "a<script>" not in page


def test_floors_are_rows_of_the_table_and_a_base_no_higher_than_one_is_marked(runs):
    folders, floors = runs
    table = make_table([*folders, *floors])
    labels = [row.label for row in table.block("split") if row.kind == "base"]
    assert labels == ["base", "floor: random weights", "floor: colour"]
    base = next(row for row in table.block("split") if row.label == "base")
    marks = dict(zip(table.columns, (cell.at_floor for cell in base.cells), strict=True))
    assert marks["TP53"] and marks["cancer"]  # colour is right on the very same patients
    assert not any(cell.at_floor for row in table.rows if row.label != "base" for cell in row.cells)
    assert "§: a base's score" in table.to_markdown() and r"\S{}" in table.to_latex()
    assert not any(cell.at_floor for row in make_table([*folders, floors[0]]).block("split") for cell in row.cells[4:6])


def test_of_several_floors_each_says_under_what_it_lies_and_a_base_with_two_gene_panels_has_its_own(runs, tmp_path):
    folders, floors = runs
    other = write_evaluation(tmp_path / "other", "base", weight_hash="9" * 64, name="other")
    both = make_table([*folders, other, floors[1], floor(tmp_path / "under", "colour", under="9" * 64)])
    assert [row.label for row in both.block("split") if "floor" in row.label] == ["floor: colour, under base", "floor: colour, under other"]
    again = write_evaluation(tmp_path / "again", "base", weight_hash=BASE, name="base")
    about = read_json(again / "evaluation.json") | {"panel_hash": "7" * 64}
    write_json(about, again / "evaluation.json")
    table = make_table([*folders, again, floors[1]])
    marked = [any(cell.at_floor for cell in row.cells) for row in table.block("split") if row.label.startswith("base")]
    assert marked == [True, False]


def test_a_floor_of_another_base_marks_nothing_and_one_of_another_split_is_refused(runs, tmp_path):
    other = floor(tmp_path / "other", "colour", under="9" * 64)
    assert not any(cell.at_floor for row in make_table([*runs[0], other]).rows for cell in row.cells)
    with pytest.raises(InputError, match="splits differ"):
        make_table([*runs[0], floor(tmp_path / "split", "colour", split_hash="6" * 64)])


def with_hospitals(run, sites, target):
    """The evaluation with other hospitals of its patients, in a folder of its own."""
    folder = shutil.copytree(run, target)
    table = anndata.read_h5ad(folder / "embeddings.h5ad")
    table.obs["site"] = sites(table.obs["cancer"].to_numpy(str), np.arange(len(table)))
    table.write_h5ad(folder / "embeddings.h5ad")
    return Evaluation.read(folder)


def test_the_clustering_score_is_high_for_clouds_by_cancer_type_and_low_for_clouds_by_hospital(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(robustness, "MOST_CLUSTERS", 6)
    monkeypatch.setattr(robustness, "TRIALS", 2)
    run = runs[0][0]  # its embeddings are three clouds by cancer type
    assert clustering(Evaluation.read(run)) is None  # each hospital has one type
    assert clustering(with_hospitals(run, lambda cancers, number: np.array(["h", "i"])[number // 3 % 2], tmp_path / "types")) > 0.9
    crossed = with_hospitals(run, lambda cancers, number: cancers, tmp_path / "hospitals")
    table = anndata.read_h5ad(crossed.files.embeddings)
    table.obs["cancer"] = np.array(["A", "B"])[np.arange(len(table)) // 3 % 2]
    table.write_h5ad(crossed.files.embeddings)
    assert clustering(crossed) < -0.9


def test_a_base_is_like_itself(runs):
    base, direct = (Evaluation.read(folder) for folder in runs[0][:2])
    cka, overlap, chance = likeness(base, base)
    assert cka == pytest.approx(1) and overlap == 1
    assert likeness(base, direct)[1] < 1 and chance == pytest.approx(10 / 89)
