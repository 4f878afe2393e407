"""The tiles of each row, for probes that see them instead of one feature."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bags:
    """Rows are bags of tiles: an array of them, as features are, for who takes rows and asks for their number."""

    tiles: np.ndarray  # float32 [n, most tiles, features]; what lies beyond a row's tiles is 0
    counts: np.ndarray  # int [n]: tiles of each row

    @classmethod
    def of(cls, bags: Sequence[np.ndarray]) -> "Bags":
        """Of float32 [tiles, features] each."""
        tiles = np.zeros((len(bags), max(map(len, bags)), bags[0].shape[1]), np.float32)
        for row, bag in zip(tiles, bags, strict=True):
            row[: len(bag)] = bag
        return cls(tiles, np.array(list(map(len, bags))))

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, rows: np.ndarray) -> "Bags":
        return Bags(self.tiles[rows], self.counts[rows])

    @property
    def mask(self) -> np.ndarray:
        """bool [n, most tiles]: which places hold a tile."""
        return np.arange(self.tiles.shape[1]) < self.counts[:, None]


class OfTiles:
    """A probe that is given bags; what it is fitted on and asked about are `Bags`, rows alike."""


def evenly(bag: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the tiles [tiles, features], spread evenly over them in their order."""
    return bag[spread(len(bag), most)]


def spread(count: int, most: int) -> np.ndarray:
    """Which of `count` things, `most` of them at the most, spread evenly over their order: int, ascending."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
