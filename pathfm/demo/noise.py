"""Smooth noise over a plane, of which any window can be cut without the rest."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SPLINE_VARIANCE = 151 / 315


@dataclass(frozen=True)
class Lattice:
    """Smooth noise over a plane: standard normal `values` every `period` px, joined by cubic B-splines."""

    values: np.ndarray
    period: int

    def window(self, x: int, y: int, side: int) -> np.ndarray:
        """The noise, float32 [side, side], at x … x + side and y … y + side."""
        (column, across), (row, down) = divmod(x, self.period), divmod(y, self.period)
        count = side // self.period + 5
        return (
            spline(self.period, down, side) @ self.values[row : row + count, column : column + count] @ spline(self.period, across, side).T
        )


@lru_cache(maxsize=256)
def spline(period: int, offset: int, side: int) -> np.ndarray:
    """Weights [side, knots] of a cubic B-spline, scaled so that independent standard normal knots give a field of unit variance."""
    place = (np.arange(side) + offset) / period
    distance = np.abs(place[:, None] - np.arange(side // period + 5)[None] + 1.5)
    weight = np.where(distance < 1, 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6)
    return (weight / np.sqrt(SPLINE_VARIANCE)).astype(np.float32)


def lattice(rng: np.random.Generator, width: int, height: int, period: int) -> Lattice:
    """Noise that covers `width` × `height` px and a margin."""
    return Lattice(rng.standard_normal((height // period + 7, width // period + 7), dtype=np.float32), period)
