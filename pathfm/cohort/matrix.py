"""The samples × genes matrix: which genes it has, one sample's values, and the AnnData file that is filled row by row."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pathfm.cohort.hdf5 import SilentFile, write_element
from pathfm.errors import InputError
from pathfm.files import digest
from pathfm.sources import star

FILES_ASKED = 9


@dataclass(frozen=True)
class Genes:
    """The genes of a file in its order: `ids` with version (Arrow strings), and the places of those kept in the matrix.

    Dropped are the pseudo-autosomal copies on Y: their `_PAR_Y` stands *after* the version, so cutting at the dot would make them
    equal to the genes on X.
    """

    ids: pa.Array
    symbols: np.ndarray
    types: np.ndarray
    kept: np.ndarray
    model: str | None

    @classmethod
    def of(cls, counts: star.StarCounts) -> "Genes":
        """Raises InputError when two kept genes have one id once the version is cut."""
        kept = np.flatnonzero([not gene.endswith("_PAR_Y") for gene in counts.gene_ids])
        genes = cls(pa.array(counts.gene_ids, pa.string()), counts.symbols, counts.types, kept, counts.gene_model)
        repeated = genes.var.index[genes.var.index.duplicated()]
        if len(repeated):
            raise InputError(f"the gene {repeated[0]} occurs twice in the expression files; they are not as the GDC writes them")
        return genes

    @cached_property
    def var(self) -> pd.DataFrame:
        """AnnData's table of the kept genes: Ensembl id → gene_id (versioned), symbol, type."""
        ids = self.ids.to_numpy(zero_copy_only=False)[self.kept]
        index = pd.Index([gene.partition(".")[0] for gene in ids], dtype=object)
        return pd.DataFrame({"gene_id": ids, "symbol": self.symbols[self.kept], "type": pd.Categorical(self.types[self.kept])}, index=index)


def common_genes(paths: list[Path]) -> Genes | None:
    """The gene list that most of a few readable files have, spread evenly over `paths`; None when no file can be read."""
    lists: dict[str, star.StarCounts] = {}
    votes: Counter[str] = Counter()
    stride = max(len(paths) // FILES_ASKED, 1)
    for path in [path for start in range(stride) for path in paths[start::stride]]:
        try:
            counts = star.read_star_counts(path)
        except star.StarError:
            continue
        key = digest(list(counts.gene_ids))
        lists.setdefault(key, counts)
        votes[key] += 1
        if votes.total() == FILES_ASKED:
            break
    return Genes.of(lists[max(votes, key=lambda key: (votes[key], len(lists[key].gene_ids), key))]) if votes else None


@dataclass(frozen=True)
class Sample:
    """One sample's kept genes: log2(TPM+1) float32 and reads int32 [genes]; the sum of its TPM over all genes of the file."""

    log_tpm: np.ndarray
    counts: np.ndarray
    tpm_sum: float


def read_sample(path: Path, genes: Genes) -> Sample | star.StarError:
    """One file's values in the order of `genes`; an unusable file (genes missing, other genes, cut, damaged) is the error itself."""
    try:
        model, table = star.parse(path, ("gene_id", "unstranded", "tpm_unstranded"))
        ids = table["gene_id"].combine_chunks()
        if not ids.equals(genes.ids):
            table = table.take(_order(path, ids, model, genes))
        counts, tpm = star.values(table, path)
    except star.StarError as error:
        return error
    return Sample(np.log2(tpm[genes.kept] + 1).astype(np.float32), counts[genes.kept], float(tpm.sum()))


def _order(path: Path, ids: pa.Array, model: str | None, genes: Genes) -> pa.Array:
    """Where each of `genes` stands in a file that has the same genes in another order; StarError for any other file."""
    order = pc.index_in(genes.ids, value_set=ids)
    shared = len(order) - order.null_count
    if shared == len(genes.ids) == len(ids):
        return order
    if model == genes.model and shared == len(ids) < len(genes.ids):
        raise star.StarError("truncated", f"{path} has {len(ids):,} genes where the other files have {len(genes.ids):,}; download it again")
    stated = model or "no gene model named"
    raise star.StarError(
        "other genes",
        f"{path} ({stated}, {len(ids):,} genes) shares {shared:,} of the {len(genes.ids):,} genes of the other files ({genes.model})",
    )


class MatrixWriter:
    """An AnnData file that is filled row by row: dense X float32 and layers/counts int32, one chunk a sample.

    Raises OSError when the disk is full or refuses.
    """

    def __init__(self, path: Path, genes: Genes, most_samples: int):
        self.path, self.genes, self.most, self.samples = path, genes, most_samples, 0

    def __enter__(self) -> "MatrixWriter":
        self.bytes = SilentFile(self.path, "w+")
        self.file = h5py.File(self.bytes, "w")
        self.file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name in ("layers", "obsm", "obsp", "varm", "varp"):
            write_element(self.file, name, {})
        write_element(self.file, "uns", {"gene_model": self.genes.model or "", "X": "log2(TPM+1)"})
        write_element(self.file, "var", self.genes.var)
        self.log_tpm, self.counts = self._array("X", np.float32), self._array("layers/counts", np.int32)
        return self

    def _array(self, name: str, dtype: type) -> h5py.Dataset:
        genes = len(self.genes.kept)
        array = self.file.create_dataset(name, (self.most, genes), dtype, maxshape=(self.most, genes), chunks=(1, genes))
        array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        return array

    def append(self, sample: Sample) -> None:
        """Writes the next row; OSError when the disk is full or refuses."""
        self.log_tpm[self.samples], self.counts[self.samples] = sample.log_tpm, sample.counts
        self.samples += 1
        if self.bytes.failure:
            raise self.bytes.failure

    def finish(self, obs: pd.DataFrame, samples: pd.DataFrame | None = None) -> None:
        """Cuts the arrays to the rows that were written and adds their table, and in `uns` what is known of further samples."""
        for array in (self.log_tpm, self.counts):
            array.resize(self.samples, axis=0)
        write_element(self.file, "obs", obs)
        if samples is not None and len(samples):
            write_element(self.file["uns"], "samples", samples)

    def __exit__(self, kind, error, trace) -> None:
        self.file.close()
        self.bytes.close()
        if self.bytes.failure and error is None:
            raise self.bytes.failure
