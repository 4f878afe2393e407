"""The folder of an evaluation, and one that an earlier version wrote."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet, write_json
from pathfm.report import earlier
from pathfm.report.evaluations import Evaluation
from pathfm.report.folder import EvaluationFolder
from pathfm.report.table import make_table
from pathfm.report.words import note_of
from pathfm.tasks.task import EXPRESSION_OBS, PREDICTIONS, SCORES
from tests.evaluation_folders import write_evaluation

EARLIER = Path(__file__).resolve().parents[1] / "fixtures" / "evaluation_format_1"
UNMOVED = "direct (the weights of its base)"  # as its run left them
NOTES = {
    "": {},
    "n too small (7)": {"too_small": True},
    "strength 10000 is at the edge of the grid": {"edge": 1},
    "strength is at the edge of the grid in 4 of 5 parts": {"edge": 4},
    "3 genes with constant truth left out": {"constant_genes": 3},
    "n too small (7); strength 1e-06 is at the edge of the grid; 12 genes with constant truth left out": {
        "too_small": True,
        "edge": 1,
        "constant_genes": 12,
    },
    "over 20 resampled training sets": {"resamples": 20},
}


def of_format_1(note: str) -> pd.DataFrame:
    held_out, resampled = "parts" in note, "over" in note
    row = {
        "task": "tp53",
        "column": "TP53",
        "fit": "held_out" if held_out else "split",
        "fold": 0,
        "metric": "balanced_accuracy_sd" if resampled else "balanced_accuracy",
        "value": np.nan,
        "n": 30,
        "smallest_class": 7,
        "strength": 1e-6 if "1e-06" in note else 1e4,
        "note": note,
    }
    return pd.DataFrame([row])


@pytest.mark.parametrize("note", NOTES)
def test_an_earlier_note_becomes_flags_whose_words_are_the_note_again(note):
    table = earlier.scores(of_format_1(note))[SCORES]
    row = next(table.itertuples())
    flags = {"too_small": False, "edge": 0, "constant_genes": 0, "resamples": 0} | NOTES[note]
    assert {name: getattr(row, name) for name in flags} == flags
    assert row.unconverged is pd.NA and (row.probe, row.setting, row.parts) == ("logistic", "strength", 5 if "parts" in note else 1)
    assert row.headline == ("over" not in note)
    assert note_of(row) == note


def test_an_evaluation_of_the_version_before_opens_and_makes_a_table():
    for name in ("base", "direct"):
        files = EvaluationFolder(EARLIER / name)
        assert files.finished and read_json(files.about)["format"] == 1
        scores, written = files.read_scores(), read_parquet(files.scores)
        assert list(scores[SCORES]) == SCORES and "note" not in scores
        assert scores["too_small"].tolist() == written["note"].str.contains("n too small").tolist()
        assert scores["edge"].tolist() == written["note"].str.contains("edge of the grid").astype(int).tolist()
        assert set(files.read_predictions()) == set(PREDICTIONS) - {"probability"}
        assert set(EXPRESSION_OBS) <= set(files.read_expression().obs)
        assert Evaluation.read(files.path).pooling == "mean"
    table = make_table([EARLIER / "base", EARLIER / "direct"])
    assert [row.label for row in table.block("split")] == ["base", UNMOVED, f"{UNMOVED}, Δ"]
    cells = dict(zip(table.columns, table.block("split")[0].cells, strict=True))
    assert cells["cancer"].text == "n too small (4)" and cells["expression"].text == "n too small (8)"
    notes = list(map(str, table.notes))
    edge = next(note for note in notes if note.startswith("warning, a probe's setting was chosen at the edge of the grid"))
    assert "direct (" in edge and "split fit: cancer, expression" in edge
    assert "direct: an earlier version of pathfm evaluated it and did not write down whether probes converged" in notes


def test_evaluations_of_both_formats_are_compared(tmp_path):
    """The later one holds the very facts of the earlier one, in today's format."""
    earlier_one = EvaluationFolder(EARLIER / "direct")
    later = tmp_path / "direct"
    later.mkdir()
    earlier_one.read_scores()[SCORES].assign(unconverged=0).to_parquet(later / "scores.parquet")
    earlier_one.read_predictions().to_parquet(later / "predictions.parquet")
    earlier_one.read_expression().write_h5ad(later / "expression_predictions.h5ad")
    write_json(earlier_one.read_about() | {"format": 2}, later / "evaluation.json")
    labels = [row.label for row in make_table([EARLIER / "base", later]).block("split")]
    assert labels == ["base", UNMOVED, f"{UNMOVED}, Δ"]


@pytest.mark.parametrize("values", [{"format": 3}, {"format": None}, {"card": None}])
def test_an_unknown_format_or_no_card_is_refused_in_one_sentence(tmp_path, values):
    folder = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    write_json(read_json(folder / "evaluation.json") | values, folder / "evaluation.json")
    with pytest.raises(InputError, match="is not in format 1 or 2 with a card; evaluate again with this version of pathfm"):
        EvaluationFolder(folder).read_about()


def test_scores_without_a_flag_are_refused_by_its_name(tmp_path):
    folder = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    read_parquet(folder / "scores.parquet").drop(columns="unconverged").to_parquet(folder / "scores.parquet")
    with pytest.raises(InputError, match="lacks the column 'unconverged'"):
        EvaluationFolder(folder).read_scores()
