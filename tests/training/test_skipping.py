"""A step whose loss or gradient is not finite, or far too large, changes nothing; too many in a row end the run."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pathfm.errors import InputError
from pathfm.folders.run import RunFolder
from pathfm.settings.training import OptimizerConfig
from pathfm.training.health import Divergence, warnings_of
from pathfm.training.mesh import batch_sharding, on_devices
from pathfm.training.skipping import FIRST, judged, none_skipped
from tests.training.test_averages import held, program_of
from tests.training.test_sharding import batch_of

NAN = float("nan")


def judge(norms, **settings):
    """(which steps of these gradient norms are taken, what is known after them)."""
    config, known, taken = OptimizerConfig(**settings), none_skipped(), []
    for norm in norms:
        take, known = judged(config, known, jnp.float32(1.0), jnp.float32(norm))
        taken.append(bool(take))
    return taken, known


def test_it_counts_as_optax_does_up_to_the_bound():
    norms = [1.0, NAN, 2.0, np.inf, NAN, 1.0, NAN]
    taken, known = judge(norms, skip=2)
    theirs = optax.apply_if_finite(optax.sgd(1.0), 2)
    state = theirs.init(jnp.zeros(()))
    for norm in norms:
        _, state = theirs.update(jnp.float32(norm), state)
    assert taken == [True, False, True, False, False, True, False]
    assert (int(known.in_a_row), int(known.in_all)) == (int(state.notfinite_count), int(state.total_notfinite)) == (1, 4)


def test_beyond_the_bound_no_step_is_taken_any_more():
    taken, known = judge([1.0, NAN, NAN, NAN, 1.0, 1.0], skip=2)
    assert taken == [True] + [False] * 5 and int(known.in_a_row) == 5


def test_a_spike_is_measured_by_the_mean_of_the_steps_taken():
    before = list(np.linspace(1.0, 3.0, FIRST))
    taken, known = judge([*before[:-1], 100.0], skip=1, spike=10.0)
    assert all(taken), "the first steps are no spikes, there is little to compare with"
    taken, known = judge([*before, 19.0, 30.0, 2.0], skip=1, spike=10.0)
    assert taken[-3:] == [True, False, True]
    weights = 0.99 ** np.arange(FIRST + 2)[::-1]
    assert float(known.norm) == pytest.approx(np.average([*before, 19.0, 2.0], weights=weights), rel=1e-4)


def test_a_loss_that_is_not_finite_is_left_out_whatever_its_gradient():
    assert not judged(OptimizerConfig(skip=1), none_skipped(), jnp.float32(np.inf), jnp.float32(1.0))[0]


@pytest.mark.parametrize("settings", [{"spike": 3.0}, {"skip": 1, "spike": 0.5}, {"skip": -1}, {"ema": 1.0}, {"ema": -0.1}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="skip|ema"):
        OptimizerConfig(**settings)


def test_a_bad_step_of_a_program_changes_neither_parameters_nor_moments():
    program = program_of({"skip": 2, "ema": 0.9}, microbatch=8)
    batched, state = batch_sharding(program.mesh), program.start(0, None)
    good = batch_of(0)
    bad = good | {"vectors": {name: np.where(np.arange(16)[:, None] == 2, np.nan, rows) for name, rows in good["vectors"].items()}}
    state, metrics = program.train_step(state, on_devices(batched, good), None)
    before = held((state.params, state.optimizer, state.average))
    state, metrics = program.train_step(state, on_devices(batched, bad), None)
    assert not np.isfinite(float(metrics["loss"])) and int(metrics["skipped_steps"]) == int(metrics["skipped_in_a_row"]) == 1
    jax.tree.map(np.testing.assert_array_equal, held((state.params, state.optimizer)), before[:2])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), held(state.average), before[2])
    assert int(state.step) == 2
    state, metrics = program.train_step(state, on_devices(batched, batch_of(1)), None)
    assert int(metrics["skipped_steps"]) == 1 and int(metrics["skipped_in_a_row"]) == 0
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(before[0]), jax.tree.leaves(held(state.params)), strict=True))


def test_without_it_a_step_tells_of_none_and_its_state_holds_none():
    shapes = program_of({}).state_shapes
    assert shapes.skipped == shapes.average == ()


def test_steps_left_out_are_no_divergence_until_they_are_too_many(tmp_path):
    divergence = Divergence(RunFolder(tmp_path), skip=2)
    assert not divergence.of_losses(3, {"loss": NAN, "skipped_in_a_row": 2.0})
    assert divergence.of_losses(9, {"loss": NAN, "skipped_in_a_row": 5.0})
    assert divergence.step == 7  # the third in a row
    said = str(divergence.error(last_good=6, kept=None))
    assert "the gradients up to step 7 are not finite or too large, more of them in a row than --config.optimizer.skip allows" in said
    with pytest.raises(InputError, match="diverged: its gradients up to step 7"):
        Divergence(RunFolder(tmp_path), skip=2).refuse_to_go_on()


def test_a_validation_loss_that_is_not_finite_still_ends_the_run(tmp_path):
    assert Divergence(RunFolder(tmp_path), skip=2).of_losses(3, {"validation_loss": NAN})


def test_a_state_that_has_given_up_is_not_saved_as_good(tmp_path):
    program = program_of({"skip": 1})
    state = program.start(0, None)
    divergence = Divergence(RunFolder(tmp_path), skip=1)
    assert not divergence.of_state(4, state)
    assert divergence.of_state(4, state._replace(skipped=state.skipped._replace(in_a_row=jnp.int32(2)))) and divergence.step == 4


def test_the_end_says_how_many_were_left_out():
    assert warnings_of([{"step": 1, "skipped_steps": 3.0}], None) == [
        "3 step(s) were left out for a loss or gradient that was not finite or too large"
    ]
