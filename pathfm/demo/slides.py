"""Writes scenes as pyramidal tiled TIFF files, which OpenSlide opens as `generic-tiff`."""

import os

import numpy as np
import tifffile

from pathfm.demo.scene import Scene, pixels
from pathfm.files import replacing

MPP = 0.5
INTERNAL_TILE = 256
LEVELS = 3


def write_slide(path: str | os.PathLike, scene: Scene) -> None:
    """The slide at `path`: three levels, each half of the one before, 0.5 µm/px at level 0, deflated without loss.

    Lossless, so that a tile read from the slide has the very pixels that the painter made.
    """
    write_pyramid(path, pixels(scene))


def write_pyramid(path: str | os.PathLike, image: np.ndarray, mpp: float = MPP, levels: int = LEVELS) -> None:
    """`image` uint8 [height, width, 3] at `mpp` µm/px as a pyramid of pages; the same image gives the same bytes."""
    with replacing(path) as temporary, tifffile.TiffWriter(temporary, byteorder="<") as file:
        for level in range(levels):
            file.write(
                image,
                photometric="rgb",
                tile=(INTERNAL_TILE, INTERNAL_TILE),
                compression="zlib",
                compressionargs={"level": 4},
                predictor=False,
                resolution=(1e4 / mpp / 2**level, 1e4 / mpp / 2**level),
                resolutionunit="CENTIMETER",
                subfiletype=0 if level == 0 else 1,
                metadata=None,
                software="pathfm demo",
            )
            image = halved(image)


def halved(image: np.ndarray) -> np.ndarray:
    """The mean of each 2 × 2 px, uint8 [height // 2, width // 2, 3]."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    quarters = image[:height, :width].astype(np.uint16)
    return ((quarters[::2, ::2] + quarters[1::2, ::2] + quarters[::2, 1::2] + quarters[1::2, 1::2] + 2) // 4).astype(np.uint8)
