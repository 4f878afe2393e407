"""Position embeddings for another image size than the one they were learned at, by each publisher's rule."""

from functools import lru_cache
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from pathfm.models.precision import FLOAT32

Interpolation = Literal["antialias", "bicubic", "bicubic_offset"]
"""How a publisher's code resamples the grid of position embeddings:

- "antialias": Keys' cubic with a = -1/2, widened when it shrinks. timm, DINOv2 with registers (hub and Hugging Face).
- "bicubic": Keys' cubic with a = -3/4, never widened, edges repeated. Hugging Face's ViT and its DINOv2 without registers.
- "bicubic_offset": the same, sampled as if the new grid were 0.1 larger. DINOv2's hub code without registers.
"""

OFFSET = 0.1  # DINOv2's `interpolate_offset`


def resize_grid(
    position: jax.Array, prefix: int, old: tuple[int, int], new: tuple[int, int], rule: Interpolation = "antialias"
) -> jax.Array:
    """Position embeddings [1, prefix + rows × columns, width] of the grid `old`, resampled to the grid `new`.

    The first `prefix` embeddings stay as they are.
    """
    if old == new:
        return position
    width = position.shape[-1]
    grid = position[0, prefix:].reshape(*old, width)
    rows, columns = (jnp.asarray(cubic_weights(a, b, rule), position.dtype) for a, b in zip(old, new, strict=True))
    grid = jnp.einsum("ia,abw->ibw", rows, grid, precision=FLOAT32)
    grid = jnp.einsum("jb,ibw->ijw", columns, grid, precision=FLOAT32)
    return jnp.concatenate([position[:, :prefix], grid.reshape(1, -1, width)], axis=1)


@lru_cache(maxsize=64)
def cubic_weights(old: int, new: int, rule: Interpolation = "antialias") -> np.ndarray:
    """The matrix [new, old] that resamples a line of samples by cubic convolution; pixel centres lie at half integers.

    "antialias" is `torch.nn.functional.interpolate(mode="bicubic", antialias=True)` and PIL: at the edges the weights that remain
    are made to sum to one. The others are `interpolate(mode="bicubic")`: at the edges the outermost samples are repeated.
    """
    scale = old / (new + OFFSET if rule == "bicubic_offset" else new)
    centres = (np.arange(new) + 0.5) * scale - 0.5
    if rule == "antialias":
        weights = _keys(np.abs(centres[:, None] - np.arange(old)[None, :]) / max(scale, 1.0), -0.5)
        return weights / weights.sum(axis=1, keepdims=True)
    weights = np.zeros((new, old))
    for step in range(-1, 3):
        sample = np.floor(centres).astype(int) + step
        np.add.at(weights, (np.arange(new), sample.clip(0, old - 1)), _keys(np.abs(centres - sample), -0.75))
    return weights


def _keys(x: np.ndarray, a: float) -> np.ndarray:
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
