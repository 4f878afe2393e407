"""Which checkpoints of a run stay, and which of them is the best."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.training.checkpoints import Checkpoints, NewestAndBest, best_of
from pathfm.training.state import State


class Saved:
    def __init__(self, step):
        self.step = step


def state_of(step):
    return State(jnp.int32(step), {"weight": jnp.full(3, step, jnp.float32)}, {"kept": jnp.zeros(2)}, (jnp.zeros(3),))


def saved(folder, steps, losses=None):
    with Checkpoints(folder, losses or {}) as checkpoints:
        for step, loss in steps:
            checkpoints.save(step, state_of(step), loss)
        checkpoints.finish()
        state = state_of(0)
        restored = checkpoints.restore(checkpoints.best(), state, jax.tree.map(lambda leaf: leaf.sharding, state), state.fixed)
        assert restored.fixed is state.fixed
        return (
            checkpoints.latest(),
            checkpoints.best(),
            sorted(int(path.name) for path in folder.iterdir()),
            np.asarray(restored.params["weight"]),
        )


def test_the_newest_and_the_best_stay(tmp_path):
    latest, best, there, weight = saved(tmp_path, [(0, 3.0), (2, 1.0), (4, 2.0), (6, 1.5)])
    assert (latest, best, there) == (6, 2, [2, 6])
    assert (weight == 2).all()


def test_a_checkpoint_of_a_stop_is_not_judged_until_it_gets_its_loss(tmp_path):
    assert saved(tmp_path, [(2, 1.0), (4, None)])[:3] == (4, 2, [2, 4])
    assert saved(tmp_path, [(4, 0.5), (6, 0.7)])[:3] == (6, 4, [4, 6])  # the run goes on, and validates step 4 first
    assert saved(tmp_path, [(8, 0.6)], {4: 0.5})[:3] == (8, 4, [4, 8])  # killed and begun again: its loss stands in metrics.jsonl
    assert saved(tmp_path / "other", [(2, 1.0), (4, None), (6, 2.0)])[:3] == (6, 2, [2, 6])


@pytest.mark.parametrize("losses", [{}, {2: float("nan")}])
def test_a_loss_that_is_none_is_never_the_best(losses, tmp_path):
    assert saved(tmp_path, [(1, 2.0), (2, None)], losses)[1] == 1
    assert saved(tmp_path, [], losses)[1] == 1


def test_of_equals_the_earliest_stays():
    losses = {0: 1.0, 2: 1.0, 4: 1.0}
    assert best_of(losses, [4, 0, 2]) == 0
    assert NewestAndBest(losses).should_preserve([Saved(0), Saved(2), Saved(4)], context=None) == [True, False, True]
    assert best_of({}, [1]) is None
