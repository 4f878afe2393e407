"""The folder of a run: what must be the same to go on, and what may change."""

import json
from dataclasses import replace

import pytest

from pathfm.errors import InputError
from pathfm.folders.metrics import read_metrics
from pathfm.folders.run import RunFolder
from pathfm.settings.terms import Direct
from pathfm.settings.training import MeshConfig, TrainConfig

CONFIG = TrainConfig(cohort="c", objective=Direct(), seed=3)
FACTS = {"cohort": "a", "split": "b", "panels": {"expression": "p"}, "base": None}


def test_a_run_goes_on_under_another_placement_and_keeps_the_new_one(tmp_path):
    folder = RunFolder(tmp_path)
    folder.keep_config(CONFIG, write=True)
    moved = replace(CONFIG, workers=4, mesh=MeshConfig(fsdp=2), microbatch=8, log_every="2 %")
    folder.keep_config(moved, write=True)
    assert folder.config() == moved


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 4}, "another config: seed is 3 there and 4 here"),
        ({"objective": Direct(hidden=2)}, "objective.hidden"),
        ({"cohort": "d"}, "cohort"),
    ],
)
def test_another_recipe_is_another_run(tmp_path, change, words):
    RunFolder(tmp_path).keep_config(CONFIG, write=True)
    with pytest.raises(InputError, match=words):
        RunFolder(tmp_path).keep_config(replace(CONFIG, **change), write=True)


def test_a_run_goes_on_after_a_key_was_added_to_the_schema(tmp_path):
    folder = RunFolder(tmp_path)
    folder.keep_config(CONFIG, write=True)
    values = json.loads(folder.config_file.read_text())
    del values["residual"], values["objective"]["huber"], values["optimizer"]["b2"], values["mesh"]
    folder.config_file.write_text(json.dumps(values))
    folder.keep_config(CONFIG, write=True)
    assert folder.config() == CONFIG


def test_a_run_that_was_begun_on_something_else_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.keep_facts(FACTS, write=True)
    folder.keep_facts(FACTS, write=True)
    for name, words in (
        ("cohort", "tiles of its training patients"),
        ("split", "its split"),
        ("panels", "panels of features"),
        ("base", "base weights"),
    ):
        with pytest.raises(InputError, match=f"was begun before .*{words} changed"):
            folder.keep_facts(FACTS | {name: "other"}, write=True)


def test_metrics_are_read_up_to_a_line_that_a_kill_cut_short(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text('{"step": 0, "loss": null}\n{"step": 1}\n{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 0, "loss": None}, {"step": 1}]
    path.write_text('{"step": 0}\nnonsense\n')
    with pytest.raises(InputError, match="metrics.jsonl, line 2, is not JSON"):
        read_metrics(path)
    path.write_text('{"loss": 1}\n')
    with pytest.raises(InputError, match="line 1, has no step"):
        read_metrics(path)
