"""Parts of an evaluation that need no run of it."""

import numpy as np
import pandas as pd
import pytest

from pathfm.evaluate import own_config, own_metrics, tiles_hash, tiles_of
from pathfm.features.tile_sample import TileSample


def test_a_runs_own_curves_are_those_of_the_run_whose_weights_these_are(tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    (run / "weights").mkdir(parents=True)
    assert own_metrics(run / "weights", imported=False) is None  # a run without the file
    (run / "metrics.jsonl").write_text("{}\n")
    assert own_metrics(run / "weights", imported=False) == run.resolve() / "metrics.jsonl"
    other.mkdir()
    (other / "metrics.jsonl").write_text("{}\n")
    (other / "weights").symlink_to(run / "weights")
    assert own_metrics(other / "weights", imported=False) == run.resolve() / "metrics.jsonl"


@pytest.mark.parametrize(("name", "imported"), [("imported", True), ("weights", True), ("copied", False)])
def test_weights_that_lie_inside_another_run_do_not_take_its_curves(tmp_path, name, imported):
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    (tmp_path / name).mkdir()
    assert own_metrics(tmp_path / name, imported) is None


def test_tiles_are_the_same_in_whatever_order_their_slides_come():
    slides = pd.DataFrame({"slide": ["a", "b"], "records_sha256": ["1", "2"], "mpp": [0.5, 0.25]})
    assert tiles_hash(slides) == tiles_hash(slides[::-1]) != tiles_hash(slides.assign(records_sha256="3"))
    # what evaluations on disk hold: the SHA-256 of [["a","1"],["b","2"]]
    assert tiles_hash(slides) == "5f13efef7cdd95e7a0171a4cc6ef643955a42f10ad9dd98c6b2f1f4e6903f7f5"


def test_the_config_of_the_training_goes_along_and_imported_weights_have_none(tmp_path):
    run = tmp_path / "run"
    (run / "weights").mkdir(parents=True)
    (run / "config.json").write_text("{}", encoding="utf-8")
    assert own_config(run / "weights", imported=False) == run.resolve() / "config.json"
    assert own_config(run / "weights", imported=True) is None


def test_each_tile_of_the_sample_goes_along_with_what_is_known_of_its_patient():
    people = pd.DataFrame({"patient": ["a", "b", "c"], "site": ["A1", None, "C3"], "cancer": [np.nan, "BRCA", "LUAD"], "role": "test"})
    table = pd.DataFrame({"patient": ["b", "a", "b"], "slide": ["b1", "a1", "b2"], "record": [4, 0, 2], "thumbnail": [b"x", b"y", b"z"]})
    tiles = tiles_of(people, TileSample(table, np.arange(6, dtype=np.float32).reshape(3, 2)))
    assert tiles.table[["slide", "site", "cancer"]].to_numpy().tolist() == [["b1", "", "BRCA"], ["a1", "A1", ""], ["b2", "", "BRCA"]]
    assert tiles.table["thumbnail"].tolist() == [b"x", b"y", b"z"] and tiles.features[:, 0].tolist() == [0, 2, 4]
