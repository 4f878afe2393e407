"""Public benchmarks, read from the folders that their publishers ship."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pathfm.errors import InputError
from pathfm.files import digest, inside, sha256

MAX_PIXELS = 64_000_000
MAX_ROWS = 5_000_000


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


def mhist(folder: str | Path) -> Benchmark:
    """MHIST (Wei et al. 2021): `images/*.png` and `annotations.csv`; HP against SSA by majority vote."""
    folder = Path(folder)
    annotations = folder / "annotations.csv"
    needed = ["Image Name", "Majority Vote Label", "Partition"]
    try:
        table = pd.read_csv(annotations, dtype=str, nrows=MAX_ROWS + 1)
    except FileNotFoundError:
        raise InputError(f"{folder} is not MHIST: it lacks annotations.csv") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{annotations} cannot be read as CSV: {error}") from error
    if len(table) > MAX_ROWS:
        raise InputError(f"{annotations} has more than {MAX_ROWS:,} rows; that is no list of images")
    missing = [column for column in needed if column not in table]
    if missing:
        raise InputError(f"{annotations} lacks the column {missing[0]!r}")
    for column, allowed in (("Majority Vote Label", {"HP", "SSA"}), ("Partition", {"train", "test"})):
        wrong = table.index[~table[column].isin(allowed)]
        if len(wrong):
            value = table[column][wrong[0]]
            raise InputError(f"{annotations}, row {wrong[0] + 2}: {column} is {value!r}, which is none of {', '.join(sorted(allowed))}")
    if table["Image Name"].duplicated().any():
        name = table["Image Name"][table["Image Name"].duplicated()].iloc[0]
        raise InputError(f"{annotations} names the image {name!r} twice")
    paths = [inside(folder / "images", name) for name in table["Image Name"]]
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise InputError(f"{len(absent)} images of {annotations} are missing; the first is {absent[0]}")
    return Benchmark(
        task="mhist",
        units=tuple(table["Image Name"]),
        labels=tuple(table["Majority Vote Label"]),
        roles=tuple(table["Partition"]),
        patients=None,
        read=lambda number: read_image(paths[number]),
        digest=digest([sha256(annotations), [sha256(path) for path in paths]]),
    )


READERS = {"mhist": mhist}


def read_image(path: Path) -> np.ndarray:
    """An image file as uint8 [height, width, 3]; InputError when it does not decode or is too large to be meant."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{path} has {image.width} × {image.height} pixels; at most {MAX_PIXELS:,} are read")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} does not decode as an image: {error}") from error


def fitted(image: np.ndarray, edge: int) -> np.ndarray:
    """The short side resized to `edge` (bilinear with antialiasing, as eva does), then the centre crop: uint8 [edge, edge, 3]."""
    height, width = image.shape[:2]
    if (height, width) == (edge, edge):
        return image
    scale = edge / min(height, width)
    size = (max(edge, round(width * scale)), max(edge, round(height * scale)))
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    top, left = (resized.shape[0] - edge) // 2, (resized.shape[1] - edge) // 2
    return resized[top : top + edge, left : left + edge]
