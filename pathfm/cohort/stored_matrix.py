"""The matrix of an `.h5ad`, ours or made by others, read from disk in parts: dense or sparse, of any type of float, each part checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from anndata.io import sparse_dataset

from pathfm.errors import InputError

ROWS_AT_ONCE = 128
COLUMNS_AT_ONCE = 256
LARGEST = 20.0  # log2(1e6 + 1): a gene cannot have more than all of a sample's million
MOST_TPM = 2e6  # twice what a sample's TPM sum to; log2 of counts sums to tens of millions


@dataclass(frozen=True)
class StoredMatrix:
    """`X` of an AnnData file: log2(TPM + 1) [rows, columns]; InputError for a matrix or values that are nothing of the kind."""

    path: Path
    shape: tuple[int, int]
    kind: str  # dense, csr or csc

    @classmethod
    def open(cls, path: Path, shape: tuple[int, int]) -> "StoredMatrix":
        """Looks at type and shape alone; `shape` is what the file's tables say."""
        with hdf5(path) as file:
            element = file.get("X")
            if element is None:
                raise InputError(f"{path} has no matrix X; it must hold log2(TPM + 1)")
            kind = "dense" if isinstance(element, h5py.Dataset) else str(element.attrs.get("encoding-type", "")).removesuffix("_matrix")
            if kind not in ("dense", "csr", "csc"):
                raise InputError(f"{path} holds a matrix X of the kind {kind or 'unknown'!r}; write it dense, or sparse as CSR or CSC")
            dtype, stored = (element.dtype, element.shape) if kind == "dense" else (element["data"].dtype, tuple(element.attrs["shape"]))
            if dtype.kind != "f":
                what = "whole numbers" if dtype.kind in "iub" else f"values of type {dtype}"
                raise InputError(f"{path} holds {what} in X, as counts are; it must hold log2(TPM + 1)")
            if tuple(stored) != shape:
                raise InputError(f"{path} is damaged: X is {' × '.join(map(str, stored))} for {shape[0]:,} samples and {shape[1]:,} genes")
            if not all(shape):
                raise InputError(f"{path} is empty: it holds {shape[0]:,} samples and {shape[1]:,} genes")
        return cls(path, shape, kind)

    def read(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Values of these rows and columns, float32 [rows, columns]."""
        matrix = np.empty((len(rows), len(columns)), np.float32)
        for some_rows, some_columns, block in self._blocks(rows, columns):
            matrix[some_rows, some_columns] = block
        return matrix

    def check(self, rows: np.ndarray, columns: np.ndarray) -> Iterator[int]:
        """Reads these rows and columns in parts and yields how many values each had; nothing is kept."""
        return (block.size for _, _, block in self._blocks(rows, columns))

    def _blocks(self, rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Checked parts, and where they stand in `rows` and `columns`: some rows of a matrix stored by rows, some columns of a CSC."""
        tpm = np.zeros(len(rows))
        with hdf5(self.path) as file:
            element = file["X"] if self.kind == "dense" else sparse_dataset(file["X"])
            height = len(rows) if self.kind == "csc" else ROWS_AT_ONCE
            width = COLUMNS_AT_ONCE if self.kind == "csc" else len(columns)
            for first_row in range(0, len(rows), max(height, 1)):
                for first_column in range(0, len(columns), max(width, 1)):
                    where = slice(first_row, first_row + height), slice(first_column, first_column + width)
                    try:
                        block = taken(element, self.kind, rows[where[0]], columns[where[1]])
                    except (ValueError, IndexError) as error:  # of SciPy, for a sparse matrix whose parts do not fit each other
                        raise InputError(f"{self.path} is damaged: X: {error}") from error
                    tpm[where[0]] += self._refuse_other_values(block)
                    if tpm.max() > MOST_TPM:
                        self._refuse(f"2^X − 1 of one sample sums to {tpm.max():,.0f}, where TPM sum to a million")
                    yield *where, block

    def _refuse_other_values(self, block: np.ndarray) -> np.ndarray:
        """The sum of TPM in each row of the block; InputError for values that cannot be log2(TPM + 1)."""
        smallest, largest = (block.min(), block.max()) if block.size else (0.0, 0.0)
        if not np.isfinite([smallest, largest]).all():
            self._refuse("some are missing (NaN) or infinite")
        if smallest < 0:
            self._refuse(f"some are negative, such as {smallest:.4g}, as after scaling")
        if largest > LARGEST:
            self._refuse(
                f"some are as large as {largest:,.6g}, as counts and TPM without logarithm are; the logarithm of TPM stays below 20"
            )
        return np.exp2(block).sum(axis=1, dtype=np.float64) - block.shape[1]

    def _refuse(self, why: str) -> None:
        raise InputError(f"the values X in {self.path} are not log2(TPM + 1): {why}; put log2(TPM + 1) into X")


def taken(element, kind: str, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Float32 [rows, columns] of a dataset; HDF5 wants its places in order and once each, and is fastest where they lie side by side."""
    places, order = np.unique(columns if kind == "csc" else rows, return_inverse=True)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        places = slice(places[0], places[-1] + 1)
    if kind == "csc":
        return _dense(element[:, places])[np.ix_(rows, order)]
    block = element[places] if kind == "dense" else _dense(element[places])
    return block[np.ix_(order, columns)].astype(np.float32, copy=False)


def _dense(part) -> np.ndarray:
    part.check_format(full_check=True)  # places outside of the matrix would be written outside of memory
    return part.astype(np.float32).toarray()


@contextmanager
def hdf5(path: Path) -> Iterator[h5py.File]:
    """The open file; InputError for one that is no HDF5, is damaged, or is packed in a way that this HDF5 cannot read."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise InputError(f"{path} cannot be read as AnnData: {error}") from error
