"""Parts of an evaluation that need no run of it."""

import pandas as pd
import pytest

from pathfm.evaluate import own_metrics, tiles_hash
from pathfm.weights.folder import Weights


def weights(folder, objective="direct"):
    folder.mkdir(parents=True, exist_ok=True)
    return Weights(folder, {"objective": objective}, {})


def test_a_runs_own_curves_are_those_of_the_run_whose_weights_these_are(tmp_path):
    run = tmp_path / "run"
    own = weights(run / "weights")
    assert own_metrics(own) is None  # a run without the file
    (run / "metrics.jsonl").write_text("{}\n")
    assert own_metrics(own) == run.resolve() / "metrics.jsonl"
    link = tmp_path / "other"
    link.mkdir()
    (link / "metrics.jsonl").write_text("{}\n")
    (link / "weights").symlink_to(own.path)
    assert own_metrics(Weights(link / "weights", own.card, {})) == run.resolve() / "metrics.jsonl"


@pytest.mark.parametrize(("name", "objective"), [("imported", "imported"), ("weights", "imported"), ("copied", "direct")])
def test_weights_that_lie_inside_another_run_do_not_take_its_curves(tmp_path, name, objective):
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    assert own_metrics(weights(tmp_path / name, objective)) is None


def test_tiles_are_the_same_in_whatever_order_their_slides_come():
    slides = pd.DataFrame({"slide": ["a", "b"], "records_sha256": ["1", "2"], "mpp": [0.5, 0.25]})
    assert tiles_hash(slides) == tiles_hash(slides[::-1]) != tiles_hash(slides.assign(records_sha256="3"))
    # what evaluations on disk hold: the SHA-256 of [["a","1"],["b","2"]]
    assert tiles_hash(slides) == "5f13efef7cdd95e7a0171a4cc6ef643955a42f10ad9dd98c6b2f1f4e6903f7f5"
