"""Frozen features of images, computed once: batches of one shape on all devices, the last one filled up."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pathfm.models.images import normalised
from pathfm.models.vit import ViT, ViTSpec

Owner = TypeVar("Owner")


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


def embedded(
    features: Callable[[np.ndarray], jax.Array], images: Iterable[tuple[Owner, np.ndarray]], batch: int
) -> Iterator[tuple[Owner, np.ndarray]]:
    """(owner, feature float32 [features]) of each (owner, image uint8 [height, width, 3]), in order.

    A batch holds the images of many owners; one batch is computed while the next is read.
    """
    batch = -(-batch // jax.local_device_count()) * jax.local_device_count()
    waiting: tuple[list[Owner], jax.Array] | None = None
    stream = iter(images)
    while block := list(itertools.islice(stream, batch)):
        owners, pixels = zip(*block, strict=True)
        padded = np.zeros((batch, *pixels[0].shape), np.uint8)
        padded[: len(block)] = pixels
        result = features(padded)
        if waiting is not None:
            yield from _rows(*waiting)
        waiting = list(owners), result
    if waiting is not None:
        yield from _rows(*waiting)


def _rows(owners: list[Owner], features: jax.Array) -> Iterator[tuple[Owner, np.ndarray]]:
    """Each owner with its row; rows of padding have none."""
    return zip(owners, np.asarray(features), strict=False)
