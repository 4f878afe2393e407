"""A flax module with its parameters, as a function of arrays."""

from typing import Any, cast

import flax.linen as nn
import jax


def applied(module: nn.Module, params: Any, *inputs: jax.Array, **options: Any) -> jax.Array:
    """What `module` makes of `inputs`; flax's own type says that there may be changed variables beside it, which ours do not have."""
    return cast(jax.Array, module.apply({"params": params}, *inputs, **options))
