"""The hash by which weights are known: of a base, of a cache of features, of an export."""

import hashlib
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from pathfm.models.vit import by_name


def weight_hash(image_params: Any) -> str:
    """The hexadecimal SHA-256 over the leaves of a nested dict in the order of their names: name, dtype, shape, bytes.

    Sharded arrays give the same hash as the arrays of one device; with several processes all of them must call.
    """
    hasher = hashlib.sha256()
    for name, leaf in sorted(by_name(image_params).items()):
        array = on_host(leaf)
        hasher.update(f"{name} {array.dtype} {array.shape}\n".encode())
        hasher.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return hasher.hexdigest()


def on_host(leaf: Any) -> np.ndarray:
    """The whole array as numpy, gathered from other processes where they hold a part of it."""
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf)
