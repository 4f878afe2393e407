"""The report: one page that stands alone, says what the numbers say, hides who the patients are, and runs nothing that a file brings."""

import json
import math
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet, write_json, write_parquet
from pathfm.folders.metrics import read_metrics
from pathfm.report import figures, plots
from pathfm.report.curves import training_curve, validation_shares
from pathfm.report.embeddings import embedding_figure
from pathfm.report.evaluations import Evaluation
from pathfm.report.forest import forest_figure
from pathfm.report.page import refuse_training_run, render, write_report
from pathfm.report.table import make_table
from pathfm.report.verdict import flags, verdict
from tests.evaluation_folders import GENES, VALIDATION_PATIENTS, write_evaluation, write_runs

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def out(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report"
    write_report(runs, out)
    return out


@pytest.fixture(scope="module")
def page(out):
    return (out / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def without_figures(folders):
    """The runs without what figures need, so that a page is made at once."""
    for folder in folders:
        (folder / "embeddings.h5ad").unlink()
        (folder / "training_metrics.jsonl").unlink()
    return folders


def rendered(folders, with_ids: bool = False) -> str:
    return render(make_table(folders), [Evaluation.read(folder) for folder in folders], with_ids)


def test_the_files_are_written_and_nothing_half_done_is_left(out):
    tables = [f"table.{form}" for form in ("csv", "md", "parquet", "tex")]
    assert sorted(path.name for path in out.iterdir()) == ["genes.parquet", "report.html", *tables]


def test_the_page_asks_nothing_of_any_other_place(page):
    elements = Elements(page).found
    policy = next(attributes["content"] for tag, attributes in elements if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "script-src" not in policy
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in elements}
    links = [attributes[name] for _, attributes in elements for name in ("src", "href", "xlink:href", "srcset") if name in attributes]
    assert links and all(link.startswith(("#", "data:image/png")) for link in links)
    assert "@import" not in page and not re.search(r"url\((?!#)", page)


def test_sections_come_in_their_order(page):
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Base against tuned",
        "Base against tuned, held-out fit",
        "Flags",
        "Differences",
        "Training",
        "Embeddings",
        "Expression",
        "Nearest tiles",
        "The hospital, and image ↔ expression",
        "How it was made",
        "How to read this",
    ]


def test_no_identifier_occurs_twice_and_every_reference_has_its_target(page):
    elements = Elements(page).found
    names = [attributes["id"] for _, attributes in elements if "id" in attributes]
    references = {attributes["xlink:href"][1:] for _, attributes in elements if attributes.get("xlink:href", "").startswith("#")}
    assert len(names) == len(set(names))
    assert references | set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)


def test_every_figure_has_words_and_every_header_a_scope(page):
    elements = Elements(page).found
    images = [attributes for _, attributes in elements if attributes.get("role") == "img"]
    drawings = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(images) == len(drawings) == 4 + 3 + 6 * 3 + 1 + 2 + 2  # colourings: cancer type, three labels, site, patient
    assert all(len(image["aria-label"]) > 40 for image in images) and all(drawing["aria-hidden"] == "true" for drawing in drawings)
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in elements if tag == "th")


def test_the_forest_has_every_difference_of_the_table_and_its_band(runs):
    table = make_table(runs)
    panels = forest_figure(table).panels
    assert [panel.title for panel in panels] == [f"{run}, {fit} fit" for fit in ("split", "held-out") for run in ("direct", "contrastive")]
    cells = dict(zip(table.columns, table.block("split")[2].cells, strict=True))
    assert f"TP53 +31.1 from +{cells['TP53'].low:.1f} to +{cells['TP53'].high:.1f}" in panels[0].alt and "BACH" not in panels[0].alt
    for cell in cells.values():
        assert cell.value is None or (cell.band[0] <= cell.low and cell.band[1] >= cell.high)


def test_colours_are_left_to_the_page(page):
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "var(--series-1)" in drawings and "var(--ink)" in drawings
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", drawings)


def test_every_value_stands_with_its_interval(page):
    cells = re.findall(r'<span class="value">([^<]*)</span>(.*?)</td>', page, re.DOTALL)
    measured = [rest for value, rest in cells if value != "–"]
    assert len(measured) > 40 and all(re.search(r'class="interval">\[[+−\d.]+, [+−\d.]+\]', rest) for rest in measured)


def test_the_verdict_names_what_moved_and_admits_what_did_not(runs):
    sentences = verdict(make_table(runs))
    assert sentences[0].startswith("Direct moved 5 of 5 tasks beyond the 95 % band of all tasks: better on MHIST (+31.1), cancer")
    assert sentences[1].endswith("a gain of this one training.")
    assert sentences[3].endswith("not to be told from zero.")


