"""The reads behind an `.h5ad`, `layers/counts`: whole numbers, dense or sparse, read from disk in parts, each part checked."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from anndata.io import sparse_dataset

from pathfm.cohort.stored_matrix import COLUMNS_AT_ONCE, ROWS_AT_ONCE, hdf5, taken
from pathfm.errors import InputError

LAYER = "layers/counts"


@dataclass(frozen=True)
class Reads:
    """`counts` float32 [patients, genes], whole numbers; `library` float64 [patients]: reads of all genes of the matrix."""

    counts: np.ndarray
    library: np.ndarray


def read_counts(path: Path, shape: tuple[int, int], rows: np.ndarray, columns: np.ndarray) -> Reads:
    """The reads of these rows and columns of a matrix of `shape`; InputError where there are none, or other values than reads."""
    with hdf5(path) as file:
        element = file.get(LAYER)
        if element is None:
            raise InputError(f"{path} has no {LAYER}; put the unnormalised reads there, or make the file with `pathfm expression`")
        kind = "dense" if isinstance(element, h5py.Dataset) else str(element.attrs.get("encoding-type", "")).removesuffix("_matrix")
        if kind not in ("dense", "csr", "csc"):
            raise InputError(f"{path} holds {LAYER} of the kind {kind or 'unknown'!r}; write it dense, or sparse as CSR or CSC")
        if tuple(element.shape if kind == "dense" else element.attrs["shape"]) != shape:
            raise InputError(f"{path} is damaged: {LAYER} is not {shape[0]:,} samples × {shape[1]:,} genes")
        matrix = element if kind == "dense" else sparse_dataset(element)
        counts, library = np.empty((len(rows), len(columns)), np.float32), np.zeros(len(rows))
        height, width = (len(rows), COLUMNS_AT_ONCE) if kind == "csc" else (ROWS_AT_ONCE, shape[1])
        for first_row in range(0, len(rows), max(height, 1)):
            some = slice(first_row, first_row + height)
            for first in range(0, shape[1], width):
                here = np.arange(first, min(first + width, shape[1]))
                try:
                    block = taken(matrix, kind, rows[some], here)
                except (ValueError, IndexError) as error:  # of SciPy, for a sparse matrix whose parts do not fit each other
                    raise InputError(f"{path} is damaged: {LAYER}: {error}") from error
                _refuse_other_values(block, path)
                library[some] += block.sum(axis=1, dtype=np.float64)
                inside = np.flatnonzero((columns >= first) & (columns <= here[-1]))
                counts[some, inside] = block[:, columns[inside] - first]
    if len(rows) and library.min() < 1:
        raise InputError(f"{path} holds a sample without any read in {LAYER}; leave it out of the matrix")
    return Reads(counts, library)


def _refuse_other_values(block: np.ndarray, path: Path) -> None:
    if not np.isfinite(block).all() or (block < 0).any() or (block != np.rint(block)).any():
        raise InputError(f"{path} holds values in {LAYER} that are no reads: they must be whole numbers of 0 or more")
