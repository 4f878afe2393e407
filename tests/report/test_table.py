"""The table of base against tuned, from evaluation folders alone."""

import csv
import io
import json

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pathfm.errors import InputError
from pathfm.files import read_parquet, write_parquet
from pathfm.report.table import make_table
from pathfm.statistics.correlation import pearson
from tests.evaluation_folders import write_evaluation, write_runs

EXPRESSION = ("expression", "expression, raw", "expression, within site")
BASE = {"name": "base", "weight_hash": "a" * 64}


def rows_of(table, fit="split"):
    return {row.label: dict(zip(table.columns, row.cells, strict=True)) for row in table.block(fit)}


def change(folder, **values):
    path = folder / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def table(runs):
    return make_table(runs)


def test_a_shared_base_is_printed_once_and_each_approach_has_its_difference(table):
    for fit in ("split", "held_out"):
        assert [row.label for row in table.block(fit)] == ["base", "direct", "direct, Δ", "contrastive", "contrastive, Δ"]


def test_the_columns_are_the_posters_and_missing_ones_a_dash(table):
    assert table.columns == (
        "BACH",
        "PCam",
        "MHIST",
        "CRC MSI",
        "cancer",
        "TP53",
        "breast",
        "kidney",
        "lung",
        EXPRESSION[0],
        "mean Δ",
        *EXPRESSION[1:],
    )
    rows = rows_of(table)
    assert rows["direct"]["BACH"].text == rows["direct, Δ"]["kidney"].text == rows["direct"]["mean Δ"].text == "–"
    assert rows["base"]["lung"].text == rows["direct, Δ"]["lung"].text == "n too small (8)"


def test_values_are_those_of_the_scores_and_differences_their_difference(runs, table):
    rows = rows_of(table)
    for label, folder in zip(("base", "direct"), runs, strict=False):
        scores = read_parquet(folder / "scores.parquet")
        scores = scores[scores["fit"] == "split"].set_index(["task", "metric"])
        headline = scores[scores["headline"]].reset_index("metric")["value"]
        for task, column in (("cancer", "cancer"), ("mhist", "MHIST"), ("expression", "expression")):
            assert rows[label][column].value == pytest.approx(100 * headline[task], abs=1e-4)
        raw = scores.loc[("expression", "mean_pearson"), "value"]
        assert rows[label]["expression, raw"].value == pytest.approx(100 * raw, abs=1e-4) != rows[label]["expression"].value
    delta = rows["direct, Δ"]
    there = [column for column in table.columns[:10] if delta[column].value is not None]
    for column in [*there, *EXPRESSION[1:]]:
        assert delta[column].value == pytest.approx(rows["direct"][column].value - rows["base"][column].value)
        assert delta[column].low <= delta[column].value <= delta[column].high
    assert delta["mean Δ"].value == pytest.approx(np.mean([delta[column].value for column in there]))
    assert len(there) == 5


def test_where_no_prediction_changed_it_is_said_and_the_interval_is_not_a_point(runs, tmp_path):
    same = write_evaluation(tmp_path / "same", "direct", weight_hash="3" * 64, base=BASE)
    table = make_table([runs[0], same])
    delta = rows_of(table)["direct, Δ"]
    for column in ("cancer", "TP53", "MHIST", "mean Δ"):
        assert delta[column].unchanged and delta[column].value == 0 and not delta[column].arrow
        assert delta[column].low < 0 < delta[column].high == pytest.approx(-delta[column].low)
    line = next(line for line in table.to_markdown().splitlines() if line.startswith("| direct, Δ"))
    assert "| no prediction changed [−" in line and "| no prediction changed |" in line  # classes, and expression, which has no floor
    assert "0.0 [0.0, 0.0]" not in table.to_markdown() + table.to_latex()
    assert rows_of(table)["direct"]["cancer"].unchanged is False


