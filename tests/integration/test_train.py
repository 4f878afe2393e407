"""Training as a user runs it: every shipped config, a kill at a random step, a stop on request, the null control, leaks."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from pathfm.cli import main
from pathfm.errors import STOPPED_EARLY, WRONG_INPUT, InputError, StoppedEarly
from pathfm.features import predictable
from pathfm.folders.run import RunFolder
from pathfm.input.training_data import open_training_data
from pathfm.modalities.panel import Panel
from pathfm.models.vit import by_name
from pathfm.probes import cross_fitted
from pathfm.settings.command_line import load
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig
from pathfm.train import run
from pathfm.training.interruption import Interruption
from pathfm.weights.folder import open_weights
from pathfm.zoo.known import known
from pathfm.zoo.namings import HF_VIT
from pathfm.zoo.rules import write_tensors
from tests.parity import random_params
from tests.small_cohort import make_small_cohort

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=48).root


@pytest.fixture(scope="module")
def base(cohort, tmp_path_factory):
    """The config of the demo's base, shrunk and run for two steps."""
    workdir = tmp_path_factory.mktemp("runs") / "base"
    run(shrunk("views", cohort, model="demo"), workdir)
    return workdir


def shrunk(name, cohort, **changes):
    given = load(str(CONFIGS / f"{name}.py")) | {"cohort": str(cohort), "batch": 8, "train_for": "2 steps", "panel": "protein_coding"}
    return from_dict(TrainConfig, given | changes)


def arguments(name, cohort, workdir, *settings):
    config = ["--config", str(CONFIGS / f"{name}.py"), f"--config.cohort={cohort}", "--workdir", str(workdir)]
    return [sys.executable, "-m", "pathfm.train", *config, *settings]


def one_device():
    return os.environ | {"JAX_NUM_CPU_DEVICES": "1"}


def parameters(workdir):
    return by_name(open_weights(workdir).params)


@pytest.mark.parametrize("name", [pytest.param("contrastive", marks=pytest.mark.long), "direct"])
def test_a_shipped_config_trains_from_the_base_and_says_what_it_did(name, cohort, base, tmp_path):
    run(shrunk(name, cohort, init=str(base)), tmp_path / name)
    weights, start = open_weights(tmp_path / name), open_weights(base)
    assert weights.card.base.weight_hash == start.card.weight_hash != weights.card.weight_hash
    assert weights.card.paired.features == len(weights.panel.genes) > 0
    assert weights.patients == start.patients
    assert not [patient for patient in weights.patients if patient in (tmp_path / name / "weights" / "card.json").read_text()]
    lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    assert {line["step"] for line in lines} == {0, 1, 2}
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
    assert list((tmp_path / name / "tensorboard").iterdir())


