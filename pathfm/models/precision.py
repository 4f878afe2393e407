"""Which type the towers compute in."""

import jax.numpy as jnp


def compute_type(wanted: str, platform: str) -> jnp.dtype:
    """float32 or bfloat16 as `wanted`; "auto" is float32 on a CPU, which gains nothing by less, and bfloat16 on accelerators."""
    return jnp.dtype(wanted if wanted != "auto" else "float32" if platform == "cpu" else "bfloat16")