def test_changes_that_cancel_out_or_change_no_right_answer_are_changes(runs, tmp_path):
    same = write_evaluation(tmp_path / "same", "direct", weight_hash="3" * 64, base=BASE)
    rows = read_parquet(same / "predictions.parquet")
    of_cancer = rows[(rows["task"] == "cancer") & (rows["fit"] == "split") & (rows["truth"] != rows["prediction"])]
    first = of_cancer.index[0]
    third = {"BRCA", "KIRC", "LUAD"} - {rows.loc[first, "truth"], rows.loc[first, "prediction"]}
    rows.loc[first, "prediction"] = third.pop()  # as wrong as before
    write_parquet(rows, same / "predictions.parquet")
    cell = rows_of(make_table([runs[0], same]))["direct, Δ"]["cancer"]
    assert cell.value == 0 and not cell.unchanged and cell.low < 0 < cell.high


def test_a_score_of_nothing_right_is_a_score(tmp_path):
    table = make_table([write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64, right=0.0)])
    line = next(line for line in table.to_markdown().splitlines() if line.startswith("| base"))
    assert "| 0.0 [0.0, " in line and "changed" not in line


def test_weights_that_training_left_as_they_were_are_called_that(runs, tmp_path):
    same = write_evaluation(tmp_path / "same", "direct", weight_hash=BASE["weight_hash"], base=BASE)
    table = make_table([runs[0], same])
    assert [row.label for row in table.block("split")][1:] == ["direct (the weights of its base)", "direct (the weights of its base), Δ"]
    said = [note.text for note in table.notes if note.text.startswith("no step of training was better than its start")]
    assert len(said) == 1 and said[0].endswith(": same")


def test_the_unit_is_the_site_where_it_is_known_else_the_patient_else_the_image(runs, tmp_path):
    cells = rows_of(make_table(runs))["direct, Δ"]
    assert cells["TP53"].unit == "6 sites, worth 6.0 equal ones" and cells["MHIST"].unit == "90 images, worth 90.0 equal ones"
    earlier = write_runs(tmp_path)
    for folder in earlier:
        rows = read_parquet(folder / "predictions.parquet")
        write_parquet(rows.drop(columns="site"), folder / "predictions.parquet")
        table = anndata.read_h5ad(folder / "expression_predictions.h5ad")
        table.obs["site"] = ""
        table.write_h5ad(folder / "expression_predictions.h5ad")
    table = make_table(earlier)
    without = rows_of(table)["direct, Δ"]
    assert without["TP53"].unit == without["expression"].unit == "90 patients, worth 90.0 equal ones"
    assert without["TP53"].value == pytest.approx(cells["TP53"].value)
    assert any(note.text == "unit of the intervals of MHIST: 90 images, worth 90.0 equal ones" for note in table.notes)


def test_the_score_of_many_models_is_of_the_share_of_them_that_are_right(runs, tmp_path):
    """The rows say it (`right`), and not their prediction; a share that changed is a change."""
    shared = write_evaluation(tmp_path / "shared", "direct", weight_hash="3" * 64, base=BASE)
    rows = read_parquet(runs[0] / "predictions.parquet").assign(right=lambda table: (table["truth"] == table["prediction"]).astype(float))
    rows.loc[rows["task"] == "mhist", "right"] = np.linspace(0.2, 0.8, (rows["task"] == "mhist").sum())
    write_parquet(rows, shared / "predictions.parquet")
    table = rows_of(make_table([runs[0], shared]))
    expected = 100 * rows[(rows["task"] == "mhist") & (rows["fit"] == "split")].groupby("truth")["right"].mean().mean()
    cell, before, change = table["direct"]["MHIST"], table["base"]["MHIST"], table["direct, Δ"]["MHIST"]
    assert cell.value == pytest.approx(expected) and cell.low < cell.value < cell.high
    assert change.value == pytest.approx(expected - before.value) and not change.unchanged
    assert table["direct, Δ"]["TP53"].unchanged


