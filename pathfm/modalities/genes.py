"""Genes by name: gene sets (GMT), a user's list, and which Ensembl id a symbol means."""

import os
from collections.abc import Sequence
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
    """The rows of `var` (index Ensembl id; columns symbol, type) that are named by symbol or Ensembl id (any version), sorted.

    A symbol of several genes means the protein-coding one, and of several such the lowest id. Names that are not found are counted
    for the user; InputError when none is found.
    """
    ids = var.index.to_numpy(str)
    order = np.lexsort([ids, (var["type"] != PROTEIN_CODING).to_numpy()])
    row_of = dict(zip(var["symbol"].to_numpy(str)[order][::-1], order[::-1], strict=True)) | dict(zip(ids, range(len(ids)), strict=True))
    rows = {name: row_of.get(name, row_of.get(name.partition(".")[0] if name.startswith("ENSG") else name)) for name in names}
    unknown = [name for name, row in rows.items() if row is None]
    if len(unknown) == len(rows):
        raise InputError(
            f"the panel {source!r} names {len(rows):,} genes and the matrix has none of them; give symbols or Ensembl ids, one a line"
        )
    if unknown:
        say(f"panel: {len(unknown):,} of {len(rows):,} names of {source} are not genes of the matrix: {first_of(unknown)}")
    return np.unique([row for row in rows.values() if row is not None])


def first_of(names: Sequence[str], shown: int = 10) -> str:
    """The first names, and dots when there are more."""
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")
