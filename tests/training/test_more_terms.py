"""Adversary, several towers and transformer pooling: any number of devices and parts of a batch give the numbers of one device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.bank import Bank
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Widths
from pathfm.settings.terms import Adversary, Contrastive, Direct, Joint, Towers
from pathfm.settings.training import MeshConfig, OptimizerConfig, TrainConfig
from pathfm.training.durations import Durations
from pathfm.training.mesh import batch_sharding, make_mesh, on_devices
from pathfm.training.microbatch import value_and_gradients
from pathfm.training.program import Facts, Tower, batch_shapes, make_program
from pathfm.training.step import encoder

SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=8, image_size=16)
WIDTHS, SITES, PATIENTS = {"expression": 12, "text": 6}, 3, 16
OBJECTIVES = {
    "direct": Joint(terms={"direct": Direct(), "adversary": Adversary(hidden=8, within_cancer=True)}),
    "contrastive": Joint(terms={"contrastive": Contrastive(projection=8, hidden=16), "adversary": Adversary(hidden=8, weight=0.5)}),
    "towers": Towers(projection=8, hidden=16),
}
SEVERAL = sorted({2, jax.device_count()})  # 8 with JAX_NUM_CPU_DEVICES=8


def batch_of():
    rng = np.random.default_rng(0)
    identity = rng.permutation(40)[:PATIENTS].astype(np.int32)
    identity[-3:] = -1  # padding, which strikes parts and devices unequally
    mask = np.ones((PATIENTS, 2), bool)
    mask[3, 1] = False
    return {
        "tiles": rng.integers(0, 256, (PATIENTS, 2, 16, 16, 3)).astype(np.uint8),
        "tile_mask": mask,
        "patient": identity,
        "site": (np.arange(PATIENTS) % (SITES + 2) - 1).astype(np.int32),  # some unknown, some that train nobody
        "cancer": (np.arange(PATIENTS) % 3 - 1).astype(np.int32),
        "vectors": {name: rng.normal(size=(PATIENTS, width)).astype(np.float32) for name, width in WIDTHS.items()},
        "present": {"expression": np.arange(PATIENTS) != 5, "text": np.arange(PATIENTS) % 3 != 0},
    }


def bank_of():
    codes = np.arange(40, dtype=np.int32)
    vectors = {name: np.zeros((40, width), np.float32) for name, width in WIDTHS.items()}
    present = {name: np.ones(40, bool) for name in WIDTHS}
    return Bank(vectors, present, codes, codes // 20, codes // 10 % SITES)


def prepare(batch, key, train):
    return {**batch, "images": (batch["tiles"].astype(jnp.float32) / 127.5 - 1.0)[None]}


def moved(leaf):
    """A parameter away from its start, where some are zero."""
    return np.asarray(leaf) + 0.1 * np.cos(np.arange(leaf.size, dtype=np.float32)).reshape(leaf.shape)


def gradients(name, pooling, size, devices):
    """((loss, metrics), gradients) of `size` patients at a time on so many devices, with pooling that is not at its start."""
    objective = make_objective(OBJECTIVES[name], ImageTower(SPEC, pooling), Widths(SPEC.features, WIDTHS, sites=SITES))
    params = jax.tree.map(moved, jax.jit(objective.init)(jax.random.key(0)))
    encode = encoder(objective, prepare, jax.random.key(1), train=True)
    batch = {**batch_of(), "progress": np.full(PATIENTS, 0.2, np.float32)}

    def step(params, batch, bank):
        return value_and_gradients(objective, encode, params, {}, batch, bank, jax.random.key(2), size)

    split = batch_sharding(make_mesh(MeshConfig(data=devices), jax.devices()[:devices]))
    everywhere = NamedSharding(split.mesh, PartitionSpec())
    return jax.tree.map(np.asarray, jax.jit(step, in_shardings=(everywhere, split, everywhere))(params, batch, bank_of()))


@pytest.fixture(scope="module")
def on_one():
    return {}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pooling"), [("direct", "transformer"), ("contrastive", "mean"), ("towers", "mean")])
@pytest.mark.parametrize("devices", [1, *SEVERAL])
def test_devices_and_parts_do_not_change_the_numbers(name, pooling, devices, on_one):
    if name not in on_one:
        on_one[name] = gradients(name, pooling, PATIENTS, 1)
    (value, metrics), wanted = on_one[name]
    (part_value, part_metrics), found = gradients(name, pooling, 8, devices)
    np.testing.assert_allclose(part_value, value, rtol=1e-5)
    assert metrics.keys() == part_metrics.keys()
    for metric in metrics:
        np.testing.assert_allclose(part_metrics[metric], metrics[metric], rtol=1e-5, err_msg=metric)
    whole = np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(wanted)))
    for (path, ours), theirs in zip(jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(wanted), strict=True):
        assert np.linalg.norm(ours - theirs) <= 2e-5 * np.linalg.norm(theirs) + 1e-6 * whole, path


def test_the_share_of_the_run_reaches_the_terms_from_the_step():
    tower = Tower(SPEC, (0.5,) * 3, (0.5,) * 3)
    facts = Facts(tile=16, widths=WIDTHS, patients=40, sites=SITES)
    config = TrainConfig(cohort="", objective=OBJECTIVES["direct"], batch=PATIENTS, tiles=2, optimizer=OptimizerConfig(learning_rate=1e-3))
    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    program = make_program(config, tower, facts, Durations(4, warmup=1, evaluate_every=4, log_every=1), mesh)
    batch = batch_of()
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), dict(batch_shapes(config, facts))
    )
    state, strengths = program.start(0, base=None), []
    for _ in range(3):
        state, metrics = program.train_step(state, on_devices(batch_sharding(mesh), batch), bank_of())
        strengths.append(float(metrics["adversary/strength"]))
    np.testing.assert_allclose(strengths, 2 / (1 + np.exp(-10 * np.array([0.0, 0.25, 0.5]))) - 1, rtol=1e-5, atol=1e-7)
    metrics, count = program.evaluate_step(state, on_devices(batch_sharding(mesh), batch), bank_of())
    assert metrics["adversary/loss"] == 0 and int(count) == PATIENTS - 3
