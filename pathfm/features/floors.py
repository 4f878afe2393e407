"""Floors: encoders that have learned nothing, whose scores a base must clear before its own say anything."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pathfm.features.encoder import Encoder
from pathfm.files import digest
from pathfm.objectives.image_tower import ImageTower
from pathfm.weights.folder import Weights
from pathfm.weights.hashing import weight_hash

RANDOM, COLOUR = "random", "colour"
NAMES = {RANDOM: "floor: random weights", COLOUR: "floor: colour"}
WHITE = 255.0


@dataclass(frozen=True)
class ColourStatistics:
    """Twelve numbers in the place of an encoder's feature of a tile: mean and sd of each channel in RGB and in optical density."""

    tile: int  # edge of the images of benchmarks
    pooling: str = "mean"

    @property
    def identity(self) -> list:
        return ["colour", 1, self.tile]

    @property
    def tiles(self) -> Callable[[np.ndarray], jax.Array]:
        """uint8 [batch, height, width, 3] → float32 [batch, 12]."""
        return colour_statistics

    def pooled(self, tiles: np.ndarray) -> np.ndarray:
        return tiles.mean(axis=0)


@jax.jit
def colour_statistics(images: jax.Array) -> jax.Array:
    """float32 [batch, 12] of uint8 [batch, height, width, 3]: mean and sd over the pixels in RGB, then in optical density.

    Optical density is -log10((value + 1) / 256), so that black is finite (Ruifrok and Johnston 2001).
    """
    pixels = images.reshape(images.shape[0], -1, 3).astype(jnp.float32)
    density = -jnp.log10((pixels + 1.0) / (WHITE + 1.0))
    parts = [statistic(values, axis=1) for values in (pixels / WHITE, density) for statistic in (jnp.mean, jnp.std)]
    return jnp.concatenate(parts, axis=1)


def floor_of(weights: Weights, kind: str, seed: int) -> tuple[Encoder | ColourStatistics, dict[str, Any]]:
    """The encoder of a floor under these weights, and its card: the same architecture, tiles and genes, and nothing learned.

    `kind` is "random", a tower whose weights are drawn by `seed` as training draws them, or "colour".
    """
    unknown = dict.fromkeys(("settings", "base", "blend", "recipe_hash", "pairing", "data_hash"))
    nothing = unknown | {"step": 0, "pretrained_on": ()}
    card = replace(weights.card, name=NAMES[kind], objective="floor", **nothing)
    if kind == COLOUR:
        encoder = ColourStatistics(card.tile)
        return encoder, replace(card, weight_hash=digest(encoder.identity)).to_dict()
    tower = ImageTower(card.architecture, card.pooling, edge=card.tile)
    params = jax.tree.map(np.asarray, tower.init(jax.random.key(seed)))
    drawn = replace(weights, card=replace(card, weight_hash=weight_hash(params["image"])), params=params)
    return Encoder.of(drawn), drawn.card.to_dict()