def test_one_changed_patient_draws_no_arrow(runs, tmp_path):
    """The Bayesian bootstrap gave one: none of its weights is ever zero."""
    one = write_evaluation(tmp_path / "one", "direct", weight_hash="3" * 64, base=BASE)
    rows = read_parquet(one / "predictions.parquet")
    wrong = rows.index[(rows["task"] == "mhist") & (rows["truth"] != rows["prediction"])][0]
    rows.loc[wrong, "prediction"] = rows.loc[wrong, "truth"]
    write_parquet(rows, one / "predictions.parquet")
    cell = rows_of(make_table([runs[0], one]))["direct, Δ"]["MHIST"]
    assert cell.value == pytest.approx(100 / 90) and cell.low < 0 and not cell.arrow and not cell.unchanged


def test_limits_stand_below_each_block_and_shrink_with_the_interval(table):
    limits = {one.approach: one for one in table.limits_of("split")}
    column = table.columns.index("TP53")
    cell = rows_of(table)["direct, Δ"]["TP53"]
    t = stats.t(5)
    error = (cell.high - cell.value) / 100 / t.ppf(0.975)
    assert limits["direct"].detectable[column] == pytest.approx(100 * error * (t.ppf(0.975) + t.ppf(0.8)), rel=1e-3)
    assert limits["direct"].needed[column] == pytest.approx(90 * limits["direct"].detectable[column] ** 2)
    assert limits["direct"].excluded[column] == 0  # a gain
    other = rows_of(table)["contrastive, Δ"]["TP53"]
    assert limits["contrastive"].excluded[column] == pytest.approx(-other.low)
    assert table.to_markdown().count("smallest Δ it would show") == 4 and "patients to show 1 point" in table.to_latex()


def test_changes_that_do_not_help_have_an_interval_around_zero(table):
    delta = rows_of(table)["contrastive, Δ"]
    assert delta["cancer"].low < 0 < delta["cancer"].high


def test_a_paired_interval_is_narrower_than_that_of_either_score(table):
    rows = rows_of(table)
    width = {label: rows[label]["expression"].high - rows[label]["expression"].low for label in ("base", "direct, Δ")}
    assert width["direct, Δ"] < width["base"]


def test_a_second_fold_of_the_same_patients_leaves_the_score_as_it_was(runs, tmp_path):
    folder = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    for name in ("scores", "predictions"):
        rows = read_parquet(folder / f"{name}.parquet")
        write_parquet(pd.concat([rows, rows.assign(fold=1)]), folder / f"{name}.parquet")
    cells = rows_of(make_table([folder]))["base"]
    assert cells["cancer"].value == pytest.approx(rows_of(make_table([runs[0]]))["base"]["cancer"].value)


def write_fold(root, fold, tuned="direct", first_gene=0, **options):
    """A base and a tuned run of one recipe, trained and scored on a fold."""
    base = {"name": f"base{fold}", "weight_hash": f"{fold}a" * 32}
    return [
        write_evaluation(root / f"base{fold}", "base", weight_hash=base["weight_hash"], recipe="views", fold=fold, first_gene=first_gene),
        write_evaluation(
            root / f"{tuned}{fold}",
            tuned,
            weight_hash=f"{fold}b" * 32,
            base=base,
            recipe=tuned,
            fold=fold,
            first_gene=first_gene,
            **options,
        ),
    ]


def test_trainings_that_differ_in_their_fold_alone_share_a_row(tmp_path):
    folds = [write_fold(tmp_path, fold, right=right, noise=1.0) for fold, right in ((0, 0.9), (1, 0.8), (2, 0.7))]
    table = make_table([run for pair in folds for run in reversed(pair)])
    assert [row.label for row in table.block("split")] == ["base", "direct", "direct, Δ"]
    alone = [rows_of(make_table(pair)) for pair in folds]
    joined = rows_of(table)
    for row in ("base", "direct", "direct, Δ"):
        for column in ("cancer", "TP53", "MHIST"):
            assert joined[row][column].value == pytest.approx(np.mean([one[row][column].value for one in alone]))
    r = np.stack([gene_scores(pair[1]) for pair in folds])
    assert joined["direct"]["expression, raw"].value == pytest.approx(100 * np.tanh(np.arctanh(r).mean(axis=0)).mean(), abs=1e-3)
    width = [one["direct, Δ"]["TP53"].high - one["direct, Δ"]["TP53"].low for one in (joined, alone[0])]
    assert width[0] < 0.8 * width[1]  # three times the patients
    assert any("direct0 stands for the folds 0, 1, 2" in note.text for note in table.notes)


