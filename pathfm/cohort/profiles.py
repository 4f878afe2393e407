"""RNA profiles as the rest of pathfm sees them, from an `expression.h5ad` that pathfm or another tool wrote; its values stay on disk."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from anndata.io import read_elem

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.stored_counts import Reads, read_counts
from pathfm.cohort.stored_matrix import StoredMatrix, hdf5
from pathfm.errors import InputError
from pathfm.sources import barcodes, sample_types

PROFILE_COLUMNS = ["aliquot", "patient", "sample", "sample_type", "project", "site"]
ENSEMBL = re.compile(r"ENS[A-Z]*G\d+(\.\d+)?(_PAR_Y)?")
GENE_IDS = ("gene_id", "gene_ids", "ensembl_id", "ensembl")
SYMBOLS = ("symbol", "gene_symbol", "gene_name")
TYPES = ("type", "gene_type", "gene_biotype")
MISSING = ("", "nan", "NaN", "None", "<NA>")  # what is left of a missing value once a table was made text


@dataclass(frozen=True, eq=False)
class Profiles:
    """Profiles by row. `obs`: PROFILE_COLUMNS, by aliquot; `var`: symbol and type ("" unknown), by Ensembl id without version.

    `rows` and `columns` say where profiles and genes stand in the matrix.
    """

    obs: pd.DataFrame
    var: pd.DataFrame
    rows: np.ndarray
    columns: np.ndarray
    matrix: StoredMatrix

    @property
    def var_names(self) -> pd.Index:
        return self.var.index

    @property
    def n_obs(self) -> int:
        return len(self.rows)

    @property
    def path(self) -> Path:
        return self.matrix.path

    def of(self, aliquots: Sequence[str]) -> "Profiles":
        """The profiles of these aliquots, in this order; InputError when one is not there."""
        places = self.obs.index.get_indexer(aliquots)
        if (places < 0).any():
            missing = list(aliquots)[int(np.argmax(places < 0))]
            raise InputError(f"{self.path} has no aliquot {missing}, which pairs.parquet names; pair again with `pathfm cohort`")
        return replace(self, obs=self.obs.iloc[places], rows=self.rows[places])

    def read(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """log2(TPM + 1) of these profiles and genes, float32 [rows, columns], read a part at a time; InputError for other values."""
        return self.matrix.read(self.rows[rows], self.columns[columns])

    def reads(self, rows: np.ndarray, columns: np.ndarray) -> Reads:
        """The reads of these profiles and genes, and of each profile's all; InputError where the file holds none."""
        return read_counts(self.path, self.matrix.shape, self.rows[rows], self.columns[columns])

    def check(self) -> Iterator[int]:
        """Reads all values in parts, keeps none, and yields how many each part had; InputError for values that are not log2(TPM + 1)."""
        return self.matrix.check(self.rows, self.columns)


def open_profiles(folder: CohortFolder) -> Profiles:
    """The `expression.h5ad` of a cohort; InputError when there is none, or when its tables or matrix are not what they must be."""
    path = _path(folder)
    with hdf5(path) as file:
        _refuse_natural_logarithm(file, path)
        samples, genes = _samples(_table(file, "obs", path), path), _table(file, "var", path)
    matrix = StoredMatrix.open(path, (len(samples), len(genes)))
    var, columns = _genes(genes, path)
    return Profiles(samples, var, np.arange(len(samples)), columns, matrix)


def read_profiles(folder: CohortFolder) -> pd.DataFrame:
    """The rows of `expression.h5ad` alone, PROFILE_COLUMNS by aliquot, null as None; InputError when the cohort has none."""
    path = _path(folder)
    with hdf5(path) as file:
        return _samples(_table(file, "obs", path), path)


def read_stated_types(folder: CohortFolder) -> dict[tuple[str, str], set[str]]:
    """(patient, sample) → sample types that the sheet behind `expression.h5ad` stated, of samples without RNA too; empty where unknown."""
    path = _path(folder)
    with hdf5(path) as file:
        if "uns/samples" not in file:
            return {}
        table = _table(file, "uns/samples", path)
    types: dict[tuple[str, str], set[str]] = {}
    for patient, sample, stated in zip(*(_text(table[name]) for name in ("patient", "sample", "sample_type")), strict=True):
        types.setdefault((patient, sample), set()).add(stated)
    return types


def _path(folder: CohortFolder) -> Path:
    if not folder.expression.exists():
        raise InputError(f"the cohort {folder.root} has no expression.h5ad; make it with `pathfm expression`")
    return folder.expression


def _table(file, name: str, path: Path) -> pd.DataFrame:
    try:
        table = read_elem(file[name])
    except Exception as error:  # AnnData raises nearly any kind of error for a file that is broken, or newer than itself
        why = str(error).splitlines()[0] if str(error) else repr(error)
        raise InputError(
            f"{path} cannot be read as AnnData: {name}: {why}; write it with a version of anndata that is not newer"
        ) from error
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{path} cannot be read as AnnData: {name} is no table; write it anew with anndata 0.8 or later")
    return table