@pytest.mark.long
def test_contrastive_learns_in_parts_what_it_learns_from_the_whole_batch(cohort, base, tmp_path):
    losses = []
    for microbatch in (16, 8):
        workdir = tmp_path / str(microbatch)
        run(shrunk("contrastive", cohort, init=str(base), batch=16, microbatch=microbatch), workdir)
        lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
        losses.append([value for line in lines for name, value in line.items() if name in ("loss", "validation_loss")])
    assert len(losses[0]) >= 4
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.long
def test_imported_weights_are_tuned_and_go_back_in_their_own_naming(cohort, tmp_path):
    spec = known("demo").spec
    theirs = write_tensors(random_params(spec), spec, HF_VIT.rules(spec)) | {"pooler.dense.bias": np.ones(spec.width, np.float32)}
    save_file(theirs, tmp_path / "model.safetensors")
    assert main(["import", str(tmp_path / "model.safetensors"), "--arch", "demo", "--out", str(tmp_path / "base")]) == 0
    run(shrunk("direct", cohort, init=str(tmp_path / "base"), select="last"), tmp_path / "run")
    assert main(["export", "--checkpoint", str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 0
    tuned = load_file(tmp_path / "out" / "model.safetensors")
    assert {name: tensor.shape for name, tensor in tuned.items()} == {name: tensor.shape for name, tensor in theirs.items()}
    assert (tuned["pooler.dense.bias"] == 1).all() and (tuned["layernorm.weight"] != theirs["layernorm.weight"]).any()
    assert "tuned to predict the bulk gene expression" in (tmp_path / "out" / "README.md").read_text()


def test_a_panel_that_the_base_chooses_is_learned_once_and_the_same_for_both_ways_to_tune(cohort, base, tmp_path, monkeypatch, capsys):
    settings = {"init": str(base), "panel": "predictable:8", "train_for": "2 steps", "evaluate_every": "2 steps"}
    monkeypatch.setattr(cross_fitted, "SHUFFLED", 500)
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "requested", lambda self: True)
        for name in ("direct", "contrastive"):
            with pytest.raises(StoppedEarly):
                run(shrunk(name, cohort).replace(**settings), tmp_path / name)
    assert capsys.readouterr().err.count("24 training patients go through the base, at most 32 of each") == 2
    panel, other = (Panel.read(tmp_path / name / "panel.parquet") for name in ("direct", "contrastive"))
    assert sum(int(gene[4:]) < 20 for gene in panel.genes) >= 6  # the tiles show the first twenty genes
    assert other.hash == panel.hash
    np.testing.assert_array_equal(other.r, panel.r)

    monkeypatch.setattr(predictable, "mean_features", None)  # nothing is embedded again
    shutil.move(tmp_path / "direct", tmp_path / "elsewhere")
    run(shrunk("direct", cohort).replace(**settings), tmp_path / "elsewhere")
    weights = open_weights(tmp_path / "elsewhere")
    assert weights.card.paired.choice == "predictable:8" and weights.card.paired.features == 8
    assert weights.panel.hash == panel.hash
    np.testing.assert_array_equal(weights.panel.r, panel.r)
    panel.of(np.arange(7), np.ones(8)).write(tmp_path / "elsewhere" / "panel.parquet")
    with pytest.raises(InputError, match="was begun before its panels of features changed"):
        run(shrunk("direct", cohort).replace(**settings), tmp_path / "elsewhere")


def test_a_panel_that_a_base_chooses_needs_a_base(cohort, tmp_path):
    with pytest.raises(InputError, match=r"the panel predictable:8 is what a base's features show; give --config.init=DIR"):
        run(shrunk("direct", cohort, model="demo").replace(panel="predictable:8"), tmp_path)


@pytest.mark.long
def test_a_run_killed_at_any_moment_ends_with_the_same_bits(cohort, base, tmp_path):
    settings = [f"--config.init={base}", "--config.batch=8", "--config.panel=protein_coding", "--config.train_for=16 steps"]
    settings += ["--config.evaluate_every=2 steps", "--config.select=last"]
    whole = subprocess.run(
        arguments("contrastive", cohort, tmp_path / "whole", *settings), env=one_device(), capture_output=True, text=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    command = arguments("contrastive", cohort, tmp_path / "killed", *settings)
    seed = time.time_ns()
    print(f"the moments of the kills are drawn with the seed {seed}")  # shown when the test fails
    chance = random.Random(seed)
    for wanted in (chance.randrange(1, 6), chance.randrange(6, 16)):  # the save of step 2 is whole before that of step 4 begins
        process = subprocess.Popen(command, env=one_device(), stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("step ") and int(line.split()[1].split("/")[0]) >= wanted:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = subprocess.run(command, env=one_device(), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert "going on from step" in last.stderr
    expected, found = parameters(tmp_path / "whole"), parameters(tmp_path / "killed")
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        assert values.tobytes() == found[name].tobytes(), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    whole_lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    killed_lines = [json.loads(line) for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    losses = [[(line["step"], line["loss"]) for line in lines if "loss" in line] for lines in (whole_lines, killed_lines)]
    assert losses[0] == losses[1]


def test_a_run_stops_on_request_with_code_75_and_leaves_a_checkpoint(cohort, base, tmp_path):
    settings = [f"--config.init={base}", "--config.batch=8", "--config.panel=protein_coding", "--config.train_for=100000 steps"]
    settings += ["--config.evaluate_every=100000 steps", "--config.log_every=1 steps"]
    process = subprocess.Popen(arguments("direct", cohort, tmp_path, *settings), env=one_device(), stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("step 2/"):
            break
    process.send_signal(signal.SIGTERM)
    rest = process.communicate()[1]
    assert process.returncode == STOPPED_EARLY
    assert "run the same command again to go on" in rest
    assert [path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdecimal() and int(path.name) >= 2]
    with pytest.raises(InputError, match="not finished"):
        open_weights(tmp_path)


@pytest.mark.parametrize(("name", "select"), [("direct", "best"), pytest.param("contrastive", "last", marks=pytest.mark.long)])
def test_a_run_that_diverges_ends_in_words_with_its_best_weights_and_does_not_begin_again(name, select, cohort, base, tmp_path):
    far = {"learning_rate": 1e30, "warmup": "1 steps", "clip_norm": 1e30}
    config = shrunk(name, cohort, init=str(base), train_for="100 steps", evaluate_every="1 steps", log_every="1 steps", optimizer=far)
    config = config.replace(select=select)
    with pytest.raises(InputError, match="training has diverged: the .* at step .* is not finite") as error:
        run(config, tmp_path)
    weights = open_weights(tmp_path)
    assert f"best so far, of step {weights.card.step}" in str(error.value)
    assert all(np.isfinite(values).all() for values in by_name(weights.params).values())
    saved = {int(path.name) for path in (tmp_path / "checkpoints").iterdir()}
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["validation_loss"] for line in lines if "validation_loss" in line}
    assert f"checkpoint is that of step {max(saved)}" in str(error.value)
    assert all(losses[step] is not None for step in saved)
    assert weights.card.step == min(saved, key=lambda step: losses[step])
    with pytest.raises(InputError, match="diverged: its .* remove .*diverged.json to go on"):
        run(config, tmp_path)


def test_steps_that_are_left_out_end_the_run_when_they_are_too_many_in_a_row(cohort, base, tmp_path):
    far = {"learning_rate": 1e30, "warmup": "1 steps", "clip_norm": 1e30, "skip": 2}
    config = shrunk("direct", cohort, init=str(base), train_for="100 steps", evaluate_every="100 steps", log_every="1 steps", optimizer=far)
    with pytest.raises(InputError, match=r"training has diverged: the gradients up to step \d+ are not finite or too large.* of step 0"):
        run(config, tmp_path)
    assert open_weights(tmp_path).card.step == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert max(line["skipped_in_a_row"] for line in lines if "skipped_in_a_row" in line) == 3
    with pytest.raises(InputError, match="diverged: its gradients up to step"):
        run(config, tmp_path)


@pytest.mark.long
def test_a_run_with_an_average_goes_on_with_it_and_keeps_it(cohort, base, tmp_path, monkeypatch):
    settings = {"init": str(base), "train_for": "4 steps", "evaluate_every": "2 steps", "select": "last"}
    settings["optimizer"] = {"learning_rate": 1e-2, "warmup": "1 steps", "ema": 0.9, "trainable": "last:1", "skip": 2}
    run(shrunk("direct", cohort, **settings), tmp_path / "whole")
    calls = itertools.count()
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "requested", lambda self: next(calls) > 4)
        with pytest.raises(StoppedEarly, match="stopped at step [1-3] of 4"):
            run(shrunk("direct", cohort, **settings), tmp_path / "stopped")
    run(shrunk("direct", cohort, **settings), tmp_path / "stopped")
    whole, stopped, before = (parameters(folder) for folder in (tmp_path / "whole", tmp_path / "stopped", base))
    for name, values in whole.items():
        np.testing.assert_allclose(stopped[name], values, rtol=1e-4, atol=1e-6)
    frozen = {name for name in whole if name in before and whole[name].tobytes() == before[name].tobytes()}
    last = f"image/blocks_{known('demo').spec.depth - 1}/"
    assert frozen == {name for name in before if name.startswith("image/") and not name.startswith((last, "image/norm"))}


@pytest.mark.long
def test_a_stopped_run_goes_on_under_another_placement_with_the_losses_of_the_undisturbed_one(cohort, base, tmp_path, monkeypatch):
    settings = {"init": str(base), "train_for": "6 steps", "evaluate_every": "3 steps", "log_every": "1 steps"}
    config = shrunk("contrastive", cohort, **settings, mesh={"data": 4, "fsdp": 1})
    run(config, tmp_path / "whole")
    calls = itertools.count()
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "requested", lambda self: next(calls) > 4)
        with pytest.raises(StoppedEarly, match="stopped at step [1-5] of 6"):
            run(config, tmp_path / "stopped")
    moved = {"mesh": {"data": 2, "fsdp": 2}, "workers": 1, "threads": 2, "remat": "blocks", "log_every": "2 steps", "max_bad": 0.5}
    run(shrunk("contrastive", cohort, **settings | moved), tmp_path / "stopped")
    whole, stopped = (RunFolder(tmp_path / name).metrics() for name in ("whole", "stopped"))
    for name in ("loss", "validation_loss"):
        expected = {line["step"]: line[name] for line in whole if name in line}
        found = {line["step"]: line[name] for line in stopped if name in line}
        assert 6 in found and found.keys() <= expected.keys()
        np.testing.assert_allclose([*found.values()], [expected[step] for step in found], rtol=1e-3)


@pytest.mark.long
def test_frozen_parameters_are_those_of_the_base_and_in_no_checkpoint(cohort, base, tmp_path):
    run(shrunk("direct", cohort, init=str(base), optimizer={"freeze": ["image/.*"]}), tmp_path / "frozen")
    before, after = (by_name(open_weights(folder).params) for folder in (base, tmp_path / "frozen"))
    image = [name for name in after if name.startswith("image/")]
    assert image and all(before[name].tobytes() == after[name].tobytes() for name in image)
    sizes = {
        name: sum(path.stat().st_size for path in (tmp_path / name).rglob("*") if path.is_file())
        for name in ("frozen/checkpoints", "frozen/weights")
    }
    assert sizes["frozen/checkpoints"] < 0.5 * sizes["frozen/weights"]
    with pytest.raises(InputError, match="freeze every parameter"):
        run(shrunk("direct", cohort, init=str(base), optimizer={"freeze": [".*"]}), tmp_path / "nothing")


@pytest.mark.long
def test_a_run_whose_base_has_changed_does_not_go_on(cohort, base, tmp_path):
    shutil.copytree(base, tmp_path / "base")
    run(shrunk("direct", cohort, init=str(tmp_path / "base")), tmp_path / "run")
    run(shrunk("views", cohort, model="demo", seed=1), tmp_path / "other")
    shutil.rmtree(tmp_path / "base")
    shutil.copytree(tmp_path / "other", tmp_path / "base")
    with pytest.raises(InputError, match="was begun before the base weights changed"):
        run(shrunk("direct", cohort, init=str(tmp_path / "base")), tmp_path / "run")


@pytest.mark.long
def test_lora_leaves_plain_weights_that_differ_from_the_base_by_low_rank(cohort, base, tmp_path):
    run(shrunk("direct", cohort, init=str(base), lora={"rank": 2, "modules": "blocks_0/mlp/in"}), tmp_path / "lora")
    assert open_weights(tmp_path / "lora").params.keys() == {"image", "head"}
    before, after = (by_name(open_weights(folder).params["image"]) for folder in (base, tmp_path / "lora"))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"blocks_0/mlp/in/kernel"}
    change = after["blocks_0/mlp/in/kernel"] - before["blocks_0/mlp/in/kernel"]
    assert np.linalg.matrix_rank(change, tol=1e-3 * np.linalg.norm(change)) == 2


def opened(cohort, modalities=("expression",), **recipe):
    return open_training_data(str(cohort), 0, shrunk("direct", cohort, **recipe).recipe, modalities)


def values(part):
    return part.vectors["expression"].values


def test_permuted_pairing_moves_expression_among_training_patients_only(cohort):
    true, permuted, in_site = (opened(cohort, pairing=pairing) for pairing in ("true", "permuted", "permuted_in_site"))
    np.testing.assert_array_equal(values(true.validation), values(permuted.validation))
    for null in (permuted, in_site):
        assert not (values(true.train) == values(null.train)).all(axis=1).any()
        np.testing.assert_array_equal(np.sort(values(true.train), axis=0), np.sort(values(null.train), axis=0))
    site = [patient[5:7] for patient in true.train.index.patients]
    giver = [int(np.flatnonzero((values(true.train) == row).all(axis=1))[0]) for row in values(in_site.train)]
    assert [site[number] for number in giver] == site
    assert true.panels["expression"].hash == permuted.panels["expression"].hash


def test_the_residual_holds_no_mean_of_a_hospital(cohort):
    data, raw = opened(cohort, residual="cancer_and_site"), opened(cohort)
    assert data.panels["expression"].hash == raw.panels["expression"].hash
    for part, before in ((data.train, raw.train), (data.validation, raw.validation)):
        site = pd.Series([patient[5:7] for patient in part.index.patients])
        several = site.groupby(site).filter(lambda members: len(members) > 1)
        means = [pd.DataFrame(values(one)[several.index]).groupby(several.to_numpy()).mean().to_numpy() for one in (part, before)]
        assert np.abs(means[0]).max() < 1e-4 < np.abs(means[1]).max()


def test_the_panel_is_fitted_on_training_patients_alone(cohort):
    data = opened(cohort)
    np.testing.assert_allclose(values(data.train).mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(values(data.train).std(axis=0), 1.0, atol=1e-2)
    assert np.abs(values(data.validation).mean(axis=0)).max() > 0.01


def test_weights_that_have_seen_test_patients_are_no_start(cohort, base, tmp_path):
    patients = base / "weights" / "patients.json"
    kept = patients.read_text()
    held_out = sorted(opened(cohort, modalities=()).held_out)
    patients.write_text(json.dumps([*json.loads(kept), held_out[0]]))
    try:
        with pytest.raises(InputError, match="were trained on 1 patient"):
            run(shrunk("direct", cohort, init=str(base)), tmp_path / "leak")
    finally:
        patients.write_text(kept)


@pytest.mark.long
def test_too_many_broken_records_stop_the_run(tmp_path, base):
    from pathfm.slides.records import write_records

    folder = make_small_cohort(tmp_path / "cohort", patients=48)
    for path in sorted((folder.root / "tiles").glob("*.array_record")):
        write_records(path, [b"not a picture"] * 6)
    process = subprocess.run(
        arguments("views", folder.root, tmp_path / "run", "--config.model=demo", "--config.batch=8", "--config.train_for=2 steps"),
        env=one_device(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == WRONG_INPUT
    assert "do not decode" in process.stderr and "--config.max_bad" in process.stderr
    assert "Traceback" not in process.stderr
