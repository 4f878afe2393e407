"""Which image is compared with which vector, and comparisons that hold a few rows of all pairs at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

CHUNK = 1024  # rows of a batch that are compared at a time, over all devices


class Rows(NamedTuple):
    """Rows of one side of a comparison.

    `unit` float32 [n, width] are unit rows. `patient` int32 [n] says whose they are (-1: nobody's, they have no part in it), `place`
    int32 [n] by which number a row is paired with one of the other side (-1: with none). `cancer` int32 [n] is the patient's type, or
    None where types do not matter.
    """

    unit: jax.Array
    patient: jax.Array
    place: jax.Array
    cancer: jax.Array | None


@dataclass(frozen=True)
class Rule:
    """What becomes of a pair of rows: `targets` and `same_cancer` as in `pathfm.settings.terms.Contrastive`; and where columns lie."""

    targets: str = "masked"
    same_cancer: bool = False
    everywhere: jax.sharding.Sharding | None = field(default=None, compare=False)  # whole on every device; None: where they are


def related(rows: Rows, columns: Rows, rule: Rule) -> tuple[jax.Array, jax.Array]:
    """(positive, candidate), bool [n, m]: what a row shall find, and that and its negatives. All else has no part in the loss."""
    valid = (rows.patient >= 0)[:, None] & (columns.patient >= 0)[None, :]
    paired = valid & (rows.place[:, None] == columns.place[None, :])
    same = valid & (rows.patient[:, None] == columns.patient[None, :])
    positive = same if rule.targets == "multi" else paired
    candidate = valid & (paired | ~same) if rule.targets == "masked" else valid
    if rule.same_cancer:
        assert rows.cancer is not None and columns.cancer is not None
        candidate &= positive | (rows.cancer[:, None] == columns.cancer[None, :])
    return positive, candidate


def gathered(arrays: Any, everywhere: jax.sharding.Sharding | None) -> Any:
    """The arrays laid out as `everywhere` says: once, where XLA would gather them anew for each chunk of rows."""
    return arrays if everywhere is None else jax.tree.map(lambda array: jax.lax.with_sharding_constraint(array, everywhere), arrays)


def over_rows(function: Callable[[Rows, Rows], Any], rows: Rows, columns: Rows, everywhere: jax.sharding.Sharding | None = None) -> Any:
    """`function(rows, columns)`, arrays [n, ...] of each row alone, computed for at most CHUNK rows at a time.

    No array of all pairs [n, m] is there at any time, in the gradient neither: each chunk is computed again for it. Neighbours go to
    different chunks, so that every device has rows in all of them; columns lie `everywhere`.
    """
    columns = gathered(columns, everywhere)
    count = len(rows.patient)
    parts = -(-count // CHUNK)
    if parts == 1:
        return function(rows, columns)
    size = -(-count // parts)

    def split(array: jax.Array) -> jax.Array:
        fill = -1 if jnp.issubdtype(array.dtype, jnp.integer) else 0
        filled = jnp.pad(array, [(0, parts * size - count), *[(0, 0)] * (array.ndim - 1)], constant_values=fill)
        return filled.reshape(size, parts, *array.shape[1:]).swapaxes(0, 1)

    def joined(array: jax.Array) -> jax.Array:
        return array.swapaxes(0, 1).reshape(parts * size, *array.shape[2:])[:count]

    once_more = jax.checkpoint(function, prevent_cse=False)  # a loop's two passes cannot be merged anyway
    found = jax.lax.map(lambda chunk: once_more(chunk, columns), jax.tree.map(split, rows))
    return jax.tree.map(joined, found)


def retrieved(images: Rows, vectors: Rows, everywhere: jax.sharding.Sharding | None = None) -> jax.Array:
    """Whether the vector nearest to an image is the same patient's, bool [n]; `vectors` are those of the same batch."""

    def nearest(rows: Rows, columns: Rows) -> jax.Array:
        cosines = jnp.where((columns.patient >= 0)[None, :], rows.unit @ columns.unit.T, -2.0)
        return columns.patient[jnp.argmax(cosines, axis=1)] == rows.patient

    return over_rows(nearest, images, vectors, everywhere)