def gene_scores(folder):
    """Pearson per gene of the split fit."""
    table = anndata.read_h5ad(folder / "expression_predictions.h5ad")
    rows = (table.obs["fit"] == "split").to_numpy()
    return pearson(np.asarray(table.X)[rows], np.asarray(table.layers["truth"])[rows])


def test_a_gene_counts_in_the_folds_whose_panel_has_it(tmp_path):
    folds = [write_fold(tmp_path, fold, first_gene=10 * fold, noise=1.0 + fold) for fold in range(2)]
    first, second = (gene_scores(pair[1]) for pair in folds)
    both = np.tanh((np.arctanh(first[10:]) + np.arctanh(second[:20])) / 2)
    cell = rows_of(make_table([run for pair in folds for run in pair]))["direct"]["expression, raw"]
    assert cell.value == pytest.approx(100 * np.concatenate([first[:10], both, second[20:]]).mean(), abs=1e-3)
    assert cell.low < cell.value < cell.high


def test_a_fold_that_only_the_base_has_takes_no_part_in_the_difference(tmp_path):
    folds = [write_fold(tmp_path, fold, right=0.9) for fold in range(3)]
    whole = make_table([run for pair in folds for run in pair])
    less = make_table([folds[0][0], folds[1][0], folds[2][0], folds[0][1], folds[1][1]])
    two = make_table([run for pair in folds[:2] for run in pair])
    assert rows_of(less)["base"] == rows_of(whole)["base"]
    assert rows_of(less)["direct, Δ"] == rows_of(two)["direct, Δ"]
    assert any(
        str(note).startswith("warning, the difference is to the base on the same folds") and "direct0" in note.text for note in less.notes
    )


def test_two_seeds_on_one_fold_stay_two_rows(tmp_path):
    first = write_fold(tmp_path / "a", 0)
    again = write_evaluation(
        tmp_path / "again", "direct", weight_hash="e" * 64, base={"name": "base0", "weight_hash": "0a" * 32}, recipe="direct"
    )
    labels = [row.label for row in make_table([*first, again]).block("split")]
    assert labels == ["base", "direct: direct0", "direct: direct0, Δ", "direct: again", "direct: again, Δ"]


def test_a_gain_in_one_fit_only_is_flagged(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE, right=0.95, held_out_right=0.65)
    table = make_table([base, tuned])
    for fit in ("split", "held_out"):
        cells = rows_of(table, fit)["direct, Δ"]
        assert cells["TP53"].one_sided and not cells["MHIST"].one_sided and not cells["expression"].one_sided
    assert "†" in table.to_markdown()
    assert any("in one of the two fits only" in note.text for note in table.notes)


def test_notes_tell_the_unit_the_smoke_and_the_edges(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"], smoke=True)
    scores = read_parquet(base / "scores.parquet")
    scores.loc[scores["task"] == "tp53", "edge"] = 1
    write_parquet(scores, base / "scores.parquet")
    table = make_table([base])
    notes = list(map(str, table.notes))
    assert table.smoke and notes[0].startswith("SMOKE")
    assert "unit of the intervals of MHIST: 90 images, worth 90.0 equal ones" in notes
    assert any("edge of the grid" in note and note.endswith("base (held-out fit: TP53; split fit: TP53)") for note in notes)


def test_each_approach_stands_below_its_own_base(tmp_path):
    other = {"name": "another base", "weight_hash": "c" * 64}
    folders = [
        write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE),
        write_evaluation(tmp_path / "contrastive", "contrastive", weight_hash="2" * 64, base=other),
        write_evaluation(tmp_path / "b2", "base", weight_hash=other["weight_hash"], name=other["name"]),
        write_evaluation(tmp_path / "b1", "base", weight_hash=BASE["weight_hash"], name=BASE["name"]),
    ]
    labels = [row.label for row in make_table(folders).block("split")]
    assert labels == ["base: base", "direct", "direct, Δ", "base: another base", "contrastive", "contrastive, Δ"]


