"""tools/compare_eva.py: both sides are given one benchmark and one schedule, and the verdict weighs the means by kaiko-eva's spread."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from pathfm.probes import driver, eva
from pathfm.probes.divisions import Division
from pathfm.probes.target import Classes

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import compare_eva

    monkeypatch.setattr(compare_eva, "ROWS", {"train": 300, "val": 60, "test": 90})
    monkeypatch.setattr(compare_eva, "FEATURES", 8)
    monkeypatch.setattr(compare_eva, "SEPARATION", 0.8)
    return compare_eva


def test_the_manifest_names_each_embedding_with_its_class_and_part(tool, tmp_path):
    tool.write_benchmark(tmp_path)
    rows = list(csv.DictReader((tmp_path / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["embeddings"] for row in rows] == [f"{number}.pt" for number in range(450)]
    assert [int(row["target"]) for row in rows] == np.load(tmp_path / "labels.npy").tolist()
    assert [row["split"] for row in rows] == ["train"] * 300 + ["val"] * 60 + ["test"] * 90
    assert np.load(tmp_path / "features.npy").shape == (450, 8)


def test_the_config_says_what_the_probe_does(tool, tmp_path):
    """300 rows are two batches, 400 steps 200 epochs, a fifth of them 40."""
    config = tool.kaiko_config(tmp_path, 5, 400)
    said = {key: value for key, value in re.findall(r"(\w+): ([\w./]+)", config)}
    assert float(said["lr"]) == eva.LEARNING_RATE and "lr_scheduler" not in config
    assert set(re.findall(r"batch_size: (\d+)", config)) == {str(eva.BATCH)} and config.count("shuffle: true") == 1
    assert (said["max_steps"], said["patience"], said["n_runs"]) == ("400", "40", str(eva.RUNS))
    assert (said["in_features"], said["out_features"], said["num_classes"]) == ("8", "4", "4")
    assert re.findall(r"split: (\w+)", config) == ["train", "val", "test"]


def test_the_probe_is_scored_run_by_run(tool, tmp_path):
    tool.write_benchmark(tmp_path)
    found = tool.by_pathfm(tmp_path, 2, 100)
    features, labels, roles = (np.load(tmp_path / f"{name}.npy") for name in ("features", "labels", "roles"))
    done = driver.run(eva.Eva(runs=2, most_steps=100), features, Classes(labels, 4), Division.by_roles(roles))
    truth = labels[roles == "test"]
    assert found["test"] == pytest.approx([balanced_accuracy_score(truth, guesses) for guesses in done.ballots[""]])
    assert len(found["val"]) == 2


@pytest.mark.parametrize(("ours", "word"), [([0.71, 0.73], "within"), ([0.74, 0.76], "beyond")])
def test_the_verdict_weighs_the_difference_by_kaikos_spread(tool, ours, word):
    told = tool.verdict(np.array([0.70, 0.72]), np.array(ours))
    assert word in told and "sd over runs, 0.0141" in told
