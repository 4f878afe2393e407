"""The volcano: the table's own difference gene by gene, every gene where it belongs, the surest named."""

import numpy as np
import pytest

from pathfm.report.evaluations import Evaluation
from pathfm.report.genes import COLUMNS, GeneChanges, as_frame
from pathfm.report.page import changes_of_genes
from pathfm.report.table import make_table
from pathfm.report.volcano import MOST_NAMED, volcano_figure
from pathfm.statistics.genes import GeneDifferences
from tests.evaluation_folders import GENES, write_evaluation, write_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def changes(runs):
    return changes_of_genes([Evaluation.read(run) for run in runs])


def planted(change, freedom: float = 20.0) -> GeneChanges:
    """Genes of these changes, each with an error of 0.05."""
    change = np.asarray(change, float)
    names = np.array([f"ENSG{n}" for n in range(len(change))])
    symbols = np.array([f"<b>G{n}</b>" for n in range(len(change))])
    return GeneChanges(
        "run", "split", names, symbols, GeneDifferences(np.full(len(change), 0.3), 0.3 + change, np.full(len(change), 0.05), freedom)
    )


def test_their_mean_is_the_difference_of_the_table(runs, changes):
    table = make_table(runs)
    rows = {row.approach: row for row in table.block("split") if row.kind == "delta"}
    assert [one.run for one in changes] == ["direct", "contrastive"]
    for one in changes:
        assert 100 * one.differences.change.mean() == pytest.approx(rows[one.run].cells[table.columns.index("expression")].value)
    assert changes[0].better.sum() == GENES and not changes[0].worse.any()


def test_a_gene_that_a_fold_lacks_is_counted_over_the_others(tmp_path):
    of_base = {"name": "base", "weight_hash": "a" * 64}
    folders = []
    for fold, first in ((0, 0), (1, 5)):
        (tmp_path / str(fold)).mkdir()
        folders.append(write_evaluation(tmp_path / str(fold) / "b", "base", weight_hash="a" * 64, fold=fold, first_gene=first, name="base"))
        folders.append(
            write_evaluation(
                tmp_path / str(fold) / "t",
                "direct",
                weight_hash="12"[fold] * 64,
                base=of_base,
                noise=1.0,
                fold=fold,
                first_gene=first,
                recipe="r",
            )
        )
    (one,) = changes_of_genes([Evaluation.read(folder) for folder in folders])
    assert len(one.genes) == GENES + 5 and one.there.all()


def test_the_table_for_other_programs_has_all_of_them(tmp_path, changes):
    frame = as_frame(changes)
    assert list(frame) == COLUMNS == list(as_frame([])) and len(frame) == 2 * GENES
    np.testing.assert_allclose(frame["tuned"] - frame["base"], frame["change"])
    assert (frame["q"] >= frame["p"]).all()


def test_the_surest_genes_lie_where_they_are_drawn():
    change = np.linspace(-0.5, 0.5, 101)
    figure = volcano_figure([planted(change)])
    (panel,) = figure.panels
    assert len(panel.points) == MOST_NAMED and len({point.group for point in panel.points}) == 1
    assert panel.points[0].words.startswith(("<b>G0</b> −0.500 (0.300 to −0.200), q ", "<b>G100</b> +0.500"))
    sides = {point.words.split("</b>")[1].split()[0][0]: float(point.left) for point in panel.points}
    assert sides["−"] < 55 < sides["+"]
    marks = [(float(point.left), float(point.top)) for point in panel.points]
    assert all(0 < left < 100 and 0 < top < 100 for left, top in marks)
    assert marks[0][1] == min(top for _, top in marks)  # the surest is highest
    better, worse = planted(change).better.sum(), planted(change).worse.sum()
    assert panel.title == f"run, split fit: {better} genes better, {worse} worse of 101" and better > 20


def test_without_a_change_that_stands_out_no_line_is_drawn_and_all_is_said():
    none, some = (volcano_figure([planted(change)]).panels[0] for change in ([0.01, -0.02, 0.0], [0.4, -0.02, 0.0]))
    assert none.title.endswith("0 genes better, 0 worse of 3")
    assert some.svg.count("stroke-dasharray") > none.svg.count("stroke-dasharray") == 0
    assert volcano_figure([]) is None


def test_genes_of_many_become_pixels():
    panel = volcano_figure([planted(np.random.default_rng(0).normal(0, 0.1, 2500))]).panels[0]
    assert "data:image/png" in panel.svg and len(panel.points) == MOST_NAMED


def test_a_run_without_expression_has_no_genes(tmp_path):
    folders = write_runs(tmp_path)
    (folders[1] / "expression_predictions.h5ad").unlink()
    assert [one.run for one in changes_of_genes([Evaluation.read(folder) for folder in folders])] == ["contrastive"]
