"""Several trainings of one recipe are one row of the table, and it is said what of its intervals is theirs."""

import csv
import io

import numpy as np
import pytest

from pathfm.files import read_json, read_parquet, write_json, write_parquet
from pathfm.report.evaluations import Evaluation
from pathfm.report.page import render
from pathfm.report.table import make_table
from pathfm.report.verdict import verdict
from tests.evaluation_folders import write_evaluation

BASE = {"name": "base", "weight_hash": "a" * 64}
RIGHTS = (0.85, 0.9, 0.95)


def cells(table, label, fit="split"):
    return {row.label: dict(zip(table.columns, row.cells, strict=True)) for row in table.block(fit)}[label]


def labels(table):
    return [row.label for row in table.block("split")]


def notes(table):
    return [str(note) for note in table.notes]


def write_base(root, **options):
    return write_evaluation(root / "base", "base", weight_hash=BASE["weight_hash"], **options)


def write_seeds(root, rights=RIGHTS, base=BASE):
    return [write_tuned(root / f"s{seed}", base, right, seed) for seed, right in enumerate(rights)]


def write_tuned(path, base, right, seed, fold=0):
    options = {"weight_hash": f"{fold}{seed}" * 32, "base": base, "right": right, "seed": seed, "fold": fold}
    return write_evaluation(path, "direct", recipe="direct", **options)


def write_bases(root, rights):
    """Trainings of one recipe, and what is said of each in the card of what was tuned from it."""
    bases = [{"name": f"base{seed}", "weight_hash": f"{seed}a" * 32} for seed in range(len(rights))]
    return bases, [
        write_evaluation(root / base["name"], "base", weight_hash=base["weight_hash"], right=right, recipe="views", seed=seed)
        for seed, (base, right) in enumerate(zip(bases, rights, strict=True))
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("seeds")
    folders = [write_base(root), *write_seeds(root)]
    for folder in folders:
        (folder / "embeddings.h5ad").unlink()  # their figures take seconds
    return folders


@pytest.fixture(scope="module")
def table(runs):
    return make_table(runs)


@pytest.fixture(scope="module")
def singles(runs):
    """A table of each training."""
    return [make_table([runs[0], run]) for run in runs[1:]]


def test_trainings_that_differ_in_their_seed_are_one_row_with_the_mean_of_their_scores(singles, table):
    assert labels(table) == ["base", "direct, 3 trainings", "direct, 3 trainings, Δ"]
    for column in ("TP53", "MHIST", "expression", "mean Δ"):
        for label in ("direct, 3 trainings", "direct, 3 trainings, Δ"):
            means = [cells(one, label.replace(", 3 trainings", ""))[column].value for one in singles]
            cell = cells(table, label)[column]
            assert cell.value is None if means[0] is None else cell.value == pytest.approx(np.mean(means))
    assert cells(table, "base")["TP53"] == cells(singles[0], "base")["TP53"]


def test_the_spread_between_trainings_widens_score_difference_mean_and_band(singles, table):
    for label in ("direct, 3 trainings", "direct, 3 trainings, Δ"):
        for column in ("TP53", "mean Δ") if "Δ" in label else ("TP53",):
            wide, narrow = cells(table, label)[column], cells(singles[1], label.replace(", 3 trainings", ""))[column]
            assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)
            assert wide.band is None or wide.band[0] <= wide.low and wide.high <= wide.band[1]


def test_the_table_says_what_of_the_variance_is_the_trainings(table):
    limits = next(one for one in table.limits_of("split") if one.approach == "direct, 3 trainings")
    column = table.columns.index("TP53")
    assert 0 < limits.trainings[column] < 100 and limits.trainings[table.columns.index("expression")] == pytest.approx(0, abs=1e-6)
    said = f"{100 - limits.trainings[column]:.0f} / {limits.trainings[column]:.0f} %"
    line = next(line for line in table.to_markdown().splitlines() if "of the variance, patients / trainings" in line)
    assert said in line and "100 / 0 %" in line
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert {row["trainings"] for row in rows if row["kind"] == "delta"} == {"3"}
    assert float(next(row for row in rows if row["kind"] == "trainings")["TP53"]) == pytest.approx(limits.trainings[column], abs=1e-3)


def test_one_training_is_called_one_and_its_gain_its_own(singles, table):
    one = singles[0]
    said = "one training: the spread between trainings is not in the interval: s0"
    assert said in notes(one) and not any("one training:" in note for note in notes(table))
    assert "the mean over 3 trainings of one recipe, s0, s1, s2: its intervals hold patients and 3 trainings" in notes(table)
    assert verdict(one)[-1].endswith("a gain of this one training.")
    assert "patients / trainings" not in one.to_markdown() + one.to_latex()


