"""Configs on the page: what differs from the base, what is shared, no path that names a machine, nothing that runs."""

import pytest

from pathfm.errors import InputError
from pathfm.files import write_json
from pathfm.report.evaluations import Evaluation
from pathfm.report.figures import Named
from pathfm.report.page import render
from pathfm.report.settings import flattened, settings
from pathfm.report.table import make_table
from tests.evaluation_folders import write_evaluation


@pytest.fixture
def folders(tmp_path):
    base = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base={"name": "base", "weight_hash": "a" * 64})
    for folder in (base, tuned):
        (folder / "embeddings.h5ad").unlink()
    return base, tuned


def of(folders):
    return settings([Named(folder.name, Evaluation.read(folder)) for folder in folders])


def test_a_run_is_laid_beside_its_base(folders):
    write_json({"seed": 0, "batch": 32, "objective": {"name": "views", "scale": [0.5, 1]}}, folders[0] / "training_config.json")
    write_json({"seed": 0, "batch": 64, "objective": {"name": "direct"}, "init": "/home/me/runs/base"}, folders[1] / "training_config.json")
    (block,) = of(folders)
    assert block["title"] == "Settings of training" and block["columns"] == ["base", "direct"]
    assert dict(block["differing"]) == {
        "batch": ["32", "64"],
        "init": ["–", "…/base"],
        "objective.name": ["views", "direct"],
        "objective.scale": ["[0.5, 1]", "–"],
    }
    assert block["shared"] == [("seed", "0")]


def test_what_brought_no_config_has_no_column(folders):
    assert of(folders) == []
    write_json({"fold": 0}, folders[1] / "config.json")
    assert [(block["title"], block["columns"]) for block in of(folders)] == [("Settings of evaluation", ["direct"])]


def test_values_are_in_words():
    values = {"a": "", "b": None, "c": {}, "d": True, "e": "C:\\data\\x", "f": "5 %", "g": {"h": 1e-3}, "i": "x/"}
    assert flattened(values) == {"a": "–", "b": "–", "c": "–", "d": "true", "e": "…/x", "f": "5 %", "g.h": "0.001", "i": "…/x"}


def test_a_config_on_the_page_runs_nothing_and_names_no_folder(folders):
    write_json({"<script>k</script>": "<script>v</script>", "cohort": "/home/somebody/cohort"}, folders[1] / "training_config.json")
    page = render(make_table(folders), [Evaluation.read(folder) for folder in folders])
    assert "<script" not in page and "&lt;script&gt;k" in page and "somebody" not in page and "…/cohort" in page
    assert "Only direct brought them." in page


def test_a_broken_config_is_named(folders):
    (folders[0] / "config.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="config.json is not a config"):
        of(folders)
