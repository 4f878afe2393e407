"""Exponential moving averages without bias: what optax.ema(decay, debias=True) gives, kept as it is used."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax


def newest_weight(decay: float, count: jax.Array) -> jax.Array:
    """What the newest of `count` values weighs in their average, (1 − decay) / (1 − decay ** count): 1 for the first."""
    return (1 - decay) / -jnp.expm1(math.log(decay) * count.astype(jnp.float32))


def averaged(average: Any, params: Any, decay: float, count: jax.Array) -> Any:
    """The average of `count` trees of parameters, the newest of which are `params`, from that of the others.

    The parameters of the start have no part in it, so that an average of few steps does not hang on to them.
    """
    return optax.incremental_update(params, average, newest_weight(decay, count))