def test_other_patients_expression_is_named_as_such(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    tuned = write_evaluation(tmp_path / "null", "direct", weight_hash="1" * 64, base=BASE)
    about = json.loads((tuned / "evaluation.json").read_text())
    change(tuned, card=about["card"] | {"pairing": "permuted_in_site"})
    assert "direct (permuted in site), Δ" in rows_of(make_table([base, tuned]))


@pytest.mark.parametrize(
    ("values", "reason"),
    [({"split_hash": "6" * 64}, "splits differ"), ({"panel_hash": "e" * 64}, "gene panels differ"), ({"folds": [1]}, "folds differ")],
)
def test_runs_of_different_splits_panels_or_folds_are_not_compared(tmp_path, values, reason):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE)
    change(base, **values)
    with pytest.raises(InputError, match=f"cannot be compared: their {reason}"):
        make_table([base, tuned])


def test_runs_on_different_units_are_not_compared(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"], test=84)
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE, test=90)
    with pytest.raises(InputError, match=r"units or labels differ in the task breast \(held-out fit, fold 0\)"):
        make_table([base, tuned])


def test_the_base_evaluation_with_the_same_panel_is_chosen(tmp_path):
    bases = [
        write_evaluation(tmp_path / name, "base", weight_hash=BASE["weight_hash"], right=right) for name, right in (("x", 0.5), ("y", 0.7))
    ]
    change(bases[0], panel_hash="e" * 64)
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE, right=0.7)
    table = make_table([*bases, tuned])
    assert rows_of(table)["direct, Δ"]["cancer"].value == 0
    assert "base: x" in rows_of(table)


def test_a_missing_base_or_folder_is_named(tmp_path):
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE)
    with pytest.raises(InputError, match="was tuned from 'base', whose evaluation is not given"):
        make_table([tuned])
    with pytest.raises(InputError, match="is not a finished evaluation"):
        make_table([tmp_path])
    with pytest.raises(InputError, match="no evaluation is given"):
        make_table([])
    (tuned / "expression_predictions.h5ad").write_bytes(b"broken")
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        make_table([base, tuned])


def test_texts_show_value_interval_and_sign(table):
    line = next(line for line in table.to_markdown().splitlines() if line.startswith("| direct, Δ"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == 14 and cells[1] == "–" and cells[9] == "n too small (8)"
    assert cells[6].startswith("+31.") and "[+" in cells[6]
    latex = table.to_latex()
    assert r"\begin{tabular}{lrrrrrrrrrrrrr}" in latex and r"direct, $\Delta$" in latex and "–" not in latex.split(r"\par")[0]


def test_csv_holds_plain_numbers(table):
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [row["kind"] for row in rows].count("delta") == 4 and len(rows) == 10 + 3 * 4
    assert rows[2]["up"] == "MHIST; cancer; TP53; breast; expression; mean Δ; expression, raw; expression, within site"
    assert rows[-3]["kind"] == "detectable" and float(rows[-3]["TP53"]) > 0 and rows[-3]["BACH"] == ""
    assert float(rows[2]["TP53"]) == pytest.approx(rows_of(table)["direct, Δ"]["TP53"].value, abs=1e-4)
    assert rows[0]["BACH"] == "–" and rows[0]["lung"] == "n too small (8)"


def test_names_cannot_break_out_of_a_table(tmp_path):
    name = '=cmd|"x" <script> & 50%_$ ]\\'
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"], name=name)
    other = write_evaluation(tmp_path / "other", "base", weight_hash="b" * 64, name="@other")
    table = make_table([base, other])
    markdown = table.to_markdown()
    assert "<script>" not in markdown and r"\|" in markdown
    heads = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(line.replace(r"\|", "").split("|")) for line in heads}) == 1
    assert r"50\%\_\$ {]}\textbackslash{}" in table.to_latex()
    runs = [row["run"] for row in csv.DictReader(io.StringIO(table.to_csv()))]
    assert runs[:2] == ["'" + name, "'@other"]


