"""A public benchmark: labelled images with their publisher's split, and how an image becomes a tile of the tower."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pathfm.errors import InputError

MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class Benchmark:
    """Labelled images with the publisher's split; roles are train, val, test, and val may be missing."""

    task: str
    units: tuple[str, ...]
    labels: tuple[str, ...]
    roles: tuple[str, ...]
    patients: tuple[str, ...] | None  # None where the publisher does not tell
    read: Callable[[int], np.ndarray]  # number → uint8 [height, width, 3]
    digest: str


def read_image(path: Path) -> np.ndarray:
    """An image file as uint8 [height, width, 3]; InputError when it does not decode or is too large to be meant."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{path} has {image.width} × {image.height} pixels; at most {MAX_PIXELS:,} are read")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} does not decode as an image: {error}") from error


def cropped(image: np.ndarray, edge: int) -> np.ndarray:
    """The short side resized to `edge` (bilinear with antialiasing, as eva does), then the centre crop: uint8 [edge, edge, 3]."""
    height, width = image.shape[:2]
    if (height, width) == (edge, edge):
        return image
    scale = edge / min(height, width)
    size = (max(edge, round(width * scale)), max(edge, round(height * scale)))
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    top, left = (resized.shape[0] - edge) // 2, (resized.shape[1] - edge) // 2
    return resized[top : top + edge, left : left + edge]
