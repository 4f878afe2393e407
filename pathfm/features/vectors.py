"""A modality from another tool: vectors of patients, such as embeddings of their reports, become `NAME.h5ad` of a cohort folder."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata.io import write_elem

from pathfm.cohort.folder import CohortFolder, record_step
from pathfm.cohort.hdf5 import whole_hdf5
from pathfm.cohort.overlap import no_overlap
from pathfm.errors import InputError
from pathfm.features.rows import SUFFIXES, read_rows
from pathfm.files import replacing, sha256
from pathfm.settings.terms import EXPRESSION
from pathfm.sources import barcodes
from pathfm.sources.tables import read_table

PATIENT = "patient"


def build_vectors(path: Path, name: str, folder: CohortFolder) -> dict:
    """Writes `NAME.h5ad` with the mean [patients, columns] of each patient's rows, patients sorted; returns what there is to say.

    `path` is a table with the column patient and numbers in all others, or rows of numbers with their names as `features.rows` reads
    them. A patient's TCGA barcode is cut to the case. InputError for a name that is none, and for what holds no numbers of patients.
    """
    if name == EXPRESSION or not name.isidentifier():
        raise InputError(f"--name {name} is no name of a modality; give a word such as text, other than {EXPRESSION}")
    values, owners, columns = _rows(path) if path.suffix in SUFFIXES else _table(path)
    if not values.size:
        raise InputError(f"{path} holds no numbers of any patient; give a row a patient, with the column {PATIENT}")
    table = pd.DataFrame(values, columns=columns).groupby(owners).mean()
    obs = pd.DataFrame({PATIENT: table.index.to_numpy(object)}, index=table.index.to_numpy(object))
    var = pd.DataFrame(index=pd.Index(columns, dtype=object))
    with anndata.settings.override(allow_write_nullable_strings=False), replacing(folder.matrix(name)) as temporary:
        with whole_hdf5(temporary) as file:
            write_elem(file, "/", anndata.AnnData(table.to_numpy(np.float32), obs, var))
    record_step(folder, f"vectors {name}", {}, {str(path): {"bytes": path.stat().st_size, "sha256": sha256(path)}})
    said = no_overlap(set(table.index), f"{path.name}", folder)
    return {"name": name, "patients": len(table), "columns": len(columns), "rows": len(values), "warnings": [said] if said else []}


def _rows(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rows = read_rows(path)
    columns = [str(number) for number in range(rows.values.shape[1])]
    return np.asarray(rows.values, np.float64), _patients(rows.names[PATIENT], path), columns


def _table(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Values float64 [rows, columns], their patients, and the names of the columns."""
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    table = read_table(path, known={PATIENT: ()}, suits=lambda names: PATIENT in names)
    if PATIENT not in table:
        raise InputError(f"{path} lacks the column {PATIENT}, which tells whose the numbers of a row are")
    columns = [column for column in table if column != PATIENT]
    values = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InputError(
            f"{path}, line {table.index[row]}: {columns[column]} is {table[columns[column]].iloc[row]!r} and no number; leave out columns "
            "of words, and patients whose vector is not known"
        )
    return values, _patients(table[PATIENT].fillna(""), path), columns


def _patients(names: pd.Series, path: Path) -> np.ndarray:
    if (names == "").any():
        raise InputError(f"{path} has a row that names no {PATIENT}; give the column {PATIENT} in each")
    return np.array([barcodes.patient(name) if barcodes.is_tcga(name) else name for name in names], object)
