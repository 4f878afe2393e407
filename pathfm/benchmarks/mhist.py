"""MHIST: colorectal polyps, HP against SSA."""

from pathlib import Path

import pandas as pd

from pathfm.benchmarks.benchmark import Benchmark, read_file
from pathfm.benchmarks.known import COLUMNS, Found, Known, Release
from pathfm.benchmarks.layout import lacking_counts
from pathfm.errors import InputError
from pathfm.files import inside

MAX_ROWS = 5_000_000
PUBLISHED = {"train": 2_175, "test": 977}


def find(folder: Path) -> Found:
    """`images/*.png` and `annotations.csv`, whose rows name the images; the class is that of the majority of seven annotators."""
    annotations = folder / "annotations.csv"
    table = _read(annotations, folder)
    paths = [inside(folder / "images", name) for name in table["Image Name"]]
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise InputError(f"{len(absent)} images of {annotations} are missing; the first is {absent[0]}")
    rows = pd.DataFrame("", table.index, list(COLUMNS), dtype=object)
    rows["unit"], rows["label"], rows["role"] = table["Image Name"], table["Majority Vote Label"], table["Partition"]
    lacking = lacking_counts(rows["role"].value_counts().to_dict(), PUBLISHED)
    return Found(rows, lambda number: read_file(paths[number]), sum(path.stat().st_size for path in paths), lacking)


def _read(annotations: Path, folder: Path) -> pd.DataFrame:
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
    return table


KNOWN = Known(
    name="mhist",
    title="MHIST",
    classes=("HP", "SSA"),
    unit="image",
    licence="research use agreement of Dartmouth-Hitchcock",
    source="https://bmirds.github.io/MHIST",
    paper="Wei et al., AIME 2021",
    layout="images/*.png, annotations.csv",
    find=find,
    releases={"": Release(images=PUBLISHED, pixels=(224, 224), mpp=2.0, gigabytes=0.35)},
)


def read_mhist(folder: str | Path) -> Benchmark:
    """The download as it lies, without preparing it; InputError when it is not MHIST."""
    return Benchmark.of_found(KNOWN, find(Path(folder)))
