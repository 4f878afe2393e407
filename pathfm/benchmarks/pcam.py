"""PCam: lymph nodes of the breast, with a metastasis in the centre of the image or without."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pathfm.benchmarks.benchmark import as_png
from pathfm.benchmarks.known import COLUMNS, Found, Known, Release
from pathfm.benchmarks.layout import lacking_counts
from pathfm.errors import InputError
from pathfm.sources.tables import read_table

CLASSES = ("no tumour", "tumour")
SPLITS = {"train": "train", "val": "valid", "test": "test"}  # role → in the names of files
KINDS = ("x.h5", "y.h5", "meta.csv")
PUBLISHED = {"train": 262_144, "val": 32_768, "test": 32_768}
EDGE = 96
BLOCK = 1024  # images read at a time
MOST_DISAGREEING = 0.05  # of labels with those of the table of slides, before files of two splits were mixed up


def find(folder: Path) -> Found:
    """`camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5` and `…_meta.csv`, which names the slide of each image.

    x is uint8 [images, 96, 96, 3], y [images, 1, 1, 1]. A slide of CAMELYON16 is a patient's only one (Ehteshami Bejnordi et al., JAMA
    2017: 399 slides of 399 patients), so the slide is the patient.
    """
    paths = {(role, kind): folder / f"camelyonpatch_level_2_split_{split}_{kind}" for role, split in SPLITS.items() for kind in KINDS}
    _refuse_missing(folder, [path for path in paths.values() if not path.is_file()])
    tables, readers = [], []
    for role in SPLITS:
        table, read = _split(role, *(paths[role, kind] for kind in KINDS))
        tables.append(table)
        readers += [(read, number) for number in range(len(table))]

    def encoded(number: int) -> bytes:
        read, within = readers[number]
        return as_png(read(within))

    table = pd.concat(tables, ignore_index=True)
    counts = table["role"].value_counts().to_dict()
    return Found(table, encoded, len(table) * EDGE * EDGE * 3, lacking_counts(counts, PUBLISHED))


def _refuse_missing(folder: Path, missing: list[Path]) -> None:
    if not missing:
        return
    packed = [path for path in missing if path.with_name(f"{path.name}.gz").is_file()]
    if packed:
        raise InputError(f"{len(packed)} files of PCam in {folder} are still packed, such as {packed[0].name}.gz; unpack them with gunzip")
    tables = "; the …_meta.csv files name the slide of each image" if all(path.suffix == ".csv" for path in missing) else ""
    raise InputError(f"{folder} is not the whole of PCam: it lacks {', '.join(path.name for path in missing)}{tables}")


def _split(role: str, x: Path, y: Path, meta: Path) -> tuple[pd.DataFrame, Callable[[int], np.ndarray]]:
    """The rows of one split, and its images by number; InputError when its three files do not belong together."""
    images, labels = _dataset(x, "x"), _dataset(y, "y")
    if images.shape[1:] != (EDGE, EDGE, 3) or images.dtype != np.uint8:
        raise InputError(f"{x} holds {images.dtype} {list(images.shape)} under 'x'; PCam's is uint8 [images, {EDGE}, {EDGE}, 3]")
    numbers = np.asarray(labels).reshape(len(labels), -1)
    if numbers.shape[1] != 1 or not np.isin(numbers, (0, 1)).all():
        raise InputError(f"{y} holds other labels than 0 and 1 under 'y'; download it again")
    slides = _slides(meta)
    for path, count in ((y, len(numbers)), (meta, len(slides))):
        if count != len(images):
            raise InputError(f"{path} has {count:,} rows, but {x.name} has {len(images):,} images; they are not of one split")
    numbers = numbers[:, 0].astype(int)
    centre = slides["center_tumor_patch"].str.lower().isin(("true", "1")).to_numpy()
    wrong = float(np.mean(centre != (numbers == 1))) if len(numbers) else 0.0
    if wrong > MOST_DISAGREEING:
        raise InputError(f"{wrong:.0%} of the labels of {y.name} are not those of {meta.name}; files of two splits were mixed up")
    units = [f"{SPLITS[role]}_{number:06d}" for number in range(len(numbers))]
    rows = {"unit": units, "label": [CLASSES[number] for number in numbers], "role": role, "patient": "", "slide": list(slides["wsi"])}
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), _reader(images)


def _dataset(path: Path, key: str) -> h5py.Dataset:
    try:
        return h5py.File(path, "r")[key]
    except (OSError, KeyError) as error:
        raise InputError(f"{path} cannot be read as HDF5 with the data set {key!r}; download it again ({error})") from error


def _reader(images: h5py.Dataset) -> Callable[[int], np.ndarray]:
    """An image by number; images are read in blocks, so nearly in order."""

    @lru_cache(maxsize=2)
    def block(first: int) -> np.ndarray:
        try:
            return images[first : first + BLOCK]
        except OSError as error:
            raise InputError(f"{images.file.filename} is damaged: {error}; download it again") from error

    return lambda number: block(number - number % BLOCK)[number % BLOCK]


def _slides(path: Path) -> pd.DataFrame:
    """The publisher's table of one split: where each image was cut from."""
    wanted = ("center_tumor_patch", "wsi")
    table = read_table(path, known=dict.fromkeys(wanted, ()), suits=lambda names: {*wanted} <= {*names})
    missing = [column for column in wanted if column not in table]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]!r}; download it again")
    if table[list(wanted)].isna().any(axis=None):
        raise InputError(f"{path} has rows without a slide or label; download it again")
    return table


KNOWN = Known(
    name="pcam",
    title="PCam",
    classes=CLASSES,
    unit="slide",
    licence="CC0",
    source="https://zenodo.org/records/2546921",
    paper="Veeling et al., MICCAI 2018",
    layout="camelyonpatch_level_2_split_{train,valid,test}_{x.h5,y.h5,meta.csv}",
    find=find,
    releases={"": Release(images=PUBLISHED, pixels=(EDGE, EDGE), mpp=1.0, gigabytes=7.6)},
)
