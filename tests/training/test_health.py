"""A run that diverges is found out by its losses, or by its state before that is saved."""

import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.folders.run import RunFolder
from pathfm.training.health import Divergence, all_finite


@pytest.mark.parametrize(
    ("values", "what"),
    [({"loss": np.nan}, "loss"), ({"loss": np.inf}, "loss"), ({"loss": 1.0, "validation_loss": -np.inf}, "validation loss")],
)
def test_the_first_loss_that_is_not_finite_counts(values, what, tmp_path):
    divergence = Divergence(RunFolder(tmp_path))
    assert not divergence.of_losses(3, {"loss": 1.0, "gradient_norm": np.inf}) and not divergence
    assert divergence.of_losses(4, values) and divergence
    assert divergence.of_losses(5, {"loss": np.nan}) and divergence.of_state(5, {})
    assert (divergence.step, divergence.what) == (4, what)


def test_a_state_counts_as_finite_when_every_number_is():
    state = {"step": jnp.int32(3), "weights": [jnp.ones((4, 2)), jnp.zeros(3, jnp.bfloat16)]}
    assert all_finite(state)
    for bad in (jnp.nan, jnp.inf):
        assert not all_finite(state | {"moment": jnp.ones((4, 2)).at[3, 1].set(bad)})


def test_a_run_that_has_diverged_is_not_gone_on_with(tmp_path):
    divergence = Divergence(RunFolder(tmp_path))
    divergence.refuse_to_go_on()
    divergence.of_losses(7, {"loss": np.nan})
    said = str(divergence.error(last_good=6, kept=4))
    assert "the loss at step 7 is not finite" in said and "checkpoint is that of step 6" in said and "best so far, of step 4" in said
    with pytest.raises(InputError, match="loss at step 7 is not finite.* to go on from step 6"):
        Divergence(RunFolder(tmp_path)).refuse_to_go_on()
    assert "no weights are kept" in str(divergence.error(last_good=None, kept=None))
