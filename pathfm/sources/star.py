"""GDC's STAR counts (`*.rna_seq.augmented_star_gene_counts.tsv`): one file a sample, one row a gene.

Line 1 names the gene model, line 2 the nine columns, then four `N_` rows that count unassigned reads, then the genes.
https://docs.gdc.cancer.gov/Data/Bioinformatics_Pipelines/Expression_mRNA_Pipeline/
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from pathfm.errors import InputError
from pathfm.files import replacing
from pathfm.sources.tables import read_bytes

COLUMNS = (
    "gene_id",
    "gene_name",
    "gene_type",
    "unstranded",
    "stranded_first",
    "stranded_second",
    "tpm_unstranded",
    "fpkm_unstranded",
    "fpkm_uq_unstranded",
)
UNASSIGNED = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")
GENE_MODEL = "GENCODE v36"
GENES = 60_660
MAX_BYTES = 64 << 20
TYPES = {"unstranded": pa.int64(), "tpm_unstranded": pa.float64()}
FPKM_OF_TPM, FPKM_UQ_OF_TPM = 0.36, 0.37

Fault = Literal["unreadable", "truncated", "legacy", "other genes"]


class StarError(InputError):
    """A file that cannot be used; `fault` is the kind under which it is counted."""

    def __init__(self, fault: Fault, message: str):
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True)
class StarCounts:
    """The genes of one file in its order, `_PAR_Y` rows included.

    `gene_ids` with version, `symbols`, `types`: str [genes]; `counts`: int32 [genes], unstranded reads; `tpm`: float64 [genes].
    """

    gene_ids: np.ndarray
    symbols: np.ndarray
    types: np.ndarray
    counts: np.ndarray
    tpm: np.ndarray
    gene_model: str | None


def read_star_counts(path: str | Path) -> StarCounts:
    """The genes of a STAR-count file, gzipped or not.

    Raises StarError for a legacy file (HTSeq, FPKM), a truncated one, and one that lacks columns or holds impossible values.
    """
    model, table = parse(path, ("gene_id", "gene_name", "gene_type", "unstranded", "tpm_unstranded"))
    ids, symbols, types = (table[name].to_numpy(zero_copy_only=False).astype(object) for name in ("gene_id", "gene_name", "gene_type"))
    return StarCounts(ids, symbols, types, *values(table, path), gene_model=model)


def parse(path: str | Path, columns: tuple[str, ...]) -> tuple[str | None, pa.Table]:
    """The gene model named in line 1 and the wanted columns of the gene rows, each in one chunk; raises StarError."""
    try:
        data = read_bytes(path, MAX_BYTES)
    except InputError as error:
        raise StarError("truncated" if "gzip" in str(error) else "unreadable", str(error)) from error
    model, names, start = _head(data, path)
    try:
        table = pacsv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(start)),
            read_options=pacsv.ReadOptions(column_names=names, use_threads=False, block_size=max(len(data), 1)),
            parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(columns),
                column_types={name: TYPES.get(name, pa.string()) for name in columns},
                strings_can_be_null=False,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as error:
        raise StarError("unreadable", f"{path} is no STAR-count file: {str(error).splitlines()[0][:200]}") from error
    genes = table.filter(pc.invert(pc.starts_with(table["gene_id"], "N_"))).combine_chunks()
    if not genes.num_rows:
        raise StarError("truncated", f"{path} holds no gene")
    return model, genes


def _head(data: bytes, path: str | Path) -> tuple[str | None, list[str], int]:
    """Gene model, column names and where the rows begin; the last line must be whole."""
    model, start = None, 0
    if data.startswith(b"#"):
        start = data.find(b"\n") + 1
        model = data[:start].decode("utf-8", "replace").partition(":")[2].strip() or None
    end = data.find(b"\n", start)
    names = data[start : end if end >= 0 else len(data)].decode("utf-8", "replace").rstrip("\r").split("\t")
    if names[0].startswith("ENSG") and len(names) == 2:
        raise StarError(
            "legacy",
            f"{path} is a legacy file of two columns (HTSeq counts or FPKM, GENCODE v22); download augmented_star_gene_counts.tsv instead",
        )
    missing = [name for name in COLUMNS if name not in names]
    if end < 0 or end + 1 == len(data):
        raise StarError("truncated", f"{path} holds no gene")
    if missing:
        raise StarError("unreadable", f"{path} is no STAR-count file: it lacks the column {missing[0]!r}")
    last = data[data.rfind(b"\n", 0, len(data) - 1) + 1 :]
    if last.count(b"\t") + 1 != len(names):
        raise StarError("truncated", f"{path} is cut in its last line, {last[:40].decode('utf-8', 'replace').strip()!r}; download it again")
    return model, names, end + 1


def values(table: pa.Table, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Counts (int32) and TPM (float64) [genes]; raises StarError for a missing, negative or infinite one."""
    counts, tpm = (table[name].combine_chunks() for name in TYPES)
    for column, what in ((counts, "count"), (tpm, "TPM")):
        if column.null_count:
            gene = table["gene_id"][int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))].as_py()
            raise StarError("unreadable", f"{path} has no {what} for {gene}")
    counts, tpm = counts.to_numpy(), tpm.to_numpy()
    if counts.min() < 0 or counts.max() > np.iinfo(np.int32).max or not np.isfinite(tpm).all() or tpm.min() < 0:
        raise StarError("unreadable", f"{path} holds a negative, infinite or impossibly large value")
    return counts.astype(np.int32), tpm


def write_star_counts(path: str | Path, gene_table: pd.DataFrame, counts: np.ndarray, tpm: np.ndarray, unassigned=(0, 0, 0, 0)) -> None:
    """Writes a file as the GDC does: model line, nine columns, `N_` rows, four decimals.

    `gene_table` has gene_id (with version), gene_name and gene_type; `counts` [genes] are reads, `tpm` [genes] sums to 1e6 over all genes.
    The gene lengths are not known here, so the FPKM columns are TPM times a typical constant and the two strands are halves: nothing
    of pathfm reads them.
    """
    counts = np.asarray(counts, dtype=np.int64)
    first = counts // 2
    columns = [pa.array(gene_table[name].astype(str), pa.string()) for name in ("gene_id", "gene_name", "gene_type")]
    columns += [pa.array(counts), pa.array(first), pa.array(counts - first)]
    columns += [_four_decimals(np.asarray(tpm, dtype=np.float64) * factor) for factor in (1.0, FPKM_OF_TPM, FPKM_UQ_OF_TPM)]
    head = [f"# gene-model: {GENE_MODEL}", "\t".join(COLUMNS)]
    head += [f"{name}\t\t\t{reads}\t{reads}\t{reads}\t\t\t" for name, reads in zip(UNASSIGNED, unassigned, strict=True)]
    options = pacsv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none", batch_size=len(counts) or 1)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(("\n".join(head) + "\n").encode())
        pacsv.write_csv(pa.Table.from_arrays(columns, names=list(COLUMNS)), file, write_options=options)


def _four_decimals(numbers: np.ndarray) -> pa.Array:
    """`1.2300` for 1.23; the digits before and after the point are whole numbers, so no rounding is left to the printer."""
    scaled = np.rint(numbers * 10_000).astype(np.int64)
    whole, fraction = np.divmod(scaled, 10_000)
    return pc.binary_join_element_wise(pa.array(whole).cast(pa.string()), _FRACTIONS.take(pa.array(fraction)), ".")


_FRACTIONS = pa.array([f"{number:04d}" for number in range(10_000)])
