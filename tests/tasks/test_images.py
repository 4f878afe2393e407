"""Patients of a benchmark whom the encoder has seen: counted, refused, left out, or scored when asked for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pathfm.benchmarks.benchmark import Benchmark
from pathfm.errors import InputError
from pathfm.features.features import Features
from pathfm.probes.logistic import Logistic
from pathfm.settings.evaluation import EvaluateConfig
from pathfm.tasks import images
from pathfm.tasks.images import with_images
from pathfm.tasks.registry import BY_NAME
from pathfm.tasks.task import People, Probing

PATIENTS = [f"TCGA-AA-{number:04d}" for number in range(80)]
ROLES = ["train"] * 40 + ["test"] * 40
CONFIG = EvaluateConfig(checkpoint="runs/c", cohort="cohort", benchmarks={"crc_msi": "folder"})
PEOPLE = pd.DataFrame(
    {"patient": ["TCGA-AA-0000", "TCGA-AA-0040", "TCGA-AA-0041", "TCGA-AA-0042"], "role": ["train", "train", "val", "test"]}
)


@pytest.fixture(autouse=True)
def benchmark(monkeypatch):
    """Two tiles of each of eighty patients, half of them scored; patients take turns in the two classes."""
    found = Benchmark(
        task="crc_msi",
        units=tuple(f"{patient}/{tile}" for patient in PATIENTS for tile in range(2)),
        labels=tuple(("MSS", "MSI")[number % 2] for number in range(80) for _ in range(2)),
        roles=tuple(role for role in ROLES for _ in range(2)),
        patients=tuple(patient for patient in PATIENTS for _ in range(2)),
        read=lambda number: np.zeros((8, 8, 3), np.uint8),
        digest="d",
        unit="patient",
    )
    monkeypatch.setitem(images.READERS, "crc_msi", lambda folder: found)
    return found


def opened(seen=frozenset(), config=CONFIG):
    return with_images(BY_NAME["crc_msi"], config, PEOPLE, frozenset(seen))


def test_scored_patients_whom_the_encoder_was_trained_on_are_counted_and_refused():
    with pytest.raises(InputError, match="runs/c was trained on 2 of the 40 patients whose images of CRC MSI would be scored"):
        opened({"TCGA-AA-0000", "TCGA-AA-0040", "TCGA-AA-0041", "TCGA-ZZ-0000"})


def test_they_are_scored_when_asked_for_and_stand_in_the_ledger(capsys):
    seen = {"TCGA-AA-0000", "TCGA-AA-0040", "TCGA-AA-0041"}
    task = opened(seen, replace(CONFIG, allow_seen_patients=True))
    assert "crc_msi: 2 scored patients and 1 who fit its probes were in the training of runs/c" in capsys.readouterr().err
    assert task.ledger(seen)["seen_patients"] == {"train": 1, "test": 2} and task.ledger(seen)["images"] == 160


def test_patients_who_only_fit_a_probe_are_counted_and_not_refused(capsys):
    task = opened({"TCGA-AA-0000"})
    assert "0 scored patients and 1 who fit its probes" in capsys.readouterr().err
    assert len(task.kept) == 160


def test_patients_of_the_folds_training_and_validation_can_be_left_out_of_all_roles(benchmark, capsys):
    task = opened({"TCGA-AA-0040", "TCGA-AA-0041"}, replace(CONFIG, leave_out_cohort=True))
    assert "crc_msi: 6 of 160 images are left out" in capsys.readouterr().err
    left_out = {"TCGA-AA-0000", "TCGA-AA-0040", "TCGA-AA-0041"}
    assert {benchmark.patients[number] for number in task.kept} == set(PATIENTS) - left_out
    matrix = np.random.default_rng(0).normal(size=(160, 4)).astype(np.float32)
    features = Features(["p"], np.zeros((1, 4), np.float32), "mean", lambda of: matrix)
    result = task.run(features, People(PEOPLE, 0, None), Probing([Logistic()]))
    scored = result.predictions
    assert set(scored["patient"]) == set(PATIENTS[42:]) and len(scored) == 76
    assert result.scores["smallest_class"].iloc[0] == 19  # patients, not images


def test_left_out_patients_do_not_excuse_others(capsys):
    with pytest.raises(InputError, match="trained on 1 of the 38 patients"):
        opened({"TCGA-AA-0042"}, replace(CONFIG, leave_out_cohort=True))


def test_a_task_without_a_folder_stays_as_it_is():
    assert with_images(BY_NAME["pcam"], CONFIG, PEOPLE, frozenset(PATIENTS)) is BY_NAME["pcam"]
    assert with_images(BY_NAME["tp53"], CONFIG, PEOPLE, frozenset(PATIENTS)) is BY_NAME["tp53"]
