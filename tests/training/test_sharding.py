"""One, two and eight devices compute the same gradients and the same losses, with parameters copied or split."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.input.augment import augmented, patient_keys
from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.training import mesh as meshes
from pathfm.training.config import AugmentConfig, MeshConfig, ObjectiveConfig, OptimizerConfig
from pathfm.training.mesh import batch_sharding, make_mesh, on_devices, state_shardings
from pathfm.training.optimizer import make_optimizer
from pathfm.training.step import Ahead, initial_state, make_train_step

SPEC = ViTSpec(width=64, depth=1, heads=2, mlp_width=128, patch=8, image_size=16)
OBJECTIVES = {
    "contrastive": ObjectiveConfig("contrastive", projection=32, hidden=64),
    "direct": ObjectiveConfig("direct"),
    "views": ObjectiveConfig("views", projection=32),
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
        "expression": rng.normal(size=(patients, 48)).astype(np.float32),
    }


def prepare(objective):
    def prepared(batch, key, train):
        del train
        views = [
            augmented(batch["tiles"], patient_keys(jax.random.fold_in(key, v), batch["patient"]), AugmentConfig(), (0.5,) * 3, (0.5,) * 3)
            for v in range(objective.views)
        ]
        return {**batch, "images": jnp.stack(views)}

    return prepared


def trained(name, pooling, devices, fsdp, steps):
    """The gradients of the first step and the losses of all, on a mesh of so many devices."""
    mesh = make_mesh(MeshConfig(data=devices // fsdp, fsdp=fsdp), jax.devices()[:devices])
    objective = make_objective(OBJECTIVES[name], ImageTower(SPEC, pooling), 48)
    shapes = jax.eval_shape(objective.init, jax.random.key(0))
    optimizer = make_optimizer(OptimizerConfig(learning_rate=1e-3), shapes, steps, 2)
    state_shapes = jax.eval_shape(lambda params: initial_state(params, optimizer), shapes)
    shardings, batched = state_shardings(mesh, state_shapes), batch_sharding(mesh)
    state = jax.jit(lambda key: initial_state(objective.init(key), optimizer), out_shardings=shardings)(jax.random.key(0))
    train_step = make_train_step(objective, prepare(objective), optimizer, 0, part=8)
    step = jax.jit(train_step, in_shardings=(shardings, batched), out_shardings=(shardings, None))

    def loss(params, batch):
        encoded = objective.encode(params, prepare(objective)(batch, jax.random.key(5), True))
        return objective.loss(params, encoded, batch, jax.random.key(6), train=True)[0]

    gradients = jax.jit(jax.grad(loss), in_shardings=(shardings.params, batched))(state.params, on_devices(batched, batch_of(0)))
    losses = []
    for number in range(steps):
        state, metrics = step(state, on_devices(batched, batch_of(number % 4)))
        losses.append(float(metrics["loss"]))
    return jax.tree.map(np.asarray, gradients), losses


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pooling"), [("contrastive", "attention"), ("direct", "mean"), ("views", "mean")])
def test_the_number_of_devices_does_not_change_training(name, pooling, monkeypatch):
    monkeypatch.setattr(meshes, "SMALLEST_SHARDED", 1024)
    expected, losses = trained(name, pooling, 1, 1, steps=20)
    leaves = jax.tree.leaves(expected)
    whole = np.sqrt(sum(np.sum(leaf**2) for leaf in leaves))
    for devices, fsdp in ((2, 1), (8, 4)):
        found, other_losses = trained(name, pooling, devices, fsdp, steps=20)
        for ours, theirs in zip(jax.tree.leaves(found), leaves, strict=True):
            assert np.linalg.norm(ours - theirs) <= 1e-5 * max(np.linalg.norm(theirs), 1e-3 * whole / np.sqrt(len(leaves)))
        np.testing.assert_allclose(other_losses, losses, rtol=1e-3)


def test_many_steps_that_nobody_reads_do_not_block_the_devices():
    mesh = make_mesh(MeshConfig(), jax.devices()[:8])
    rows, everywhere = batch_sharding(mesh), jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

    def step(weights, batch):
        return weights - 0.1 * batch.T @ jnp.tanh(batch @ weights)

    step = jax.jit(step, in_shardings=(everywhere, rows), out_shardings=everywhere)
    weights, batch = jax.device_put(jnp.ones((64, 64)), everywhere), jax.device_put(jnp.ones((16, 64)), rows)
    ahead = Ahead()
    for _ in range(300):
        weights = step(weights, batch)
        ahead.wait(weights)
    assert np.isfinite(np.asarray(weights)).all()


def test_large_parameters_are_really_split():
    mesh = make_mesh(MeshConfig(data=2, fsdp=4), jax.devices()[:8])
    leaf = jax.ShapeDtypeStruct((512, 1024), jnp.float32)
    assert state_shardings(mesh, leaf).shard_shape(leaf.shape) == (512, 256)
    small = jax.ShapeDtypeStruct((1024,), jnp.float32)
    assert state_shardings(mesh, small).is_fully_replicated


def test_a_mesh_that_does_not_fit_is_refused():
    from pathfm.errors import InputError

    with pytest.raises(InputError, match="does not fit 8 devices"):
        make_mesh(MeshConfig(data=3, fsdp=2), jax.devices()[:8])
