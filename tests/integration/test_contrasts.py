"""A run with SigLIP and the bank, from a cohort on disk to weights that are applied again."""

import json

import numpy as np
import pytest

from pathfm.cohort.opened import Cohort
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig
from pathfm.train import run
from pathfm.weights.applied import objective_of
from pathfm.weights.folder import open_weights
from tests.small_cohort import make_small_cohort

pytestmark = pytest.mark.slow


@pytest.mark.long
def test_siglip_trains_against_all_training_patients_of_the_same_type(tmp_path):
    folder = make_small_cohort(tmp_path / "cohort", patients=48)
    objective = {"name": "contrastive", "loss": "siglip", "negatives": "bank", "same_cancer": True, "projection": 8, "hidden": 16}
    values = {"cohort": str(folder.root), "model": "demo", "batch": 8, "microbatch": 4, "train_for": "3 steps", "log_every": "1 steps"}
    values |= {"mesh": {"data": 4}, "select": "last"}
    run(from_dict(TrainConfig, values | {"objective": objective}), tmp_path / "run")

    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    training = [line for line in lines if "loss" in line]
    assert [line["step"] for line in training] == [1, 2, 3] and all(np.isfinite(line["loss"]) for line in training)
    assert {"validation_loss_share", "validation_calibrated_share", "validation_logit_bias"} <= set(lines[-1])
    patients = len(Cohort.open(folder.root).patients(0, "train"))
    assert training[0]["logit_bias"] == pytest.approx(-np.log(patients - 1), abs=1e-3)

    weights = open_weights(tmp_path / "run")
    assert weights.card.settings["loss"] == "siglip" and weights.params["logit_bias"].shape == ()
    term = objective_of(weights).terms["contrastive"]
    embedding = term.predict(weights.params, np.ones((2, term.widths.features), np.float32))["embedding"]
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, rtol=1e-5)
