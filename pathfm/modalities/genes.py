"""Genes by name: gene sets (GMT), a user's list, and which Ensembl id a symbol means."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.progress import say
from pathfm.sources.tables import read_bytes

PROTEIN_CODING = "protein_coding"
HALLMARK = Path(__file__).parent / "genesets" / "h.all.v7.0.symbols.gmt"
MAX_BYTES = 64 << 20


def read_gmt(path: str | os.PathLike) -> dict[str, list[str]]:
    """Gene sets by name: a line holds name, description and symbols, separated by tabs.

    The format of MSigDB: https://software.broadinstitute.org/cancer/software/gsea/wiki/index.php/Data_formats. InputError names a
    line that is not like this.
    """
    sets = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        name, _, *symbols = line.split("\t") if line.count("\t") >= 2 else (line, "")
        symbols = [symbol.strip() for symbol in symbols if symbol.strip()]
        if not symbols:
            raise InputError(f"{path}, line {number}: a gene set is a name, a description and genes, separated by tabs")
        if name in sets:
            raise InputError(f"{path}, line {number}: the gene set {name} is there twice; keep one of them")
        sets[name] = symbols
    return sets


def read_gene_list(path: str | os.PathLike) -> list[str]:
    """Symbols or Ensembl ids: one a line, or the first column of a CSV; empty lines and lines that begin with # are skipped."""
    cells = (line.replace("\t", ",").split(",")[0].strip().strip("\"'") for line in _lines(path) if not line.startswith("#"))
    return [cell for cell in cells if cell]


def _lines(path: str | os.PathLike) -> list[str]:
    try:
        return read_bytes(path, MAX_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a list of genes: it is not UTF-8 text") from None


def named_genes(kind: str, path: str) -> list[str]:
    """The names behind a panel's choice "hallmark", "gmt:FILE" or "list:FILE", in the order of the file, each once."""
    if kind == "list":
        return list(dict.fromkeys(read_gene_list(path)))
    sets = read_gmt(HALLMARK if kind == "hallmark" else path)
    return list(dict.fromkeys(symbol for symbols in sets.values() for symbol in symbols))


def find_genes(var: pd.DataFrame, names: list[str], source: str) -> np.ndarray:
    """The rows of `var` that are named, as `rows_of` finds them, sorted.

    Names that are not found are counted for the user; InputError when none is found.
    """
    rows = rows_of(var, names)
    unknown = [name for name in names if name not in rows]
    if not rows:
        raise InputError(
            f"the panel {source!r} names {len(unknown):,} genes and the matrix has none of them; give symbols or Ensembl ids, one a line"
        )
    if unknown:
        say(f"panel: {len(unknown):,} of {len(names):,} names of {source} are not genes of the matrix: {first_of(unknown)}")
    return np.unique(list(rows.values()))


def rows_of(var: pd.DataFrame, names: Iterable[str]) -> dict[str, int]:
    """Name → row of `var` (index Ensembl id; columns symbol, type), by symbol or Ensembl id (any version), of the names that are there.

    A symbol of several genes means the protein-coding one, and of several such the lowest id.
    """
    ids = var.index.to_numpy(str)
    other = (var["type"] != PROTEIN_CODING).to_numpy() if "type" in var else np.zeros(len(var), bool)
    order = np.lexsort([ids, other])
    row_of = dict(zip(var["symbol"].to_numpy(str)[order][::-1], order[::-1], strict=True)) | dict(zip(ids, range(len(ids)), strict=True))
    found = {name: row_of.get(name, row_of.get(name.partition(".")[0] if name.startswith("ENSG") else name)) for name in names}
    return {name: int(row) for name, row in found.items() if row is not None}


def first_of(names: Sequence[str], shown: int = 10) -> str:
    """The first names, and dots when there are more."""
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")
