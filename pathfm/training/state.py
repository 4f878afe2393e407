"""All that changes in training, and the parameters that do not."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pathfm.training.rules import combined, divided
from pathfm.training.skipping import none_skipped


class State(NamedTuple):
    """The position in the data is the step itself. Frozen parameters are `fixed`: not differentiated, without a place in the optimizer's
    state, and not saved: they are those of the start.
    """

    step: jax.Array  # int32
    params: Any
    fixed: Any
    optimizer: Any
    average: Any = ()  # of the trained parameters over the steps, where one is kept
    skipped: Any = ()  # `Skipped`, where steps may be left out

    @property
    def every(self) -> Any:
        """All parameters as they are validated and kept: of the trained ones their average where there is one, and the fixed."""
        return combined(self.average or self.params, self.fixed)


def initial_state(
    params: Any, chosen: Any, optimizer: optax.GradientTransformation, *, averaged: bool = False, skipping: bool = False
) -> State:
    """The state of step 0; `chosen` says for each parameter whether it is trained."""
    trained, fixed = divided(params, chosen)
    average, skipped = copied(trained) if averaged else (), none_skipped() if skipping else ()
    return State(jnp.zeros((), jnp.int32), trained, fixed, optimizer.init(trained), average, skipped)


def copied(params: Any) -> Any:
    """The same in memory of its own, as a step wants that takes its state's memory over."""
    return jax.tree.map(jnp.copy, params)
