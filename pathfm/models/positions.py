"""Position embeddings for another image size than the one they were learned at."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np


def resize_grid(position: jax.Array, prefix: int, old: tuple[int, int], new: tuple[int, int]) -> jax.Array:
    """Position embeddings [1, prefix + rows × columns, width] of the grid `old`, resampled to the grid `new`.

    The first `prefix` embeddings stay as they are. Bicubic with antialiasing, as timm's `resample_abs_pos_embed` does it.
    """
    if old == new:
        return position
    width = position.shape[-1]
    grid = position[0, prefix:].reshape(*old, width)
    rows, columns = (jnp.asarray(cubic_weights(a, b), position.dtype) for a, b in zip(old, new, strict=True))
    grid = jnp.einsum("ia,abw->ibw", rows, grid, precision="highest")
    grid = jnp.einsum("jb,ibw->ijw", columns, grid, precision="highest")
    return jnp.concatenate([position[:, :prefix], grid.reshape(1, -1, width)], axis=1)


@lru_cache(maxsize=64)
def cubic_weights(old: int, new: int) -> np.ndarray:
    """The matrix [new, old] that resamples a line of samples: Keys' cubic with a = -1/2, widened when it shrinks the line.

    Pixel centres lie at half integers; at the edges the weights that remain are made to sum to one, as PIL and
    `torch.nn.functional.interpolate(mode="bicubic", antialias=True)` do.
    """
    scale = old / new
    stretch = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale - 0.5
    weights = _keys(np.abs(centres[:, None] - np.arange(old)[None, :]) / stretch)
    return weights / weights.sum(axis=1, keepdims=True)


def _keys(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
