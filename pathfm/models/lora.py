"""Low-rank adaptation (Hu et al. 2021, https://arxiv.org/abs/2106.09685): a kernel stays as it is, a product of two narrow ones is learned.

    kernel + alpha / rank · down @ up

The factors lie beside the tower under the names of their kernels. `up` starts at zero, so training starts at the base; merged, the tower is
a plain one that needs no code for LoRA.
"""

import re
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.errors import InputError
from pathfm.models.vit import by_name, from_names

KERNEL = "/kernel"


def init_lora(rng: jax.Array, image: Any, modules: str, rank: int) -> Any:
    """Factors `down` [rows, rank] and `up` [rank, columns] for the kernel of each module whose whole name `modules` matches.

    Raises InputError where the expression is not one, or matches no module with a kernel of rows and columns.
    """
    try:
        expression = re.compile(modules)
    except re.error as error:
        raise InputError(f"lora.modules, {modules!r}, is not a regular expression: {error}") from error
    kernels = {name.removesuffix(KERNEL): leaf for name, leaf in sorted(by_name(image).items()) if name.endswith(KERNEL) and leaf.ndim == 2}
    chosen = {name: kernel for name, kernel in kernels.items() if expression.fullmatch(name)}
    if not chosen:
        raise InputError(f"lora.modules, {modules!r}, matches no module; the first are {', '.join(list(kernels)[:4])}")
    factors = {}
    for key, (name, kernel) in zip(jax.random.split(rng, len(chosen)), chosen.items(), strict=True):
        rows, columns = kernel.shape
        factors[f"{name}/down"] = jax.random.normal(key, (rows, rank), jnp.float32) * rows**-0.5
        factors[f"{name}/up"] = jnp.zeros((rank, columns), jnp.float32)
    return from_names(factors)


def merged(image: Any, lora: Any, alpha: float) -> Any:
    """The tower's parameters with the learned products added to their kernels."""
    leaves, factors = by_name(image), by_name(lora)
    for name in {factor.rpartition("/")[0] for factor in factors}:
        down, up = factors[f"{name}/down"], factors[f"{name}/up"]
        leaves[name + KERNEL] = leaves[name + KERNEL] + (alpha / down.shape[1]) * (down @ up)
    return from_names(leaves)
