"""What the training loop, the evaluators and the exporter know of an objective."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax


class Objective(Protocol):
    """A way to train the image tower. A new one is a file like its neighbours and a config.

    A batch holds images float32 [views, batch, tiles, height, width, 3], tile_mask bool [batch, tiles], patient int32 [batch]
    (-1 is padding) and, where the objective asks for it, expression float32 [batch, genes]. `encode` sees each patient alone and is
    what costs; `loss` sees all of them and needs no images. So the patients of a step may be encoded a few at a time.
    """

    views: int  # how many differently augmented versions of each tile it encodes
    needs_expression: bool
    additive: bool  # the loss is a mean over patients of what each gives alone, without random numbers
    predict: Mapping[str, Callable[..., jax.Array]]  # name → function of (params, inputs)

    def init(self, rng: jax.Array) -> Any:
        """Parameters, float32; the image tower lies under `image`."""
        ...

    def encode(self, params: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        """What the image tower makes of each patient's tiles, float32 [batch, ...]."""
        ...

    def loss(
        self, params: Any, encoded: jax.Array, batch: Mapping[str, jax.Array], rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The scalar loss and scalar metrics of what `encode` gave; with `train` dropout and masking are on."""
        ...

    def flops(self, batch: int, tiles: int) -> float:
        """Floating-point operations of a training step, forward and backward."""
        ...
