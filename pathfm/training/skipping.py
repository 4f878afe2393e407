"""Steps that are left out: their loss or gradient is not finite, or their gradient is far larger than those before it.

As optax.apply_if_finite does, a step that is left out changes neither the parameters nor the optimizer's state. Beyond the bound that lets
it through; here no step is taken any more, and the loop ends the run.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from pathfm.settings.training import OptimizerConfig
from pathfm.training.averages import newest_weight

IN_A_ROW, IN_ALL = "skipped_in_a_row", "skipped_steps"
"""The metrics that tell of it."""
MEMORY = 0.99  # decay a step of the mean gradient norm: about the last hundred
FIRST = 20  # steps of which none counts as a spike: there is little yet to compare with


class Skipped(NamedTuple):
    """How many steps were left out since the last that was taken, and in all; how many were taken, and their mean gradient norm."""

    in_a_row: jax.Array  # int32
    in_all: jax.Array  # int32
    taken: jax.Array  # int32
    norm: jax.Array  # float32


def none_skipped() -> Skipped:
    """The start of a run."""
    zero = jnp.zeros((), jnp.int32)
    return Skipped(zero, zero, zero, jnp.zeros((), jnp.float32))


def judged(config: OptimizerConfig, before: Skipped, loss: jax.Array, norm: jax.Array) -> tuple[jax.Array, Skipped]:
    """(whether a step of this loss and gradient norm is taken, what is known after it); once too many in a row were not, none is."""
    sound = jnp.isfinite(loss) & jnp.isfinite(norm)
    if config.spike:
        sound &= (norm <= config.spike * before.norm) | (before.taken < FIRST)
    take = sound & (before.in_a_row <= config.skip)
    one = take.astype(jnp.int32)
    taken = before.taken + one
    mean = before.norm + newest_weight(MEMORY, jnp.maximum(taken, 1)) * (norm - before.norm)
    return take, Skipped(jnp.where(take, 0, before.in_a_row + 1), before.in_all + 1 - one, taken, jnp.where(take, mean, before.norm))