def test_the_verdict_is_honest_when_nothing_moved(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    same = write_evaluation(tmp_path / "same", "direct", weight_hash="1" * 64, base={"name": "base", "weight_hash": "a" * 64})
    assert verdict(make_table([base, same])) == ["Direct changed no prediction."]
    (tmp_path / "x").mkdir()
    little = write_evaluation(
        tmp_path / "x" / "l", "direct", weight_hash="2" * 64, base={"name": "base", "weight_hash": "a" * 64}, swapped=2
    )
    assert verdict(make_table([base, little]))[0] == "Direct moved none of 5 tasks beyond the 95 % band of all tasks."
    assert verdict(make_table([base])) == ["Only base models were evaluated, so there is nothing to compare yet."]


def test_the_verdict_tells_a_loss(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64, right=0.9)
    worse = write_evaluation(tmp_path / "w", "direct", weight_hash="1" * 64, base={"name": "base", "weight_hash": "a" * 64}, right=0.5)
    text = " ".join(verdict(make_table([base, worse])))
    assert "worse on MHIST (−" in text and text.endswith("a loss of this one training.")


def test_flags_tell_one_sided_gains_small_classes_edges_and_seen_patients(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    of_base = {"name": "base", "weight_hash": "a" * 64}
    one = write_evaluation(tmp_path / "one", "direct", weight_hash="1" * 64, base=of_base, right=0.95, held_out_right=0.65)
    scores = read_parquet(one / "scores.parquet")
    scores.loc[scores["task"] == "tp53", "edge"] = 1
    write_parquet(scores, one / "scores.parquet")
    write_json(read_json(one / "evaluation.json") | {"seen_patients_allowed": True}, one / "evaluation.json")
    said = flags(make_table([base, one]))
    gain = "direct: a gain in the split’s fit only, which the held-out fit does not show, on cancer (+31.1), TP53 (+31.1), breast (+31.1)"
    gains = next(line for line in said if line.startswith(gain))
    assert "MHIST" not in gains  # a benchmark has one fit only
    assert said[0].startswith("Patients that the encoder was trained on were allowed") and said[0].endswith(": one.")
    sentences = verdict(make_table([base, one]))
    assert "The held-out fit does not show the gain on cancer (+31.1), TP53 (+31.1) and breast (+31.1)." in sentences
    assert sentences[-1].endswith("a gain of this one training that the held-out fit does not show.")
    assert "lung: n too small (8); fewer than 10 scored units in its rarest class." in said
    assert any(
        line.startswith("A probe's setting was chosen at the edge of the grid") and "one (held-out fit: TP53; split fit: TP53)" in line
        for line in said
    )


def test_a_smoke_run_is_marked_everywhere(tmp_path):
    page = rendered(without_figures(write_runs(tmp_path, smoke=True)))
    assert '<p class="smoke" role="note"><strong>Smoke.</strong>' in page
    assert "<h2>Base against tuned (smoke)</h2>" in page and "<h2>Base against tuned, held-out fit (smoke)</h2>" in page


def test_what_is_absent_is_said(tmp_path):
    folders = without_figures(write_runs(tmp_path))
    for folder in folders:
        (folder / "expression_predictions.h5ad").unlink()
        scores = read_parquet(folder / "scores.parquet")
        write_parquet(scores[scores["task"] != "expression"], folder / "scores.parquet")
    page = rendered(folders)
    for words in ("No run brought its training metrics", "No run has embeddings of 10 test patients", "Expression was not evaluated"):
        assert words in page


def test_names_from_files_are_escaped(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64, name=EVIL)
    of_base = {"name": EVIL, "weight_hash": "a" * 64}
    folders = [base, *(write_evaluation(tmp_path / x, "direct", weight_hash=x * 64, base=of_base, name=f"{EVIL}$x_{x}") for x in "12")]
    for folder in folders:
        (folder / "embeddings.h5ad").unlink()
    page = rendered(folders, with_ids=True)
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;$x_1" in page
    assert "script" not in {tag for tag, _ in Elements(page).found}


def test_a_name_that_a_spreadsheet_would_run_is_quoted(tmp_path):
    folders = without_figures([write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64, name="=cmd()")])
    write_report(folders, tmp_path / "out")
    text = (tmp_path / "out" / "table.csv").read_text(encoding="utf-8")
    assert "'=cmd()" in text and not re.search(r"(^|,)=", text, re.MULTILINE)


def test_no_patient_is_named_unless_asked_for(out, runs, tmp_path):
    assert not any(b"TCGA-" in path.read_bytes() for path in out.iterdir())
    copies = without_figures(write_runs(tmp_path))
    assert "TCGA-" not in rendered(copies)
    page = rendered(copies, with_ids=True)
    ours, theirs = (Evaluation.read(folder).predictions for folder in copies[:2])
    ours = ours[(ours["fit"] == "split") & (ours["task"] == "cancer")].merge(theirs[theirs["fit"] == "split"], on=["task", "fold", "unit"])
    different = ours[ours["prediction_x"] != ours["prediction_y"]]["unit"]
    assert len(different) and all(unit in page for unit in different)


def test_a_training_run_is_refused_with_the_way_on(tmp_path):
    (tmp_path / "weights").mkdir()
    with pytest.raises(InputError, match=r"is a training run or weights, not an evaluation; evaluate it first: python -m pathfm.evaluate"):
        refuse_training_run(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        refuse_training_run(tmp_path / "absent")


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match=r"jinja2, which is not installed: pip install 'pathfm\[report\]'"):
        plots.require_report()


def test_curves_of_batches_of_different_sizes_are_shares_of_knowing_nothing(runs):
    lines = read_metrics(runs[2] / "training_metrics.jsonl")
    curve = training_curve(lines)
    training = [line["loss"] / math.log(32) for line in lines if "loss" in line]
    validation = [line["validation_loss"] / math.log(VALIDATION_PATIENTS) for line in lines if "validation_loss" in line]
    assert curve.nothing == "ln(B)"
    np.testing.assert_allclose(curve.training[1], training)
    np.testing.assert_allclose(curve.validation[1], validation)
    assert curve.training[0].tolist() == list(range(10, 201, 10)) and curve.validation[0].tolist() == [50, 100, 150, 200]


def test_steps_whose_loss_was_no_number_are_left_out_of_the_curve():
    lines = [{"step": 1, "loss": None, "loss_over_ln_batch": None}, {"step": 2, "loss": 2.0, "loss_over_ln_batch": 1.0}]
    curve = training_curve(lines)
    assert curve.training[0].tolist() == [2] and curve.training[1].tolist() == [1.0]
    assert not len(training_curve(lines[:1]).training[0])


def test_a_damaged_line_of_metrics_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics.jsonl, line 2, is not JSON"):
        read_metrics(path)


def test_the_correlations_of_the_figure_are_those_of_the_table(runs):
    r = figures.gene_correlations(Evaluation.read(runs[1]))
    table = make_table(runs)
    row = next(row for row in table.block("split") if row.kind == "tuned" and row.approach == "direct")
    assert len(r) == GENES
    assert 100 * r.mean() == pytest.approx(row.cells[table.columns.index("expression, raw")].value)


def test_tsne_is_seeded_and_bears_constant_features():
    vectors = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    vectors[:, 2] = 1.0
    first = plots.tsne(vectors)
    assert first.shape == (24, 2) and np.isfinite(first).all()
    np.testing.assert_array_equal(first, plots.tsne(vectors))


def test_many_points_become_pixels_inside_the_page():
    places = np.random.default_rng(0).normal(size=(50, 2))
    groups = np.array(["a", "b"] * 25)
    drawing = plots.points_panel(places, groups, ["a", "b"], pixels=True)
    assert "data:image/png;base64," in drawing and "data:" not in plots.points_panel(places, groups, ["a", "b"], pixels=False)


def test_groups_beyond_the_legend_are_counted():
    groups = np.array([f"site {number}" for number in range(14)] * 2)
    figure = embedding_figure(["base"], [np.zeros((28, 2))], [groups], "site")
    assert len(figure.keys) == plots.MOST_GROUPS + 1 and figure.keys[-1].label == "4 others"


def test_the_same_runs_give_the_same_page(tmp_path):
    folders = write_runs(tmp_path)
    for folder in folders:
        (folder / "embeddings.h5ad").unlink()
    assert rendered(folders) == rendered(folders)


def test_a_measure_without_a_value_is_a_dash(tmp_path):
    folders = without_figures(write_runs(tmp_path))
    scores = read_parquet(folders[0] / "scores.parquet")
    scores = pd.concat(
        [scores, scores[scores["metric"] == "mean_pearson"].assign(metric="genes_fdr_below_0.05", value=12.0, headline=False)]
    )
    write_parquet(scores, folders[0] / "scores.parquet")
    page = rendered(folders)
    assert '<td class="number">12</td>' in page and '<td class="number">–</td>' in page


def test_the_figures_hold_what_was_written(runs):
    assert json.loads((runs[0] / "training_metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])["step"] == 10
    figure = figures.training_figure([figures.Named("base", Evaluation.read(runs[0]))])
    assert "A line at 1 marks the loss of knowing nothing (ln(B))." in figure.panels[0].alt


def test_a_probe_that_did_not_converge_is_marked_on_the_page_and_among_the_flags(tmp_path):
    folders = without_figures(write_runs(tmp_path))
    assert "‡" not in rendered(folders)
    scores = read_parquet(folders[1] / "scores.parquet")
    scores.loc[(scores["task"] == "tp53") & (scores["fit"] == "split"), "unconverged"] = 1
    write_parquet(scores, folders[1] / "scores.parquet")
    page = rendered(folders)
    cells = re.findall(r"<td.*?</td>", page, re.DOTALL)
    assert sum("‡" in cell for cell in cells) == 3  # the score, its difference, and the mean difference
    assert "A probe did not converge: direct (split fit: TP53)." in page


@pytest.mark.parametrize("name", ["loss_share", "loss_over_ln_batch", "loss_over_mean_profile"])
def test_the_share_of_knowing_nothing_is_known_by_todays_name_and_by_those_of_earlier_runs(name):
    lines = [{"step": 1, "loss": 7.0, name: 1.0}, {"step": 2, "validation_loss": 6.0, f"validation_{name}": 0.5}]
    curve = training_curve(lines)
    assert curve.nothing and curve.training[1].tolist() == [1.0] and curve.validation[1].tolist() == [0.5]
    assert list(validation_shares(lines)) == [(2, 0.5)]
