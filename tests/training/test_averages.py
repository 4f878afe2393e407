"""The average of the parameters is optax's without bias, lies as the parameters do, and is what is judged and kept."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pathfm.settings.terms import Direct
from pathfm.settings.training import LoraConfig, MeshConfig, OptimizerConfig, TrainConfig
from pathfm.training import mesh as meshes
from pathfm.training.averages import averaged
from pathfm.training.checkpoints import Checkpoints
from pathfm.training.durations import Durations
from pathfm.training.mesh import batch_sharding, make_mesh, on_devices
from pathfm.training.program import make_program
from tests.training.test_sharding import FACTS, TOWER, batch_of


def program_of(optimizer, devices=1, fsdp=1, **settings):
    mesh = make_mesh(MeshConfig(data=devices // fsdp, fsdp=fsdp), jax.devices()[:devices])
    config = TrainConfig(
        cohort="", objective=Direct(), batch=16, tiles=2, optimizer=OptimizerConfig(learning_rate=1e-2, **optimizer), **settings
    )
    return make_program(config, TOWER, FACTS, Durations(8, warmup=1, evaluate_every=8, log_every=1), mesh)


def held(tree):
    """On the host, in memory that no step takes over."""
    return jax.tree.map(lambda leaf: np.asarray(jnp.copy(leaf)), tree)


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_it_is_optax_ema_without_bias(decay):
    rng = np.random.default_rng(0)
    steps = [{"a": jnp.asarray(rng.normal(size=(3, 2)), jnp.float32), "b": jnp.asarray(rng.normal(), jnp.float32)} for _ in range(50)]
    theirs = optax.ema(decay, debias=True)
    average, state = jax.tree.map(lambda x: x + 7.0, steps[0]), theirs.init(steps[0])
    for count, params in enumerate(steps, start=1):
        average = averaged(average, params, decay, jnp.int32(count))
        with jax.numpy_dtype_promotion("standard"):
            expected, state = theirs.update(params, state)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), average, expected)


def test_validation_and_weights_are_of_the_average_and_training_goes_on_from_the_parameters(tmp_path):
    program, plain = program_of({"ema": 0.5}, microbatch=8), program_of({}, microbatch=8)
    state, other = program.start(0, None), plain.start(0, None)
    batched = batch_sharding(program.mesh)
    seen = []
    for number in range(3):
        batch = on_devices(batched, batch_of(number))
        state, _ = program.train_step(state, batch, None)
        other, _ = plain.train_step(other, batch, None)
        seen.append(held(state.params))
    jax.tree.map(np.testing.assert_array_equal, other.params, seen[-1])
    expected = jax.tree.map(lambda a, b, c: (a + 2 * b + 4 * c) / 7, *seen)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), program.plain(state), expected)
    of_average, _ = program.evaluate_step(state, batch, None)
    of_params, _ = plain.evaluate_step(other, batch, None)
    wanted, _ = plain.evaluate_step(other._replace(params=state.average), batch, None)
    assert float(of_average["loss"]) == pytest.approx(float(wanted["loss"]), rel=1e-6) != float(of_params["loss"])
    with Checkpoints(tmp_path, {}) as checkpoints:
        checkpoints.save(3, state, 1.0)
        checkpoints.finish()
        restored = program.restored(checkpoints, 3, state.fixed)
    jax.tree.map(np.testing.assert_array_equal, restored, state)


def test_it_is_split_as_the_parameters_are(monkeypatch):
    monkeypatch.setattr(meshes, "SMALLEST_SHARDED", 1024)
    program = program_of({"ema": 0.9}, devices=4, fsdp=2)
    assert program.shardings.average == program.shardings.params
    assert not all(sharding.is_fully_replicated for sharding in jax.tree.leaves(program.shardings.average))
    state = program.start(0, None)
    jax.tree.map(np.testing.assert_array_equal, state.average, state.params)


def test_of_lora_the_factors_are_averaged():
    program = program_of({"ema": 0.9}, lora=LoraConfig(rank=2))
    assert program.state_shapes.average.keys() == program.state_shapes.params.keys() == {"lora", "head"}
