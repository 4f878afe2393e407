"""MHIST: colorectal polyps, HP against SSA."""

from pathlib import Path

import pandas as pd

from pathfm.benchmarks.benchmark import Benchmark, read_image
from pathfm.errors import InputError
from pathfm.files import digest, inside, sha256

MAX_ROWS = 5_000_000


def read_mhist(folder: str | Path) -> Benchmark:
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
    nameless = table.index[table["Image Name"].isna()]
    if len(nameless):
        raise InputError(f"{annotations}, row {nameless[0] + 2}: the image has no name")
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
