"""Rotary position embeddings: query and key of a patch are turned by its coordinates (Su et al. 2021, https://arxiv.org/abs/2104.09864).

As DINOv3 has them (https://arxiv.org/abs/2508.10104): the centres of the patches lie between -1 and 1 along each side of the image,
whatever its size, so nothing is resampled for another size; half of the pairs of a head turn with the row, half with the column. The class
token and the registers do not turn. DINOv3 shifts and stretches the coordinates at random while it is pre-trained; here they stay.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from pathfm.models.architecture import RopeType


@lru_cache(maxsize=64)
def rotation(base: float, depth: int, prefix: int, grid: tuple[int, int], kind: RopeType) -> np.ndarray:
    """Cosines and signed sines [2, 3, 1, 1, tokens, depth] float32 that `turned` takes, for heads of width `depth` that 4 divides.

    The 3 are query, key and value. With `kind` "bfloat16" every step is rounded, as in the code of a publisher who computes in that type.
    """
    rounded = _rounding(kind)
    periods = rounded(np.float32(base) ** (np.arange(depth // 4, dtype=np.float32) * np.float32(4 / depth)))
    sides = [rounded(rounded((np.arange(n, dtype=np.float32) + 0.5) / np.float32(n)) * 2 - 1) for n in grid]
    coordinates = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2, 1)
    angles = rounded(rounded(np.float32(2 * np.pi) * coordinates) / periods).reshape(-1, depth // 2)
    cosine, sine = rounded(np.cos(angles)), rounded(np.sin(angles))
    turn = np.zeros((2, 3, 1, 1, prefix + len(angles), depth), np.float32)
    turn[0] = 1.0
    turn[0, :2, :, :, prefix:] = np.concatenate([cosine, cosine], axis=-1)
    turn[1, :2, :, :, prefix:] = np.concatenate([-sine, sine], axis=-1)
    turn.flags.writeable = False
    return turn


def _rounding(kind: RopeType):
    """The function that rounds float32 to that type, in float32."""
    return (lambda values: values) if kind == "float32" else lambda values: values.astype(ml_dtypes.bfloat16).astype(np.float32)


@jax.custom_vjp
def turned(qkv: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """`qkv` [3, batch, heads, tokens, depth] with each pair (i, i + depth / 2) turned; computed in float32, given in the type of `qkv`.

    Its gradient is the turn back, which jax would find as sums of padded halves.
    """
    wide = qkv.astype(jnp.float32)
    return (wide * cosine + jnp.roll(wide, qkv.shape[-1] // 2, axis=-1) * sine).astype(qkv.dtype)


def _turned(qkv, cosine, sine):
    return turned(qkv, cosine, sine), (cosine, sine)


def _turned_back(kept, slope):
    cosine, sine = kept
    return turned(slope, cosine, -sine), None, None


turned.defvjp(_turned, _turned_back)
