"""Frozen features of images, computed once: batches of one shape on all devices, the last one filled up."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pathfm.models.images import normalised
from pathfm.models.vit import ViT, ViTSpec


def feature_function(spec: ViTSpec, params: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> Callable[[np.ndarray], jax.Array]:
    """uint8 [batch, height, width, 3] → float32 [batch, features]; bfloat16 inside on accelerators; a batch is split over all devices.

    The batch must be a multiple of the number of devices.
    """
    mesh = jax.make_mesh((jax.local_device_count(),), ("data",), axis_types=(AxisType.Auto,), devices=jax.local_devices())
    everywhere, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
    dtype = jnp.float32 if jax.devices()[0].platform == "cpu" else jnp.bfloat16
    params = jax.device_put(params, everywhere)

    @jax.jit
    def features(params: Any, images: jax.Array) -> jax.Array:
        return ViT(spec, dtype).apply({"params": params}, normalised(images, mean, std))

    return lambda images: features(params, jax.device_put(images, split))


def embedded(features: Callable[[np.ndarray], jax.Array], images: Iterable[np.ndarray], batch: int) -> Iterator[np.ndarray]:
    """The feature float32 [features] of each image uint8 [height, width, 3], in order; one batch is computed while the next is read."""
    batch = -(-batch // jax.local_device_count()) * jax.local_device_count()
    waiting: jax.Array | None = None
    count = 0
    for block in _blocks(images, batch):
        padded = np.zeros((batch, *block[0].shape), np.uint8)
        padded[: len(block)] = block
        result = features(padded)
        if waiting is not None:
            yield from np.asarray(waiting)[:count]
        waiting, count = result, len(block)
    if waiting is not None:
        yield from np.asarray(waiting)[:count]


def _blocks(images: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    block = []
    for image in images:
        block.append(image)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
