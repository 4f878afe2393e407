"""Reads beside a matrix: dense or sparse the same, all genes in the library, and nothing that is no read."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from pathfm.cohort import stored_counts
from pathfm.cohort.stored_counts import read_counts
from pathfm.errors import InputError

SHAPE = (9, 30)
READS = np.random.default_rng(0).negative_binomial(1, 1e-3, SHAPE)
ROWS, COLUMNS = np.array([7, 0, 3]), np.array([29, 4, 5, 11])


def written(folder, reads):
    path = folder / "expression.h5ad"
    data = anndata.AnnData(np.zeros(SHAPE, np.float32), pd.DataFrame(index=[f"a{n}" for n in range(9)]))
    if reads is not None:
        data.layers["counts"] = reads
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize(
    "kind", [np.asarray, lambda reads: reads.astype(np.float32), scipy.sparse.csr_matrix, scipy.sparse.csc_matrix], ids=range(4)
)
def test_reads_and_libraries_are_those_that_were_written(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(stored_counts, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(stored_counts, "COLUMNS_AT_ONCE", 7)
    found = read_counts(written(tmp_path, kind(READS)), SHAPE, ROWS, COLUMNS)
    np.testing.assert_array_equal(found.counts, READS[np.ix_(ROWS, COLUMNS)])
    np.testing.assert_array_equal(found.library, READS[ROWS].sum(axis=1))
    assert found.counts.dtype == np.float32


def changed(value):
    reads = READS.astype(np.float64)
    reads[3, 5] = value
    return reads


def empty():
    reads = READS.copy()
    reads[3] = 0
    return reads


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        (None, "has no layers/counts; put the unnormalised reads there"),
        (changed(0.5), "that are no reads"),
        (changed(-1), "that are no reads"),
        (changed(np.nan), "that are no reads"),
        (empty(), "a sample without any read"),
    ],
    ids=["none", "half", "negative", "missing", "empty"],
)
def test_what_is_no_count_is_one_sentence(reads, said, tmp_path):
    with pytest.raises(InputError, match=said):
        read_counts(written(tmp_path, reads), SHAPE, ROWS, COLUMNS)


def test_a_layer_of_another_shape_is_damaged(tmp_path):
    with pytest.raises(InputError, match="is damaged: layers/counts is not 9 samples × 31 genes"):
        read_counts(written(tmp_path, READS), (9, 31), ROWS, COLUMNS)