def test_a_score_whose_probe_did_not_converge_is_marked_wherever_it_enters(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE)
    scores = read_parquet(base / "scores.parquet")
    scores.loc[(scores["task"] == "tp53") & (scores["fit"] == "held_out"), "unconverged"] = 2
    write_parquet(scores, base / "scores.parquet")
    table = make_table([base, tuned])
    held_out, split = rows_of(table, "held_out"), rows_of(table, "split")
    marked = {(label, column) for label, cells in held_out.items() for column, cell in cells.items() if cell.unconverged}
    assert marked == {("base", "TP53"), ("direct, Δ", "TP53"), ("direct, Δ", "mean Δ")}
    assert not any(cell.unconverged for cells in split.values() for cell in cells.values())
    notes = list(map(str, table.notes))
    assert "warning, a probe did not converge: base (held-out fit: TP53)" in notes
    assert any(note.startswith("‡: a probe of that score did not converge") for note in notes)
    assert table.to_markdown().count("] ‡ |") == 3 and table.to_latex().count(r"{]} $^\ddagger$") == 3
    marks = {(row["fit"], row["kind"]): row["not converged"] for row in csv.DictReader(io.StringIO(table.to_csv()))}
    assert marks["held_out", "base"] == "TP53" and marks["held_out", "delta"] == "TP53; mean Δ" and not marks["split", "base"]


def test_features_that_were_pooled_in_two_ways_are_compared_and_said(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash=BASE["weight_hash"])
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=BASE)
    assert not any("tiles" in note.text for note in make_table([base, tuned]).notes)
    change(tuned, pooling="attention")
    notes = [note.text for note in make_table([base, tuned]).notes]
    ours, bases = "what the run's own trained attention makes of all the tiles", "the mean over the tiles"
    assert f"direct: a patient's feature is {ours}, that of its base {bases}" in notes


def test_trainings_scored_in_two_ways_are_not_joined_over_folds(tmp_path):
    folds = [write_fold(tmp_path, fold) for fold in (0, 1)]
    for folder in folds[1]:
        change(folder, options={"class_weight": "none"})
    labels = [row.label for row in make_table([run for pair in folds for run in pair]).block("split")]
    assert len(labels) == 6


def test_a_benchmark_of_which_a_part_was_scored_is_called_so(tmp_path):
    one = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    assert not any("not there as published" in note.text for note in make_table([one]).notes)
    change(one, benchmarks={"mhist": {"lacking": "train has 4 of 2,175 images", "images_left_out": 7}})
    notes = [str(note) for note in make_table([one]).notes]
    part = next(note for note in notes if note.startswith("warning, a benchmark was not there as published"))
    assert part.endswith(": base (MHIST: train has 4 of 2,175 images)")
    assert "base: 7 images of MHIST are left out, their patients train or validate in the fold" in notes


def test_a_benchmark_of_other_images_is_not_laid_beside_it_without_a_word(tmp_path):
    base, tuned, _ = write_runs(tmp_path)
    known = {"lacking": "", "images_left_out": 0, "images": 90, "digest": "1" * 64}
    change(base, benchmarks={"mhist": known})
    for unlike in ({"digest": "2" * 64}, {"images": 80}):
        change(tuned, benchmarks={"mhist": known | unlike})
        with pytest.raises(InputError, match="cannot be compared: their images or labels of MHIST differ"):
            make_table([base, tuned])
    for alike in ({"mhist": known}, {}, {"pcam": known | {"digest": "2" * 64}}):  # an earlier version, or one that was not scored
        change(tuned, benchmarks=alike)
        assert not any("beside one another" in str(note) for note in make_table([base, tuned]).notes)
    other = write_evaluation(tmp_path / "other", "base", weight_hash="e" * 64)
    change(other, benchmarks={"mhist": known | {"digest": "2" * 64}})
    notes = [str(note) for note in make_table([base, tuned, other]).notes]
    assert (
        "warning, runs saw other images or labels of a benchmark, whose scores cannot be laid beside one another: MHIST (base; other)"
        in notes
    )
