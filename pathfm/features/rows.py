"""Rows of features with their names, in the forms in which other tools leave them: AnnData, NumPy, safetensors, HDF5, CLAM and TRIDENT."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pathfm.cohort.hdf5 import words
from pathfm.errors import InputError
from pathfm.sources.tables import read_table

NAMES = ("patient", "slide", "image")
FEATURES = "features"  # the data set or tensor


@dataclass(frozen=True)
class NamedRows:
    """Features float32 or float64 [rows, features] and whose they are: text columns patient, slide, image (empty: not told)."""

    names: pd.DataFrame
    values: np.ndarray


def read_rows(path: Path) -> NamedRows:
    """The rows of a file, or of a folder with a file for each slide, whose row is the mean over its tiles.

    Beside `.npy`, `.safetensors` and `.h5` lies a table of the same name, `.csv`, with a line for each row and the columns patient, slide
    or image. Raises InputError for a file that is broken, has other rows than names, or values that are not finite numbers.
    """
    if path.is_dir():
        rows = _slides(path)
    elif not path.exists():
        raise InputError(f"there is no file {path}")
    elif path.suffix == ".h5ad":
        rows = _anndata(path)
    else:
        rows = NamedRows(_names(path.with_suffix(".csv"), path), READERS[path.suffix](path))
    values, names = rows.values, rows.names
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
        raise InputError(f"{path} holds features that are not finite numbers; leave out the rows that have none")
    if len(values) != len(names):
        raise InputError(f"{path} has {len(values)} rows of features, but {len(names)} names stand in {path.with_suffix('.csv').name}")
    return rows


def _anndata(path: Path) -> NamedRows:
    try:
        table = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as AnnData: {error}") from error
    if not {"patient", "image"} & set(table.obs):
        raise InputError(f"{path} lacks obs['patient'], the patient of each row")
    values = table.X.toarray() if hasattr(table.X, "toarray") else np.asarray(table.X)
    names = {name: words(table.obs[name]).replace("nan", "").to_numpy() if name in table.obs else "" for name in NAMES}
    return NamedRows(pd.DataFrame(names, index=range(table.n_obs), dtype=object), values)


def _names(path: Path, features: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(
            f"{features} lacks its names: a table {path.name} beside it, a line a row, with the columns patient, slide or image"
        )
    table = read_table(path, known=dict.fromkeys(NAMES, ()), suits=lambda names: bool({*names} & {*NAMES}))
    if not {*table} & {*NAMES}:
        raise InputError(f"{path} has none of the columns {', '.join(NAMES)}")
    return pd.DataFrame({name: table[name].fillna("") if name in table else "" for name in NAMES}, dtype=object).reset_index(drop=True)


def _npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an array of NumPy: {error}") from error


def _safetensors(path: Path) -> np.ndarray:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}") from error
    if FEATURES not in tensors and len(tensors) != 1:
        raise InputError(f"{path} holds {len(tensors)} tensors and none of the name {FEATURES!r}")
    return tensors[FEATURES] if FEATURES in tensors else next(iter(tensors.values()))


def _hdf5(path: Path) -> np.ndarray:
    """The data set `features`, [rows, features] or [1, rows, features]."""
    try:
        with h5py.File(path, "r") as file:
            values = file[FEATURES][()]
    except (OSError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as HDF5 with the data set {FEATURES!r}: {error}") from error
    return values[0] if values.ndim == 3 and len(values) == 1 else values


READERS: dict[str, Callable[[Path], np.ndarray]] = {".npy": _npy, ".safetensors": _safetensors, ".h5": _hdf5}
SUFFIXES = (".h5ad", *READERS)


def _slides(folder: Path) -> NamedRows:
    """A file for each slide, as CLAM (in `h5_files/`) and TRIDENT leave them: `features` of its tiles, named by the slide."""
    paths = slide_files(folder)
    means = []
    for path in paths:
        values = _hdf5(path)
        if values.ndim != 2 or not len(values) or not np.isfinite(values).all():
            raise InputError(f"{path} holds no features [tiles, features] that are finite numbers")
        means.append(values.mean(axis=0, dtype=np.float64))
    if len({len(mean) for mean in means}) > 1:
        raise InputError(f"the files in {folder} have {len({len(mean) for mean in means})} widths of features; give those of one encoder")
    names = {"patient": "", "slide": [path.stem for path in paths], "image": ""}
    return NamedRows(pd.DataFrame(names, dtype=object), np.stack(means))


def slide_files(folder: Path) -> list[Path]:
    """The files of a folder of slides, sorted; InputError when there is none."""
    home = folder / "h5_files" if (folder / "h5_files").is_dir() else folder
    paths = sorted(path for path in home.glob("*.h5") if not path.name.startswith("."))
    if not paths:
        raise InputError(f"{folder} holds no features: no file {home.name}/*.h5 of a slide, as CLAM and TRIDENT leave them")
    return paths
