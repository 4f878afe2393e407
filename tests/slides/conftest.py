"""Small slides for the tests of this folder, written as OpenSlide and the scanners' vendors mean them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

PyramidWriter = Callable[..., Path]


@pytest.fixture(scope="session")
def stained() -> Callable[..., np.ndarray]:
    """RGB uint8 [height, width, 3]: glass, and a rectangle (top, bottom, left, right) of noisy pink and purple on it."""

    def paint(height: int, width: int, tissue: tuple[int, int, int, int] | None = None, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        image = rng.integers(238, 246, (height, width, 1)).repeat(3, axis=2)
        top, bottom, left, right = tissue or (0, height, 0, width)
        shape = bottom - top, right - left
        colours = np.array([[215, 130, 180], [110, 60, 140]])
        image[top:bottom, left:right] = colours[rng.integers(0, 2, shape)] + rng.integers(-25, 25, (*shape, 3))
        return image.astype(np.uint8)

    return paint


@pytest.fixture(scope="session")
def write_pyramid() -> PyramidWriter:
    """Writes an image as a tiled pyramid with its mpp; each level is the block mean of the level before it."""

    def write(path: Path, image: np.ndarray, levels: int = 1, mpp: float | None = 0.5, compression: str = "deflate") -> Path:
        with tifffile.TiffWriter(path) as tiff:
            for level in range(levels):
                density = 1e4 / (mpp * 2**level) if mpp else None
                resolution = {"resolution": (density, density), "resolutionunit": "CENTIMETER"} if density else {}
                kind = {"subfiletype": int(level > 0), "compression": compression, "photometric": "rgb", "metadata": None}
                tiff.write(image, tile=(128, 128), **kind, **resolution)
                image = block_mean(image, 2)
        return path

    return write


def block_mean(image: np.ndarray, factor: int) -> np.ndarray:
    """The mean of squares of `factor` pixels, halves rounded up: uint8 [height // factor, width // factor, 3]."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.floor(blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


@pytest.fixture(scope="session", name="block_mean")
def block_mean_fixture() -> Callable[[np.ndarray, int], np.ndarray]:
    return block_mean
