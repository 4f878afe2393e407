"""Training with an adversary, with three towers and with transformer pooling, from cohort folder to evaluation; and what is refused."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from pathfm.cohort.opened import Cohort
from pathfm.errors import InputError
from pathfm.features.encoder import Encoder
from pathfm.features.shared_space import spaces_of
from pathfm.features.store import FeatureStore
from pathfm.files import read_parquet, write_parquet
from pathfm.settings.command_line import load
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig
from pathfm.train import run
from pathfm.weights.folder import open_weights
from tests.small_cohort import make_small_cohort, write_text

SMALL = {"model": "demo", "batch": 8, "tiles": 2, "train_for": "2 steps", "log_every": "1 steps", "select": "last", "panel": "all"}
NARROW = {"projection": 8, "hidden": 16}
CONTRASTIVE = {"name": "joint", "terms": {"contrastive": NARROW, "adversary": {"hidden": 8, "within_cancer": True}}}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=48)
    write_text(folder)
    return folder


def trained(folder, workdir, objective, **more):
    run(from_dict(TrainConfig, SMALL | {"cohort": str(folder.root), "objective": objective} | more), workdir)
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()], open_weights(workdir)


@pytest.mark.slow
@pytest.mark.long
def test_an_adversary_trains_beside_another_term_and_has_no_say_in_which_weights_are_kept(cohort, tmp_path):
    lines, weights = trained(cohort, tmp_path / "run", CONTRASTIVE)
    last = next(line for line in reversed(lines) if "loss" in line)
    np.testing.assert_allclose(last["loss"], last["contrastive/loss"] + last["adversary/loss"], rtol=1e-5)
    assert last["adversary/strength"] == pytest.approx(2 / (1 + np.exp(-5.0)) - 1, rel=1e-5)  # the second step of two
    assert lines[-1]["validation_loss"] == pytest.approx(lines[-1]["validation_contrastive/loss"], rel=1e-5)
    hospitals = {name[5:7] for name in Cohort.open(cohort.root).patients(0, "train")}
    assert weights.params["adversary"]["head"]["out"]["bias"].shape == (len(hospitals),)
    assert [space.name for space in spaces_of(weights, Cohort.open(cohort.root))] == ["contrastive"]


@pytest.mark.slow
@pytest.mark.long
def test_three_towers_train_with_their_own_pooling_and_are_evaluated_with_it(cohort, tmp_path):
    lines, weights = trained(cohort, tmp_path / "run", {"name": "towers", **NARROW}, pooling="transformer")
    assert {"validation_image_and_text/retrieval_at_1", "validation_expression_and_text/loss_share"} <= set(lines[-1])
    assert set(weights.panels) == {"expression", "text"} and weights.card.pooling == "transformer"
    opened = Cohort.open(cohort.root)
    features = FeatureStore(Encoder.of(weights), tmp_path / "cache", 8).features(cohort, opened.slides)
    assert features.pooling == "transformer"
    people = opened.people(0).set_index("patient").loc[features.patients].reset_index()
    spaces = spaces_of(weights, opened)
    assert [(space.name, space.modality) for space in spaces] == [("towers, expression", "expression"), ("towers, text", "text")]
    images, _, present = zip(*(space.embedded(features.matrix, people) for space in spaces), strict=True)
    np.testing.assert_array_equal(*images)
    assert present[0].all() and present[1].sum() == 32


@pytest.mark.parametrize(
    ("objective", "damage", "message"),
    [
        ({"name": "towers", **NARROW}, "text", "there is no .*text.h5ad; .*pathfm vectors.*or leave out the term"),
        (CONTRASTIVE, "one site", "adversary tells hospitals apart, and all training patients whose hospital is known are of one"),
        (CONTRASTIVE, "no site", "adversary tells hospitals apart, and no training patient's is known"),
    ],
)
def test_what_a_term_needs_and_the_cohort_lacks_is_one_sentence(objective, damage, message, tmp_path):
    folder = make_small_cohort(tmp_path / "cohort", patients=48)
    if damage != "text":
        pairs = read_parquet(folder.pairs)
        sites = pd.Series(["A0" if damage == "one site" else None] * len(pairs), dtype=object)
        write_parquet(pairs.assign(site=sites), folder.pairs)
    with pytest.raises(InputError, match=message):
        trained(folder, tmp_path / "run", objective)
    assert not (tmp_path / "run" / "weights").exists()


@pytest.mark.parametrize(("name", "terms"), [("adversary", ["adversary", "contrastive"]), ("adversary:direct", ["adversary", "direct"])])
def test_the_recipe_of_the_adversary_goes_with_either_objective(name, terms):
    config = from_dict(TrainConfig, load(name) | {"cohort": "COHORT"})
    assert sorted(config.objective.terms) == terms and asdict(config.objective)["terms"]["adversary"]["within_cancer"]
