"""A term that is written outside the package takes part in training through one line, alone, jointly, and from its weights folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.cohort.opened import Cohort
from pathfm.models.images import normalised
from pathfm.objectives.losses import mean_where, normal
from pathfm.settings.schema import from_dict
from pathfm.settings.terms import TermSettings, term
from pathfm.settings.training import TrainConfig
from pathfm.train import run
from pathfm.weights.applied import objective_of
from pathfm.weights.folder import open_weights
from tests.small_cohort import make_small_cohort, write_text

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Nearest:
    """Squares between a linear head and the vector, and to the nearest profile of the bank: made up, but it reads all that a term may."""

    settings: Any
    widths: Any
    views: int = 1
    reads: str = "bag"
    additive: bool = True
    needs_bank: bool = True

    @property
    def modality(self) -> str:
        return self.settings.modality

    def init(self, rng):
        return {"kernel": normal(rng, self.widths.features, self.widths.vectors[self.modality])}

    def counted(self, batch):
        return (batch["patient"] >= 0) & batch["present"][self.modality]

    def loss(self, params, features, batch, bank, rng, *, train):
        prediction = features["bag"] @ params["kernel"]
        error = jnp.mean((prediction - batch["vectors"][self.modality]) ** 2, axis=-1)
        profiles = bank.vectors[self.modality]
        distance = jnp.mean((prediction[:, None] - profiles[None]) ** 2, axis=-1)
        nearest = jnp.min(jnp.where(bank.present[self.modality][None], distance, jnp.inf), axis=1)
        return error + self.settings.pull * nearest, {
            "loss_share": mean_where(error, self.counted(batch)),
            "bank": jnp.float32(len(profiles)),
        }

    def predict(self, params, bag):
        return {"guess": bag @ params["kernel"]}

    def warnings(self, validation: Mapping[str, float]):
        return []

    def flops(self, batch, tiles):
        return 0.0


@dataclass(frozen=True, kw_only=True)
class NearestSettings(TermSettings):
    made_by: ClassVar[Any] = Nearest

    name: str = "nearest"
    modality: str = "text"
    pull: float = 0.1


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=48)
    write_text(folder)
    return folder.root


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(TermSettings, "kinds", dict(TermSettings.kinds))
    term(NearestSettings)  # the one line


def trained(cohort, workdir, objective, **more):
    values = {"cohort": str(cohort), "model": "demo", "batch": 8, "train_for": "2 steps", "log_every": "1 steps", "select": "last"}
    run(from_dict(TrainConfig, values | {"objective": objective} | more), workdir)
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()], open_weights(workdir)


def test_it_trains_alone_on_a_modality_that_some_patients_lack(cohort, tmp_path):
    lines, weights = trained(cohort, tmp_path / "run", {"name": "nearest", "pull": 0.5}, microbatch=8)
    assert lines[-1]["validation_bank"] == len(Cohort.open(cohort).patients(0, "train"))
    assert weights.card.settings == {"name": "nearest", "weight": 1.0, "modality": "text", "pull": 0.5}
    assert weights.panels["text"].genes and weights.panel is None


@pytest.mark.long
def test_jointly_with_direct_it_is_predicted_from_the_weights_folder_alone(cohort, tmp_path):
    lines, weights = trained(cohort, tmp_path / "run", {"name": "joint", "terms": {"direct": 1.0, "nearest": 0.25}})
    last = next(line for line in reversed(lines) if "loss" in line)
    np.testing.assert_allclose(last["loss"], last["direct/loss"] + 0.25 * last["nearest/loss"], rtol=1e-5)
    assert {"validation_direct/loss_share", "validation_nearest/loss_share"} <= set(lines[-1])
    assert {"image", "direct", "nearest"} == set(weights.params)

    objective, card = objective_of(weights), weights.card
    tiles = np.random.default_rng(0).integers(0, 255, (3, 2, card.tile, card.tile, 3)).astype(np.uint8)
    found = jax.jit(objective.predict)(weights.params, normalised(jnp.asarray(tiles), card.mean, card.std), np.ones((3, 2), bool))
    assert found["direct"]["expression"].shape == (3, len(weights.panel.genes))
    assert found["nearest"]["guess"].shape == (3, 5)
    feature = objective.tower.bags(weights.params, normalised(jnp.asarray(tiles), card.mean, card.std), np.ones((3, 2), bool))
    head = weights.params["direct"]["head"]
    np.testing.assert_allclose(found["direct"]["expression"], feature @ head["kernel"] + head["bias"][None], rtol=1e-5, atol=1e-6)
