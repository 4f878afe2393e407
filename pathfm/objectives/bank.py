"""All training profiles at once, for terms that compare a patient with more than the patients of the batch."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

CHUNK = 1024  # rows of the bank that are encoded at a time


class Bank(NamedTuple):
    """A row per training patient, in the order of the training index.

    `vectors` {modality: float32 [patients, width]} are as the batch holds them, absent ones 0; `patient`, `cancer` and `site` are
    int32 [patients], -1 where unknown. It is an input of the step, replicated or sharded over its rows.
    """

    vectors: Mapping[str, jax.Array]
    present: Mapping[str, jax.Array]
    patient: jax.Array
    cancer: jax.Array
    site: jax.Array


def encoded_in_chunks(encode: Callable[[jax.Array, jax.Array], jax.Array], vectors: jax.Array) -> jax.Array:
    """`encode(vectors, number of the chunk)`, rows [n, width] of vectors [n, inputs], for at most CHUNK rows at a time.

    What lies between vectors and rows is kept for one chunk alone, and computed again for the gradient. Where chunks do not fit n, the
    last one begins within the one before, so that no copy of the bank is made.
    """
    count = len(vectors)
    parts = -(-count // CHUNK)
    if parts == 1:
        return encode(vectors, jnp.int32(0))
    size = -(-count // parts)

    @jax.checkpoint
    def chunk(number: jax.Array) -> jax.Array:
        begin = jnp.minimum(number * size, count - size)
        return encode(jax.lax.dynamic_slice_in_dim(vectors, begin, size), number)

    rows = jax.lax.map(chunk, jnp.arange(parts, dtype=jnp.int32))
    return jnp.concatenate([rows[:-1].reshape(-1, rows.shape[-1]), rows[-1, parts * size - count :]])
