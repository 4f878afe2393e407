"""Pixels of a whole-slide image at a wanted resolution, read through OpenSlide (https://openslide.org/api/python/)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

TOLERANCE = 0.03
MICROSCOPES = (0.1, 5.0)
MAX_LEVEL_PIXELS = 1 << 37
MAX_INTERNAL_TILE_PIXELS = 1 << 26
BLOCK = 2048
EXACT_IN_PILLOW = (2, 4, 8, 16)
MICROMETRES = {"inch": 25_400.0, "centimeter": 10_000.0}


class SlideError(Exception):
    """A slide that cannot be tiled; the message is the reason, a short class before the first colon and details after it."""


@dataclass(frozen=True)
class Scale:
    """How output pixels come from a level: `factor` level pixels to one output pixel's edge, `downsample` level-0 pixels."""

    level: int
    factor: float
    downsample: float


@dataclass(frozen=True)
class Slide:
    """An open slide: its size in level-0 pixels, µm/px at level 0, and the downsample of each level."""

    handle: openslide.OpenSlide
    mpp: float
    width: int
    height: int
    downsamples: tuple[float, ...]

    def read(self, scale: Scale, x: int, y: int, width: int, height: int) -> np.ndarray:
        """RGB uint8 [height, width, 3] at `scale`, its top left corner at level-0 (x, y); white outside the slide.

        A factor of one gives OpenSlide's own pixels, any other the exact area average. Raises SlideError.
        """
        step = max(1, int(BLOCK / scale.factor))
        if max(width, height) <= step:
            return self._block(scale, x, y, width, height)
        out = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, step):
            for left in range(0, width, step):
                rows, columns = min(step, height - top), min(step, width - left)
                corner = x + round(left * scale.downsample), y + round(top * scale.downsample)
                out[top : top + rows, left : left + columns] = self._block(scale, *corner, columns, rows)
        return out

    def _block(self, scale: Scale, x: int, y: int, width: int, height: int) -> np.ndarray:
        size = _source(width, scale.factor), _source(height, scale.factor)
        try:
            region = self.handle.read_region((x, y), scale.level, size)
        except openslide.OpenSlideError as error:
            raise SlideError(f"cannot be read: {error}, near x={x}, y={y} of level {scale.level}") from error
        return area_average(on_white(region), height, width, scale.factor)


@contextmanager
def open_slide(path: Path, mpp: float | None = None) -> Iterator[Slide]:
    """The slide at `path`; `mpp` (µm/px) replaces what the file says. Raises SlideError: unreadable, too large, no mpp."""
    if path.suffix == ".mrxs":
        path = path.resolve()  # the pixels lie beside the file, not beside a link to it
        if not path.with_suffix("").is_dir():
            raise SlideError(f"cannot be opened: the folder {path.stem} with its pixels is not beside it")
    try:
        handle = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise SlideError(f"cannot be opened: {error}") from error
    with handle:
        width, height = handle.dimensions
        check_size(handle.level_dimensions, handle.properties)
        yield Slide(handle, mpp if mpp is not None else native_mpp(handle.properties), width, height, tuple(handle.level_downsamples))


def check_size(levels: Sequence[tuple[int, int]], properties: Mapping[str, str]) -> None:
    """Raises SlideError when a level, or one internal tile that must be decoded whole, has more pixels than is sane."""
    for level, (width, height) in enumerate(levels):
        if width * height > MAX_LEVEL_PIXELS:
            raise SlideError(f"too large: level {level} has {width}×{height} pixels, at most {MAX_LEVEL_PIXELS:,} are read")
        internal = [int(properties.get(f"openslide.level[{level}].tile-{side}", 0)) for side in ("width", "height")]
        if math.prod(internal) > MAX_INTERNAL_TILE_PIXELS:
            raise SlideError(f"too large: level {level} is stored in pieces of {internal[0]}×{internal[1]} pixels")