def test_the_word_of_several_trainings_is_a_gain(tmp_path):
    close = make_table([write_base(tmp_path), *write_seeds(tmp_path, (0.94, 0.95, 0.94))])
    assert verdict(close)[-1].endswith(": a gain.")


def test_each_training_is_compared_with_its_own_base(tmp_path):
    bases, runs = write_bases(tmp_path, (0.6, 0.7))
    runs += [write_tuned(tmp_path / f"direct{seed}", base, (0.8, 0.9)[seed], seed) for seed, base in enumerate(bases)]
    table = make_table(runs)
    assert labels(table) == ["base, 2 trainings", "direct, 2 trainings", "direct, 2 trainings, Δ"]
    limits = table.limits_of("split")[0]
    assert limits.trainings[table.columns.index("MHIST")] == pytest.approx(0, abs=0.1)  # both gain the same
    score = cells(table, "direct, 2 trainings")["MHIST"]
    assert score.low < 50 and score.high > 95  # but their scores differ, and are two


def test_what_was_tuned_from_one_of_several_bases_is_compared_with_that(tmp_path):
    bases, runs = write_bases(tmp_path, (0.6, 0.7))
    table = make_table([*runs, *write_seeds(tmp_path, (0.8, 0.9), bases[0])])
    assert labels(table) == ["base, 2 trainings", "direct, 2 trainings", "direct, 2 trainings, Δ"]
    delta = cells(table, "direct, 2 trainings, Δ")["MHIST"].value
    assert delta == pytest.approx(cells(table, "direct, 2 trainings")["MHIST"].value - 60)
    assert cells(table, "base, 2 trainings")["MHIST"].value == pytest.approx(65)
    assert "s0, s1: the difference is to what it was tuned from, base0; the base's own row is over base0, base1" in notes(table)


def test_folds_of_a_seed_are_joined_first_and_then_seeds(tmp_path):
    runs = []
    for fold in (0, 1):
        base = {"name": f"base-{fold}", "weight_hash": f"{fold}a" * 32}
        runs.append(write_evaluation(tmp_path / base["name"], "base", weight_hash=base["weight_hash"], fold=fold, recipe="views"))
        runs += [write_tuned(tmp_path / f"direct-{fold}-{seed}", base, (0.8, 0.9)[seed], seed, fold) for seed in (0, 1)]
    table = make_table(runs)
    assert labels(table) == ["base", "direct, 2 trainings", "direct, 2 trainings, Δ"]
    assert cells(table, "direct, 2 trainings")["MHIST"].value == pytest.approx(85)
    without = make_table(runs[:-1])  # the second seed lacks a fold
    apart = "warning, trainings of one recipe that are rows of their own: direct-0-1 (their folds"
    assert len(labels(without)) == 5 and any(note.startswith(apart) for note in notes(without))


def test_one_seed_twice_another_recipe_and_another_pairing_stay_apart(tmp_path):
    base, first, second = write_base(tmp_path), *write_seeds(tmp_path, (0.8, 0.9))
    about = read_json(second / "evaluation.json")
    for change in ({"seed": 0}, {"recipe_hash": "other"}, {"pairing": "permuted"}):
        write_json(about | {"card": about["card"] | change}, second / "evaluation.json")
        assert len(labels(make_table([base, first, second]))) == 5


def test_a_task_that_one_training_lacks_has_no_mean(tmp_path):
    runs = [write_base(tmp_path), *write_seeds(tmp_path, (0.8, 0.9))]
    for name in ("scores.parquet", "predictions.parquet"):
        rows = read_parquet(runs[2] / name)
        write_parquet(rows[rows["task"] != "tp53"], runs[2] / name)
    table = make_table(runs)
    assert cells(table, "direct, 2 trainings, Δ")["TP53"].text == "–" and cells(table, "direct, 2 trainings, Δ")["MHIST"].value
    assert any(note.endswith("was evaluated on a task, which it goes without: s0, s1 (TP53)") for note in notes(table))


def test_the_page_shows_the_row_the_trainings_and_the_parts(runs, table):
    page = render(table, [Evaluation.read(run) for run in runs])
    assert "direct, 3 trainings" in page and "of the variance, patients / trainings" in page
    assert all(f"direct: s{seed}" in page for seed in range(3))
