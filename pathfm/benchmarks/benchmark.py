"""A public benchmark: labelled images with their publisher's split, and how an image becomes a tile of the tower."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from PIL import Image

from pathfm.benchmarks.known import COLUMNS, Found, Known
from pathfm.errors import InputError
from pathfm.files import digest

MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class Benchmark:
    """Labelled images with the publisher's split; roles are train, val, test, and val may be missing."""

    task: str
    units: tuple[str, ...]
    labels: tuple[str, ...]
    roles: tuple[str, ...]
    patients: tuple[str, ...] | None  # of each image, else its slide, else itself; None where the publisher tells of no image
    read: Callable[[int], np.ndarray]  # number → uint8 [height, width, 3]; from several threads at a time
    digest: str
    unit: Literal["patient", "slide", "image"] = "image"  # what the publisher tells of every image
    release: str = ""
    lacking: str = ""  # what the publisher's release has and this has not

    @classmethod
    def of(
        cls, known: Known, table: pd.DataFrame, hashes: Iterable[str], read: Callable[[int], np.ndarray], release: str, lacking: str
    ) -> "Benchmark":
        """Of a table with the columns of `Found.table` and the SHA-256 of the bytes of each image."""
        told = table["patient"].where(table["patient"] != "", table["slide"])
        return cls(
            task=known.name,
            units=tuple(table["unit"]),
            labels=tuple(table["label"]),
            roles=tuple(table["role"]),
            patients=tuple(told.where(told != "", table["unit"])) if (told != "").any() else None,
            read=read,
            digest=content_digest(table, hashes),
            unit=known.unit,
            release=release,
            lacking=lacking,
        )

    @classmethod
    def of_found(cls, known: Known, found: Found) -> "Benchmark":
        """Of a download, read where it lies; every image is read once for its hash."""
        units = list(found.table["unit"])
        hashes, sizes = [], {}
        for number, unit in enumerate(units):
            data = found.encoded(number)
            hashes.append(hashlib.sha256(data).hexdigest())
            with opened(data, unit) as image:
                sizes[number] = image.size
        lacking = known.lacking(found, sizes)
        return cls.of(known, found.table, hashes, lambda number: decoded(found.encoded(number), units[number]), found.release, lacking)


def content_digest(table: pd.DataFrame, hashes: Iterable[str]) -> str:
    """Identifies images, labels, roles, patients and their order, wherever they are stored."""
    return digest([table[list(COLUMNS)].to_numpy(object).tolist(), list(hashes)])


def decoded(data: bytes, name: str | Path) -> np.ndarray:
    """An image file's bytes as uint8 [height, width, 3]; InputError when they do not decode or are too large to be meant."""
    with opened(data, name) as image:
        return np.asarray(image.convert("RGB"))


@contextmanager
def opened(data: bytes, name: str | Path) -> Iterator[Image.Image]:
    """The image in a file's bytes, whose pixels are decoded when asked for; InputError as `decoded` says, also in what is done with it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{name} has {image.width} × {image.height} pixels; at most {MAX_PIXELS:,} are read")
            yield image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name} does not decode as an image: {error}") from error


def read_image(path: Path) -> np.ndarray:
    """An image file as uint8 [height, width, 3]; InputError when it does not decode or is too large to be meant."""
    return decoded(read_file(path), path)


def read_file(path: Path) -> bytes:
    """A file's bytes; InputError when the system refuses."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def as_png(pixels: np.ndarray) -> bytes:
    """uint8 [height, width, 3] as PNG, which keeps every pixel."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


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