def native_mpp(properties: Mapping[str, str]) -> float:
    """µm/px of level 0 from OpenSlide's properties, or from the resolution tags of a generic TIFF.

    Raises SlideError where there is none, also where it is no microscope's: an image editor writes 72, 96 or 300 pixels an inch into
    whatever it saves. An objective's power is not taken for a scale, since pixels of one power differ between cameras.
    """
    given = [_number(properties.get(f"openslide.mpp-{axis}")) for axis in "xy"]
    if None in given and properties.get("openslide.vendor") == "generic-tiff":
        unit = MICROMETRES.get(properties.get("tiff.ResolutionUnit", ""))
        density = [_number(properties.get(f"tiff.{axis}Resolution")) for axis in "XY"]
        given = [unit / value if unit and value else None for value in density]
    if None in given:
        power = properties.get("openslide.objective-power")
        raise SlideError(f"no mpp: the file tells only its objective, {power}×" if power else "no mpp")
    low, high = MICROSCOPES
    if not all(low <= value <= high for value in given):
        across, down = (f"{value:.4g}" for value in given)
        said = across if across == down else f"{across} by {down}"
        raise SlideError(f"no mpp: the file says {said} µm/px, which is no microscope's ({low:g} to {high:g})")
    if abs(given[0] / given[1] - 1) > TOLERANCE:
        raise SlideError(f"no mpp: the file says {given[0]:.4g} µm/px across and {given[1]:.4g} down")
    return sum(given) / 2


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def tile_scale(slide: Slide, target: float) -> Scale:
    """The scale for tiles of `target` µm/px: the nearest level within 3 % as it is, else the next finer one averaged.

    Raises SlideError for a slide that is coarser than the target: pixels are never enlarged.
    """
    away = [abs(slide.mpp * downsample / target - 1) for downsample in slide.downsamples]
    nearest = int(np.argmin(away))
    if away[nearest] <= TOLERANCE:
        return Scale(nearest, 1.0, slide.downsamples[nearest])
    if slide.mpp > target:
        raise SlideError(f"coarser than wanted: {slide.mpp:.4g} µm/px, wanted {target:g}")
    return averaging_scale(slide.downsamples, target / slide.mpp)


def averaging_scale(downsamples: Sequence[float], wanted: float) -> Scale:
    """The scale of `wanted` level-0 pixels to an output pixel, averaged from the coarsest level that is not coarser."""
    level = max(
        (level for level, downsample in enumerate(downsamples) if downsample <= wanted), key=lambda level: downsamples[level], default=0
    )
    return Scale(level, wanted / downsamples[level], wanted)


def on_white(image: Image.Image) -> np.ndarray:
    """An RGBA image over white, uint8 [height, width, 3]."""
    pixels = np.asarray(image)
    alpha = pixels[..., 3:].astype(np.uint32)
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(pixels[..., :3])
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def area_average(pixels: np.ndarray, height: int, width: int, factor: float) -> np.ndarray:
    """Mean of uint8 [rows, columns, 3] over squares of `factor` pixels, whole or not, rounded: uint8 [height, width, 3].

    Pillow's own reduction is exact for powers of two only: its box filter takes whole pixels, its reduction truncates.
    """
    if factor == 1:
        return pixels
    if factor in EXACT_IN_PILLOW:
        return np.asarray(Image.fromarray(pixels).reduce(int(factor)))
    rows, columns = pixels.shape[:2]
    down = _overlaps(height, rows, factor) @ pixels.reshape(rows, columns * 3).astype(np.float32)
    turned = down.reshape(height, columns, 3).transpose(1, 0, 2).reshape(columns, height * 3)
    across = (_overlaps(width, columns, factor) @ turned).reshape(width, height, 3).transpose(1, 0, 2)
    return np.ascontiguousarray(np.clip(np.floor(across + 0.5), 0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def _overlaps(count: int, pixels: int, factor: float) -> np.ndarray:
    """Row i holds the share that each of `pixels` unit intervals has in interval i of length `factor`."""
    start = np.arange(count)[:, None] * factor
    unit = np.arange(pixels)[None, :]
    shared = np.clip(np.minimum(start + factor, unit + 1) - np.maximum(start, unit), 0, None)
    return (shared / shared.sum(axis=1, keepdims=True)).astype(np.float32)


def _source(count: int, factor: float) -> int:
    return math.ceil(count * factor - 1e-6)
