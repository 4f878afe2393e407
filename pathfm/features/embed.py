"""Frozen features of images, computed once: batches of one shape on all devices, the last one filled up."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import jax
import numpy as np

Owner = TypeVar("Owner")


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
