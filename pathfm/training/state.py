"""All that changes in training, and the parameters that do not."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pathfm.training.rules import combined, divided


class State(NamedTuple):
    """The position in the data is the step itself. Frozen parameters are `fixed`: not differentiated, without a place in the optimizer's
    state, and not saved: they are those of the start.
    """

    step: jax.Array  # int32
    params: Any
    fixed: Any
    optimizer: Any

    @property
    def every(self) -> Any:
        """All parameters, trained and fixed."""
        return combined(self.params, self.fixed)


def initial_state(params: Any, chosen: Any, optimizer: optax.GradientTransformation) -> State:
    """The state of step 0; `chosen` says for each parameter whether it is trained."""
    trained, fixed = divided(params, chosen)
    return State(jnp.zeros((), jnp.int32), trained, fixed, optimizer.init(trained))
