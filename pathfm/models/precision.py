"""Which type the towers compute in, and what a product of float32 is."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp

# Without it a GPU rounds the operands of a float32 product to TF32 and a TPU to bfloat16. Products of bfloat16 are not touched.
FLOAT32 = jax.lax.Precision.HIGHEST


def compute_type(wanted: str, platform: str) -> jnp.dtype:
    """float32 or bfloat16 as `wanted`; "auto" is float32 on a CPU, which gains nothing by less, and bfloat16 on accelerators."""
    return jnp.dtype(wanted if wanted != "auto" else "float32" if platform == "cpu" else "bfloat16")


def float32_products(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its products of float32 computed as such on every device, those of its gradient too."""

    @wraps(function)
    def traced(*arguments, **named):
        with jax.default_matmul_precision("highest"):
            return function(*arguments, **named)

    return traced
