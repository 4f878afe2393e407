"""The shipped recipes of several terms, as a user runs them: from a base, through a checkpoint, to a weights folder without the base."""

import itertools
import json

import jax
import numpy as np
import pytest

from pathfm.errors import InputError, StoppedEarly
from pathfm.models.images import normalised
from pathfm.models.vit import by_name
from pathfm.settings.command_line import load
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig
from pathfm.train import run
from pathfm.training.interruption import Interruption
from pathfm.weights.applied import objective_of
from pathfm.weights.folder import open_weights
from tests.small_cohort import make_small_cohort

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=48).root


@pytest.fixture(scope="module")
def base(cohort, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "base"
    run(shrunk("views", cohort, model="demo", train_for="1 steps"), workdir)
    return workdir


def shrunk(name, cohort, **changes):
    given = load(name) | {"cohort": str(cohort), "batch": 8, "tiles": 2, "train_for": "4 steps", "log_every": "1 steps", "select": "last"}
    return from_dict(TrainConfig, given | {"panel": "protein_coding", "evaluate_every": "2 steps"} | changes)


def lines_of(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.long
def test_joint_logs_the_factors_that_balance_its_terms(cohort, base, tmp_path):
    run(shrunk("joint", cohort, init=str(base)), tmp_path / "run")
    trained = [line for line in lines_of(tmp_path / "run") if "loss" in line]
    assert len(trained) == 4
    weights = {"direct": 1.0, "contrastive": 1.0, "views": 0.5}
    for line in trained:
        parts = [weight * line[f"{name}/factor"] * line[f"{name}/loss"] for name, weight in weights.items()]
        assert line["loss"] == pytest.approx(sum(parts), rel=1e-5)
    validated = [line for line in lines_of(tmp_path / "run") if "validation_loss" in line][-1]
    assert validated["validation_loss"] == pytest.approx(
        sum(w * validated[f"validation_{name}/loss"] for name, w in weights.items()), rel=1e-5
    )
    assert {"direct", "contrastive", "views", "image"} == set(open_weights(tmp_path / "run").params)


@pytest.mark.long
def test_anchored_begins_at_the_base_leaves_it_and_goes_on_with_it_after_a_stop(cohort, base, tmp_path, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(shrunk("anchored", cohort, init=str(base)), whole)
    lines = lines_of(whole)
    validated = [line["validation_anchor/loss"] for line in lines if "validation_loss" in line]
    assert validated[0] == pytest.approx(0.0, abs=1e-9) and validated[-1] > validated[0]
    weights = open_weights(whole)
    assert set(weights.params) == {"image", "direct"}
    start = by_name(open_weights(base).params["image"])
    assert any(not np.array_equal(leaf, start[name]) for name, leaf in by_name(weights.params["image"]).items())

    calls = itertools.count()
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "requested", lambda self: next(calls) > 3)
        with pytest.raises(StoppedEarly, match="stopped at step [1-3] of 4"):
            run(shrunk("anchored", cohort, init=str(base)), stopped)
    run(shrunk("anchored", cohort, init=str(base)), stopped)
    again = by_name(open_weights(stopped).params)
    for name, leaf in by_name(weights.params).items():
        np.testing.assert_array_equal(again[name], leaf, err_msg=name)

    tiles = np.random.default_rng(0).integers(0, 255, (3, 2, weights.card.tile, weights.card.tile, 3)).astype(np.uint8)
    images = normalised(jax.numpy.asarray(tiles), weights.card.mean, weights.card.std)
    found = jax.jit(objective_of(weights).predict)(weights.params, images, np.ones((3, 2), bool))
    assert found["direct"]["expression"].shape == (3, 40) and found["anchor"] == {}


@pytest.mark.long
def test_anchored_with_low_rank_factors_keeps_no_second_tower(cohort, base, tmp_path):
    run(shrunk("anchored", cohort, init=str(base), lora={"rank": 2}, train_for="2 steps"), tmp_path / "run")
    assert set(open_weights(tmp_path / "run").params) == {"image", "direct"}
    validated = [line["validation_anchor/loss"] for line in lines_of(tmp_path / "run") if "validation_loss" in line]
    assert validated[0] == pytest.approx(0.0, abs=1e-9) and validated[-1] > 0


def test_a_term_whose_modality_the_cohort_lacks_is_one_sentence(cohort, base, tmp_path):
    objective = {"name": "joint", "terms": {"direct": 1.0, "contrastive": {"weight": 0.3, "modality": "text"}}}
    with pytest.raises(InputError, match="there is no .*text.h5ad; put a matrix .* there .*, or leave out the term that needs it") as error:
        run(shrunk("joint", cohort, init=str(base), objective=objective), tmp_path / "run")
    assert "\n" not in str(error.value) and not (tmp_path / "run" / "weights").exists()
