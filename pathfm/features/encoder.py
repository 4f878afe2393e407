"""The encoder of a folder of weights: its image tower, the pooling that was trained with it, and how it takes its input."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pathfm.models.images import normalised
from pathfm.models.precision import compute_type
from pathfm.objectives.image_tower import ImageTower
from pathfm.weights.folder import Weights

FEWEST_ROWS = 64  # a bag is filled up to a power of two, so that few programs serve bags of all sizes


@dataclass(frozen=True, eq=False)
class Encoder:
    """From tiles to features, frozen; on all devices of this process, bfloat16 inside on accelerators."""

    tower: ImageTower
    params: dict[str, Any]  # the image tower and, where it was trained, its pooling
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tile: int  # edge of the images that it was trained on
    identity: list  # all that the feature of a tile depends on, JSON-like

    @classmethod
    def of(cls, weights: Weights) -> "Encoder":
        """Of weights with trained pooling it is that pooling, of all others the mean."""
        card, platform = weights.card, jax.devices()[0].platform
        return cls(
            tower=ImageTower(weights.spec, card.pooling, compute_type("auto", platform)),
            params={name: weights.params[name] for name in ("image", "pooling") if name in weights.params},
            mean=card.mean,
            std=card.std,
            tile=card.tile,
            identity=[card.weight_hash, card.architecture.to_dict(), {"mean": list(card.mean), "std": list(card.std)}, platform],
        )

    @property
    def pooling(self) -> str:
        """How the tiles of a patient become one feature: "mean", or trained "attention" or "transformer"."""
        return self.tower.pooling

    @cached_property
    def tiles(self) -> Callable[[np.ndarray], jax.Array]:
        """uint8 [batch, height, width, 3] → float32 [batch, features]; a batch is split over the devices and a multiple of their number."""
        mesh = jax.make_mesh((jax.local_device_count(),), ("data",), axis_types=(AxisType.Auto,), devices=jax.local_devices())
        everywhere, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
        params = jax.device_put({"image": self.params["image"]}, everywhere)

        @jax.jit
        def features(params: Any, images: jax.Array) -> jax.Array:
            return self.tower.tiles(params, normalised(images, self.mean, self.std)[:, None])[:, 0]

        return lambda images: features(params, jax.device_put(images, split))

    def pooled(self, tiles: np.ndarray) -> np.ndarray:
        """One feature float32 [features] of all the tiles [tiles, features] of a patient, by the tower's own pooling."""
        rows = max(FEWEST_ROWS, 1 << (len(tiles) - 1).bit_length())
        bag = np.zeros((1, rows, tiles.shape[1]), np.float32)
        bag[0, : len(tiles)] = tiles
        return np.asarray(self._pool(bag, np.arange(rows)[None] < len(tiles)))[0].astype(np.float32)

    @cached_property
    def _pool(self) -> Callable[..., jax.Array]:
        heads = {name: leaves for name, leaves in self.params.items() if name != "image"}
        pool = jax.jit(self.tower.pooled)
        return lambda bag, mask: pool(heads, jnp.asarray(bag), jnp.asarray(mask))