def _refuse_natural_logarithm(file, path: Path) -> None:
    """scanpy's `log1p` leaves a note; without `base=2` it took the natural logarithm, which nothing else tells from log2."""
    if "uns/log1p" in file and not ("base" in file["uns/log1p"] and float(read_elem(file["uns/log1p/base"])) == 2.0):
        raise InputError(
            f"X in {path} was made by scanpy's log1p without base=2, a natural logarithm; divide X by ln 2 where it was taken of TPM, "
            'and delete uns["log1p"]'
        )


def _samples(obs: pd.DataFrame, path: Path) -> pd.DataFrame:
    """PROFILE_COLUMNS by aliquot; a TCGA barcode tells what a column that is missing would, and its sample type before any column."""
    names = _text(obs.index)
    given = {column: _text(obs[column]) for column in PROFILE_COLUMNS if column in obs}
    aliquots = [aliquot or name for aliquot, name in zip(given.get("aliquot", names), names, strict=True)]
    _refuse_twice(aliquots, "aliquot", path)
    tcga = list(map(barcodes.is_tcga, map(str, aliquots)))
    if "patient" not in given and not all(tcga):
        raise InputError(
            f"{path} lacks the obs column 'patient', and rows such as {aliquots[0]} are no TCGA barcodes that tell it; "
            "add it, or make the file with `pathfm expression`"
        )
    nothing = [None] * len(obs)
    rows = []
    for number, (aliquot, barcoded) in enumerate(zip(aliquots, tcga, strict=True)):
        row = {column: given.get(column, nothing)[number] for column in PROFILE_COLUMNS} | {"aliquot": aliquot}
        if row["patient"] and barcodes.is_tcga(row["patient"]):
            row["patient"] = barcodes.patient(row["patient"])
        if barcoded:
            patient, sample = barcodes.patient(aliquot), barcodes.sample(aliquot)
            if row["patient"] not in (None, patient):
                raise InputError(f"{path} gives the aliquot {aliquot} to the patient {row['patient']}; correct obs['patient']")
            row |= {"patient": patient, "sample": row["sample"] or sample, "site": row["site"] or barcodes.site(patient)}
        code = barcodes.sample_type(aliquot) or barcodes.sample_type(row["sample"] or "")
        rows.append(row | {"sample_type": code or (row["sample_type"] and sample_types.of_word(row["sample_type"]))})
    return pd.DataFrame(rows, columns=PROFILE_COLUMNS, index=pd.Index(aliquots, dtype=object), dtype=object)


def _genes(var: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """symbol and type by Ensembl id without version, and the places of these genes in the matrix; copies on Y are left out."""
    names = _text(var.index)
    ids = next((found for found in (names, *(_text(var[column]) for column in GENE_IDS if column in var)) if _are_ensembl(found)), None)
    if ids is None:
        other = next((name for name in names if not _are_ensembl([name])), "nothing")
        raise InputError(
            f"the genes of {path} are not named by Ensembl ids (one is {other}); put them into var_names or into var['gene_id']"
        )
    columns = np.flatnonzero([not gene.endswith("_PAR_Y") for gene in ids])
    plain = [gene.partition(".")[0] for gene in ids]
    genes = [plain[column] for column in columns]
    _refuse_twice(genes, "gene", path)
    symbols, types = (next((_text(var[column]) for column in known if column in var), None) for known in (SYMBOLS, TYPES))
    symbols, types = symbols or names, types or [None] * len(names)
    table = {"symbol": [symbols[column] or genes[place] for place, column in enumerate(columns)]}
    table["type"] = [types[column] or "" for column in columns]
    return pd.DataFrame(table, index=pd.Index(genes, dtype=object), dtype=object), columns


def _are_ensembl(names: list[str | None]) -> bool:
    return all(name is not None and ENSEMBL.fullmatch(name) for name in names)


def _refuse_twice(names: Sequence[str], what: str, path: Path) -> None:
    index = pd.Index(names, dtype=object)
    if not index.is_unique:
        raise InputError(f"{path} holds the {what} {index[index.duplicated()][0]} twice; keep one of them")


def _text(values) -> list[str | None]:
    """Words of a column of any type: categories, numbers (a whole number without its .0), bytes; missing ones are None."""
    return [_word(value) for value in pd.Series(values).astype(object)]


def _word(value) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        value = (
            ""
            if pd.isna(value)
            else str(int(value))
            if isinstance(value, float | np.floating) and float(value).is_integer()
            else str(value)
        )
    return None if value.strip() in MISSING else value.strip()


def one_row_per_patient(profiles: Profiles, pairs: pd.DataFrame) -> Profiles:
    """Each paired patient's chosen aliquot, patients sorted; InputError when an aliquot is missing or another patient's."""
    chosen = pairs[["patient", "aliquot"]].drop_duplicates().sort_values("patient")
    if chosen["patient"].duplicated().any():
        twice = chosen["patient"][chosen["patient"].duplicated()].iloc[0]
        raise InputError(f"patient {twice} is paired with two aliquots; pair again with `pathfm cohort`")
    found = profiles.of(chosen["aliquot"].tolist())
    strangers = np.flatnonzero(found.obs["patient"].to_numpy() != chosen["patient"].to_numpy())
    if len(strangers):
        row = chosen.iloc[strangers[0]]
        raise InputError(
            f"{profiles.path} has the aliquot {row['aliquot']} of another patient than {row['patient']}; pair again with `pathfm cohort`"
        )
    return found
