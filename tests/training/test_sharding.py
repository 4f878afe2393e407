"""One device and several compute the same gradients and the same losses, with parameters copied or split."""

import os
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec
from pathfm.objectives import bank as banks
from pathfm.objectives import pairs
from pathfm.objectives.bank import Bank
from pathfm.settings.regression_terms import COUNTS, LIBRARY, GeneQuery, NegativeBinomial
from pathfm.settings.terms import Anchor, Contrastive, Direct, Joint, Views
from pathfm.settings.training import MeshConfig, OptimizerConfig, TrainConfig
from pathfm.training import mesh as meshes
from pathfm.training.durations import Durations
from pathfm.training.mesh import batch_sharding, make_mesh, on_devices, replicated, state_shardings
from pathfm.training.program import Facts, Tower, make_program, preparation
from pathfm.training.rules import combined
from pathfm.training.step import Ahead

TOWER = Tower(ViTSpec(width=64, depth=1, heads=2, mlp_width=128, patch=8, image_size=16), (0.5,) * 3, (0.5,) * 3)
FACTS = Facts(tile=16, widths={"expression": 48, COUNTS: 48, LIBRARY: 1}, patients=100)
OBJECTIVES = {
    "contrastive": Contrastive(projection=32, hidden=64),
    "joint": Joint(terms={"direct": Direct(), "views": Views(projection=32)}),
    "regression": Joint(terms={"reads": NegativeBinomial(name="negative_binomial"), "gene_query": GeneQuery(width=32, gene_width=16)}),
    "siglip": Contrastive(projection=32, hidden=64, loss="siglip", targets="multi", same_cancer=True),
    "bank": Contrastive(projection=32, hidden=64, negatives="bank", same_cancer=True, noise=0.1),
    "anchored": Joint(terms={"direct": Direct(), "anchor": Anchor()}),
    "balanced": Joint(terms={"direct": Direct(), "contrastive": Contrastive(projection=32, hidden=64)}, balance="gradient"),
}


def batch_of(step, patients=16, tiles=2):
    rng = np.random.default_rng(step)
    mask = np.ones((patients, tiles), bool)
    mask[3, 1] = False  # a patient with fewer tiles
    identity = rng.permutation(100)[:patients].astype(np.int32)
    identity[-3:] = -1  # padding at the end of the last shard
    return {
        "tiles": rng.integers(0, 256, (patients, tiles, 16, 16, 3)).astype(np.uint8),
        "tile_mask": mask,
        "patient": identity,
        "site": np.zeros(patients, np.int32),
        "vectors": {
            "expression": rng.normal(size=(patients, 48)).astype(np.float32),
            COUNTS: rng.poisson(20, (patients, 48)).astype(np.float32),
            LIBRARY: rng.uniform(10, 30, (patients, 1)).astype(np.float32),
        },
        "present": dict.fromkeys(("expression", COUNTS, LIBRARY), np.ones(patients, bool)),
        "cancer": (identity % 3).astype(np.int32),
    }


def bank_of(patients=100):
    vectors = np.random.default_rng(9).normal(size=(patients, 48)).astype(np.float32)
    codes = np.arange(patients, dtype=np.int32)
    return Bank({"expression": vectors}, {"expression": codes % 7 > 0}, codes, codes % 3, codes % 5)


COLLECTIVE = re.compile(r" (?:all-gather|all-reduce|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")


def trained(name, pooling, devices, fsdp, steps):
    """The gradients of the first step and the losses of all, on a mesh of so many devices."""
    mesh = make_mesh(MeshConfig(data=devices // fsdp, fsdp=fsdp), jax.devices()[:devices])
    config = TrainConfig(
        cohort="",
        init="a base",
        objective=OBJECTIVES[name],
        batch=16,
        tiles=2,
        microbatch=8,
        pooling=pooling,
        optimizer=OptimizerConfig(learning_rate=1e-3),
    )
    program = make_program(config, TOWER, FACTS, Durations(steps, warmup=2, evaluate_every=steps, log_every=1), mesh)
    objective, prepare, batched = program.objective, preparation(program.objective.views, config.augment, TOWER), batch_sharding(mesh)

    bank = jax.device_put(bank_of(), replicated(mesh)) if objective.needs_bank else None

    def loss(params, batch, bank):
        every = combined(params, fixed)
        encoded = objective.encode(every, prepare(batch, jax.random.key(5), True))
        return objective.loss(every, encoded, batch, bank, jax.random.key(6), train=True)[0]

    state = program.start(0, base=None)
    fixed = jax.tree.map(np.asarray, state.fixed)
    first = on_devices(batched, batch_of(0))
    gradients = jax.jit(jax.grad(loss), in_shardings=(program.shardings.params, batched, replicated(mesh)))(state.params, first, bank)
    train_step = program.train_step.lower(state, first, bank).compile()
    collectives = COLLECTIVE.findall(train_step.as_text())
    assert devices * len(collectives) <= int(os.environ["NPROC"]), "XLA may wait for ever; see tests/conftest.py"
    losses = []
    for number in range(steps):
        state, metrics = train_step(state, on_devices(batched, batch_of(number % 4)), bank)
        losses.append(float(metrics["loss"]))
    return jax.tree.map(np.asarray, gradients), losses


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        pytest.param("contrastive", "attention", marks=pytest.mark.long),
        ("joint", "mean"),
        *(pytest.param(name, "mean", marks=pytest.mark.long) for name in ("regression", "siglip", "bank", "anchored", "balanced")),
    ],
)
def test_the_number_of_devices_does_not_change_training(name, pooling, monkeypatch):
    monkeypatch.setattr(meshes, "SMALLEST_SHARDED", 1024)
    if name in ("siglip", "bank"):
        monkeypatch.setattr(pairs, "CHUNK", 8)
        monkeypatch.setattr(banks, "CHUNK", 32)
    expected, losses = trained(name, pooling, 1, 1, steps=20)
    leaves = jax.tree.leaves(expected)
    whole = np.sqrt(sum(np.sum(leaf**2) for leaf in leaves))
    for devices, fsdp in [(devices, 2) for devices in (2, 4, 8) if devices in (4, jax.device_count())]:
        found, other_losses = trained(name, pooling, devices, fsdp, steps=20)
        for ours, theirs in zip(jax.tree.leaves(found), leaves, strict=True):
            assert np.linalg.norm(ours - theirs) <= 1e-5 * max(np.linalg.norm(theirs), 1e-3 * whole / np.sqrt(len(leaves)))
        np.testing.assert_allclose(other_losses, losses, rtol=1e-3)


def test_large_parameters_are_really_split():
    mesh = make_mesh(MeshConfig(data=2, fsdp=2), jax.devices()[:4])
    leaf = jax.ShapeDtypeStruct((512, 1024), jnp.float32)
    assert state_shardings(mesh, leaf).shard_shape(leaf.shape) == (512, 512)
    small = jax.ShapeDtypeStruct((1024,), jnp.float32)
    assert state_shardings(mesh, small).is_fully_replicated


def test_a_mesh_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="does not fit 4 devices"):
        make_mesh(MeshConfig(data=3, fsdp=2), jax.devices()[:4])


class Result:
    """What a step gives: notes when it is waited for."""

    def __init__(self, number, waited):
        self.number, self.waited = number, waited

    def block_until_ready(self):
        self.waited.append(self.number)
        return self


def test_the_host_is_a_few_steps_ahead_of_the_devices_and_no_more():
    ahead, waited = Ahead(), []
    for number in range(2 * Ahead.STEPS):
        ahead.wait({"loss": Result(number, waited)})
    assert waited == list(range(Ahead.STEPS))
