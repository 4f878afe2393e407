"""A picture of a slide with its tissue outlined and its kept tiles drawn; from the pyramid, never from label or macro images."""

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from pathfm.files import replacing
from pathfm.slides.reader import Slide, averaging_scale

EDGE = 1024
OUTLINE = (0, 160, 60)
TILES = (30, 60, 220)


def draw(slide: Slide, mask: np.ndarray, mask_downsample: float, corners: Iterable[tuple[int, int]], side: float) -> Image.Image:
    """The slide at most 1024 pixels long, never enlarged.

    `mask` has `mask_downsample` level-0 pixels to one of its own; `corners` and `side` give the kept tiles in level-0 pixels.
    """
    downsample = max(1.0, max(slide.width, slide.height) / EDGE)
    width, height = max(1, int(slide.width / downsample)), max(1, int(slide.height / downsample))
    pixels = slide.read(averaging_scale(slide.downsamples, downsample), 0, 0, width, height).copy()
    pixels[_outline(mask, mask_downsample / downsample, height, width)] = OUTLINE
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    for x, y in corners:
        pen.rectangle((x / downsample, y / downsample, (x + side) / downsample - 1, (y + side) / downsample - 1), outline=TILES)
    return image


def _outline(mask: np.ndarray, ratio: float, height: int, width: int) -> np.ndarray:
    rows, columns = (
        np.minimum(np.arange(size) / ratio, limit - 1).astype(int) for size, limit in zip((height, width), mask.shape, strict=True)
    )
    enlarged = mask[np.ix_(rows, columns)]
    return enlarged & ~ndimage.binary_erosion(enlarged, border_value=1)


def write(image: Image.Image, path) -> None:
    """A JPEG file, whole or absent."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    with replacing(path) as temporary:
        temporary.write_bytes(data.getvalue())
