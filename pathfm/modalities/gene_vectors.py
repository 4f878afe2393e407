"""Genes as vectors, brought from elsewhere: an `.npy` of one row a gene, and a text file with the name of each row."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pathfm.errors import InputError
from pathfm.modalities.genes import first_of, read_gene_list
from pathfm.modalities.panel import Panel
from pathfm.modalities.pathways import Pathways
from pathfm.progress import say


@dataclass(frozen=True, eq=False)
class GeneVectors:
    """`values` float32 [genes, width] and the names of the rows: Ensembl ids without version, or symbols."""

    names: tuple[str, ...]
    values: np.ndarray

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def of(self, gene: str, symbol: str = "") -> np.ndarray | None:
        """The vector of a gene by its id or symbol, None where there is none."""
        place = self._place.get(_unversioned(gene), self._place.get(symbol) if symbol else None)
        return None if place is None else self.values[place]

    def of_set(self, genes: Iterable[tuple[str, str]]) -> np.ndarray | None:
        """The mean of the vectors, each of length 1, of those of the genes (id, symbol) that have one; None where none has."""
        found = [vector for gene, symbol in genes if (vector := self.of(gene, symbol)) is not None]
        lengths = [np.linalg.norm(vector) for vector in found]
        units = [vector / length for vector, length in zip(found, lengths, strict=True) if length > 0]
        return np.mean(units, axis=0) if units else None

    def of_panel(self, panel: Panel) -> np.ndarray:
        """A row for each feature of a panel, float32 [features, width], 0 where there is no vector; of a pathway that of its gene set.

        How many are missing is said. InputError where all are.
        """
        if isinstance(panel, Pathways):
            assert panel.of_genes is not None
            symbol = dict(zip(panel.of_genes.genes, panel.of_genes.symbols, strict=True))
            found = [self.of_set((gene, symbol[gene]) for gene in genes) for genes in panel.members]
        else:
            found = [self.of(gene, symbol) for gene, symbol in zip(panel.genes, panel.symbols, strict=True)]
        missing = [symbol for symbol, vector in zip(panel.symbols, found, strict=True) if vector is None]
        if len(missing) == len(found):
            raise InputError(
                f"none of the {len(found):,} features of the panel has a gene vector (the first: {first_of(missing, 3)}, among the names "
                f"{first_of(self.names, 3)}); name the rows by Ensembl id or symbol"
            )
        if missing:
            say(f"gene vectors: {len(missing):,} of {len(found):,} features of the panel have none and are left out: {first_of(missing)}")
        nothing = np.zeros(self.values.shape[1], np.float32)
        return np.stack([nothing if vector is None else vector for vector in found]).astype(np.float32)


def read_gene_vectors(vectors: str | os.PathLike, names: str | os.PathLike) -> GeneVectors:
    """The vectors of a file and the names of their rows; InputError where they do not fit each other or are not finite numbers."""
    try:
        values = np.load(vectors, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{vectors} is missing") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{vectors} cannot be read as an array of NumPy: {error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind != "f" or not values.size:
        raise InputError(f"{vectors} holds no table of numbers; it must be a float array of one row a gene")
    if not np.isfinite(values).all():
        raise InputError(f"{vectors} holds numbers that are not finite; leave out the genes that have no vector")
    named = tuple(map(_unversioned, read_gene_list(names)))
    if len(named) != len(values):
        raise InputError(f"{vectors} has {len(values):,} rows and {names} {len(named):,} names; give the name of each row on a line")
    if len(set(named)) < len(named):
        twice = next(name for number, name in enumerate(named) if name in named[:number])
        raise InputError(f"{names} names {twice} twice; keep one row of it")
    return GeneVectors(named, values.astype(np.float32))


def _unversioned(name: str) -> str:
    return name.partition(".")[0] if name.startswith("ENSG") else name
