"""The loss of a whole batch and its gradient, with the tiles of a few patients in the image tower at a time.

The numbers are those of the whole batch; the memory is that of a part. Where the loss is a mean over patients, the gradients of the parts
add up. Where it compares patients with each other, all are encoded first, of which nothing is kept but the features, and each part is
encoded again for its gradient (GradCache, Gao et al. 2021, https://arxiv.org/abs/2101.06983), which costs a second forward pass.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.errors import InputError
from pathfm.objectives.bank import Bank
from pathfm.objectives.objective import Batch, Features, Metrics, Objective
from pathfm.training.rules import combined

# (params, batch) → features [batch, ...], each row from the patient of that row alone.
Encode = Callable[[Any, Batch], Features]

CACHED_TOKENS = 1000  # about so many in a part are fastest on a CPU, at widths of 128 to 768 (docs/performance.md)


def value_and_gradients(
    objective: Objective, encode: Encode, params: Any, fixed: Any, batch: Batch, bank: Bank | None, rng: jax.Array, size: int
) -> tuple[tuple[jax.Array, Metrics], Any]:
    """((loss, metrics), gradients by `params`) of `objective` over `batch`, `size` patients encoded at a time.

    `fixed` are the parameters that are not differentiated.
    """

    def loss(params: Any) -> tuple[jax.Array, Metrics]:
        every = combined(params, fixed)
        return objective.loss(every, encoded_in_parts(encode, every, batch, size), batch, bank, rng, train=True)

    if size == len(batch["patient"]) or not objective.additive:
        return jax.value_and_grad(loss, has_aux=True)(params)
    counts = objective.counts(batch)

    def add(total: Any, part: Batch) -> tuple[Any, Features]:
        def share(params: Any) -> tuple[jax.Array, Features]:
            every = combined(params, fixed)
            encoded = encode(every, part)
            return objective.loss(every, encoded, part, bank, rng, train=True, of=counts)[0], encoded

        gradients, encoded = jax.grad(share, has_aux=True)(params)
        return jax.tree.map(jnp.add, total, gradients), encoded

    gradients, encoded = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), split(batch, size))
    return objective.loss(combined(params, fixed), joined(encoded), batch, bank, rng, train=True), gradients


def encoded_in_parts(encode: Encode, params: Any, batch: Batch, size: int) -> Features:
    """Features [batch, ...]; of parts nothing but these is kept for the gradient."""
    if size == len(batch["patient"]):
        return encode(params, batch)
    once_more = jax.checkpoint(encode, prevent_cse=False)  # a loop's two passes cannot be merged anyway
    return joined(jax.lax.map(lambda part: once_more(params, part), split(batch, size)))


def split(batch: Batch, size: int) -> Batch:
    """Each array [batch, ...] as [parts, size, ...]. Neighbours go to different parts, so that every device has rows in all of them."""
    return jax.tree.map(lambda rows: rows.reshape(size, -1, *rows.shape[1:]).swapaxes(0, 1), batch)


def joined(parts: Features) -> Features:
    """The inverse of `split`."""
    return jax.tree.map(lambda rows: rows.swapaxes(0, 1).reshape(-1, *rows.shape[2:]), parts)


def part_size(wanted: int, batch: int, tokens: int, additive: bool, platform: str, devices: int) -> int:
    """How many patients, of so many `tokens` each, are encoded at a time: as many as `wanted`, or where that is 0, all of the batch.

    On a CPU, where parts cost nothing (`additive`), 0 takes as many as hold `CACHED_TOKENS`. InputError where parts of the size that is
    wanted do not make up the batch.
    """
    if wanted:
        if batch % wanted or wanted % devices:
            raise InputError(f"microbatch={wanted} must divide the batch of {batch} patients, and {devices} device(s) must divide it")
        return wanted
    if platform != "cpu" or not additive:
        return batch
    possible = [size for size in range(devices, batch + 1, devices) if batch % size == 0]
    return max((size for size in possible if size * tokens <= CACHED_TOKENS), default=possible[0])
