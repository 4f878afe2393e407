"""`pathfm blend` as a user runs it: the curve, the choice, weights that every command takes, soups, LoRA, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest

from pathfm.blend import Asked, Point, best_alpha, ingredients
from pathfm.cli import main
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.opened import Cohort
from pathfm.cohort.splits import Splits
from pathfm.errors import WRONG_INPUT, InputError
from pathfm.models.vit import by_name
from pathfm.settings.command_line import load
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig
from pathfm.train import run
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.model_card import _training
from tests.small_cohort import make_small_cohort, write_expression

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

pytestmark = pytest.mark.slow


def trained(name, cohort, workdir, **changes):
    small = {"cohort": str(cohort), "batch": 8, "tiles": 2, "train_for": "2 steps", "evaluate_every": "2 steps", "panel": "protein_coding"}
    run(from_dict(TrainConfig, load(str(CONFIGS / f"{name}.py")) | small | changes), workdir)
    return workdir


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=72, tiles=3).root


@pytest.fixture(scope="module")
def runs(cohort, tmp_path_factory):
    """A base, and what was tuned from it."""
    root = tmp_path_factory.mktemp("runs")
    trained("views", cohort, root / "base", model="demo")
    tuned(cohort, root, "direct")
    return root


def tuned(cohort, root, name, **changes):
    fast = {"learning_rate": 3e-3, "warmup": "1 steps"}
    return trained("direct", cohort, root / name, init=str(root / "base"), optimizer=fast, select="last", **changes)


def blended(base, tuned, cohort, out, *more):
    tuned = tuned if isinstance(tuned, list) else [tuned]
    return main(["blend", "--base", str(base), "--tuned", *map(str, tuned), "--cohort", str(cohort), "--out", str(out), *more])


def test_a_blend_lies_between_its_card_says_so_and_other_commands_take_it(cohort, runs, tmp_path, capsys):
    out = tmp_path / "blend"
    assert blended(runs / "base", runs / "direct", cohort, out, "--alphas", "1,0,0.5") == 0
    said = capsys.readouterr().err
    base, direct, found = (open_weights(folder) for folder in (runs / "base", runs / "direct", out))
    blend = found.card.blend
    assert [point["alpha"] for point in blend.curve] == [0.0, 0.5, 1.0] and said.count("blend: α = ") == 3
    assert blend.alpha == max(blend.curve, key=lambda point: point["r"])["alpha"] and blend.by == "probe"
    assert (blend.base.weight_hash, blend.tuned[0].weight_hash) == (base.card.weight_hash, direct.card.weight_hash)
    for name, values in by_name(found.params["image"]).items():
        ends = [by_name(one.params["image"])[name] for one in (base, direct)]
        np.testing.assert_allclose(values, (1 - blend.alpha) * ends[0] + blend.alpha * ends[1], atol=1e-6)
    assert found.patients == direct.patients and found.panel.hash == direct.panel.hash
    assert found.card.recipe_hash not in (None, direct.card.recipe_hash) and found.card.base.weight_hash == base.card.weight_hash
    losses = [json.loads(line) for line in (runs / "direct" / "metrics.jsonl").read_text().splitlines()]
    last = [line["validation_loss"] for line in losses if line["step"] == 2 and "validation_loss" in line]
    assert blend.curve[-1]["loss"] == pytest.approx(last[-1], rel=1e-4)  # at 1 it is the run itself
    assert f"{blend.alpha:g} · direct, {direct.card.weight_hash}" in _training(found)
    assert not [patient for patient in found.patients if patient in (out / "weights" / "card.json").read_text()]

    arguments = ["--config", str(CONFIGS / "evaluate.py"), f"--config.checkpoint={out}", f"--config.cohort={cohort}"]
    arguments += ["--config.permutations=0", "--config.resamples=0", f"--config.cache={out / 'features'}"]
    assert main(["evaluate", *arguments, "--workdir", str(tmp_path / "evaluation")]) == 0
    assert json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["card"]["blend"]["alpha"] == blend.alpha
    assert main(["export", "--checkpoint", str(out), "--out", str(tmp_path / "out.safetensors")]) == 0


@pytest.mark.long
def test_the_loss_chooses_where_it_is_asked_to_and_lora_is_merged_before(cohort, runs, tmp_path):
    tuned(cohort, runs, "lora", lora={"rank": 2})
    assert blended(runs / "base", runs / "lora", cohort, tmp_path / "blend", "--alphas", "0.25,1", "--by", "loss") == 0
    base, merged, found = (open_weights(folder) for folder in (runs / "base", runs / "lora", tmp_path / "blend"))
    assert "lora" not in found.params
    losses = {point["alpha"]: point["loss"] for point in found.card.blend.curve}
    assert found.card.blend.alpha == min(losses, key=lambda alpha: (losses[alpha], alpha))
    name = "blocks_0/attention/qkv/kernel"
    change = [by_name(one.params["image"])[name] - by_name(base.params["image"])[name] for one in (merged, found)]
    assert np.abs(change[0]).max() > 0
    np.testing.assert_allclose(change[1], found.card.blend.alpha * change[0], atol=1e-6)


@pytest.mark.long
def test_several_runs_are_averaged_first_and_a_soup_names_them(cohort, runs, tmp_path, capsys):
    out = tmp_path / "soup"
    tuned(cohort, runs, "other", seed=1)
    assert blended(runs / "base", [runs / "direct", runs / "other"], cohort, out, "--alphas", "1") == 0
    assert "drew their heads from different seeds" in capsys.readouterr().err
    one, other, found = (open_weights(folder) for folder in (runs / "direct", runs / "other", out))
    for name, values in by_name(found.params).items():
        np.testing.assert_allclose(values, (by_name(one.params)[name] + by_name(other.params)[name]) / 2, atol=1e-6)
    assert [member.name for member in found.card.blend.tuned] == ["direct", "other"]
    assert "the mean of direct" in _training(found)


@pytest.mark.long
def test_a_run_without_expression_is_blended_by_its_loss(cohort, runs, tmp_path, capsys):
    assert blended(runs / "base", runs / "base", cohort, tmp_path / "blend") == WRONG_INPUT
    assert "there are no genes to probe; give --by loss" in capsys.readouterr().err
    assert blended(runs / "base", runs / "base", cohort, tmp_path / "blend", "--by", "loss", "--alphas", "0,1") == 0
    said = capsys.readouterr().err
    assert "was not tuned from" in said and "the tower is the base's" in said
    assert [point["r"] for point in open_weights(tmp_path / "blend").card.blend.curve] == [None, None]


def test_copies_that_a_launcher_starts_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert blended("base", "tuned", "cohort", tmp_path) == WRONG_INPUT
    assert "this runs in one process, and 2 were started" in capsys.readouterr().err


def test_what_is_wrong_is_one_sentence(cohort, runs, tmp_path, capsys):
    out = tmp_path / "out"

    def refused(*words, base=runs / "base", tuned=runs / "direct", more=(), folder=cohort, out=out):
        assert blended(base, tuned, folder, out, *more) == WRONG_INPUT
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.startswith("pathfm blend: ") and all(word in said for word in words), said
        assert not (out / "weights" / "card.json").exists() or out == runs / "direct"

    refused("--alphas has 1.5, which lies outside 0", more=("--alphas", "0,1.5"))
    refused("--alphas is '0;1'; give numbers", more=("--alphas", "0;1"))
    refused("there is no folder", str(tmp_path / "nowhere"), tuned=tmp_path / "nowhere")
    refused("there is no folder", base=tmp_path / "nowhere")
    refused("--tiles-per-slide must be 0 or more", more=("--tiles-per-slide", "-1"))
    refused("holds a training run; give another --out", out=runs / "direct")
    alone = tmp_path / "alone"
    shutil.copytree(runs / "direct" / "weights", alone)
    refused("is not the weights of a training run with its config.json", tuned=alone)
    base = open_weights(runs / "base")
    spec = replace(base.spec, depth=base.spec.depth - 1)
    params = {"image": {name: leaf for name, leaf in base.params["image"].items() if name != f"blocks_{spec.depth}"}}
    save_weights(tmp_path / "shallow", params, replace(base.card, architecture=spec))
    refused("holds another tower than", f"its depth is {spec.depth + 1} and not {spec.depth}", base=tmp_path / "shallow")


def test_patients_who_were_seen_and_cohorts_that_are_another_are_refused(cohort, runs, tmp_path, capsys):
    def refused(words, base=runs / "base", folder=cohort):
        assert blended(base, runs / "direct", folder, tmp_path / "out", "--alphas", "1") == WRONG_INPUT
        assert words in capsys.readouterr().err

    table = Cohort.open(cohort).splits.table
    shutil.copytree(runs / "base", tmp_path / "seen")
    patients = table["patient"][table["role"] == "val"].tolist()[:1]
    (tmp_path / "seen" / "weights" / "patients.json").write_text(json.dumps(patients))
    refused("were trained on 1 patient(s) who validate or test in fold 0", base=tmp_path / "seen")
    shutil.copytree(cohort, tmp_path / "changed")
    folder = CohortFolder(tmp_path / "changed")
    Splits(table.assign(role=table["role"].replace({"val": "test", "test": "val"})), "patient", 0, "0.5,0.2,0.3").write(folder)
    refused("was trained on another split than that of", folder=folder.root)
    Splits(table, "patient", 0, "0.5,0.2,0.3").write(folder)
    matrix = anndata.read_h5ad(folder.expression)
    write_expression(folder, matrix.obs["patient"].tolist(), np.asarray(matrix.X)[:, ::-1])
    refused("has changed since", folder=folder.root)


class Stub:
    def __init__(self, name, value):
        self.path, self.value = name, value


def test_a_greedy_soup_takes_what_does_not_make_it_worse(monkeypatch):
    monkeypatch.setattr("pathfm.blend.mean_of", lambda members: Stub("mean", sum(one.value for one in members) / len(members)))
    asked = Asked(base="", tuned=("a", "b", "c"), cohort="", out="", alphas=(1.0,), soup="greedy")
    runs = [Stub("a", 0.0), Stub("b", 10.0), Stub("c", 4.0)]
    kept = ingredients(runs, lambda one: Point(0.0, -abs(one.value - 6.0)), asked)  # best near 6: c alone, then with b
    assert [one.path for one in kept] == ["c", "b"]
    kept = ingredients(runs, lambda one: Point(abs(one.value - 10.0), 0.0), Asked(**{**vars(asked), "by": "loss"}))
    assert [one.path for one in kept] == ["b"]


def test_of_equal_points_the_one_next_to_the_base_is_taken_and_none_is_refused():
    curve = {0.0: Point(3.0, 0.1), 0.5: Point(1.0, 0.2), 1.0: Point(1.0, 0.2)}
    assert best_alpha(curve, "probe") == best_alpha(curve, "loss") == 0.5
    with pytest.raises(InputError, match="no α has a probe that is a number on validation patients; choose by loss"):
        best_alpha({0.0: Point(1.0, float("nan"))}, "probe")
