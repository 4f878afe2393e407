"""The genes that a model sees, in order, with the scaling fitted on training patients: what turns log2(TPM+1) into z-scores."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from pathfm.cohort.profiles import Profiles
from pathfm.errors import InputError
from pathfm.files import digest, parquet_metadata, read_parquet, write_parquet
from pathfm.modalities.genes import PROTEIN_CODING, find_genes, first_of, named_genes
from pathfm.progress import say

EXPRESSED = 1.0
GENES_AT_ONCE = 1024
COLUMNS = ["gene", "symbol", "mean", "sd"]
LEARNED = "r"  # a further column, of a panel that was learned
PREDICTABLE = "predictable"


def read_log_tpm(expression: AnnData | Profiles, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """log2(TPM+1) of these rows and columns, float32 [rows, columns]; a matrix on disk is read and checked in parts, never whole."""
    if isinstance(expression, Profiles):
        return expression.read(rows, columns)
    return np.asarray(expression.X)[np.ix_(rows, columns)].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Panel:
    """Genes (Ensembl ids without version) in order; mean and sd of log2(TPM+1) over training patients, float32 [genes].

    Of a panel that was learned (`predictable:N`), `r` float32 [genes] is the correlation that chose each gene.
    """

    genes: tuple[str, ...]
    symbols: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    clip: float
    r: np.ndarray | None = None

    @cached_property
    def hash(self) -> str:
        """Of what the panel does to expression; how its genes were chosen is no part of it."""
        return digest([self.genes, self.mean.tolist(), self.sd.tolist(), self.clip])

    def columns(self, adata: AnnData | Profiles) -> np.ndarray:
        """Where the panel's genes stand in `adata.var_names`, int [genes]; InputError when some are missing."""
        position = adata.var_names.get_indexer(self.genes)
        missing = np.flatnonzero(position < 0)
        if len(missing):
            names = first_of([self.genes[index] for index in missing])
            raise InputError(
                f"{name_of(adata)} lacks {len(missing):,} of the {len(self.genes):,} genes of the panel ({names}); "
                "build it from files of the same gene model"
            )
        return position

    def of(self, chosen: np.ndarray, r: np.ndarray) -> "Panel":
        """The genes at the places `chosen`, in the panel's order; r [genes] holds what chose them."""
        places = np.sort(chosen)
        genes, symbols = (tuple(names[place] for place in places) for names in (self.genes, self.symbols))
        return Panel(genes, symbols, self.mean[places], self.sd[places], self.clip, r[places].astype(np.float32))

    def refitted(self, expression: AnnData | Profiles, training_patients: Iterable[str]) -> "Panel":
        """The same genes with the scale of these patients; one that is constant among them is dropped. InputError when one is missing."""
        rows, columns = training_rows(expression, training_patients), self.columns(expression)
        again = fitted(expression, rows, columns, read_log_tpm(expression, rows, columns), "of the run", self.clip)
        return again if self.r is None else replace(again, r=self.r[np.isin(self.genes, again.genes)])

    def scale(self, log_tpm: np.ndarray) -> np.ndarray:
        """z-scores of log2(TPM+1) [patients, genes in the panel's order], clipped to ± clip, float32."""
        scaled = np.subtract(log_tpm, self.mean, dtype=np.float32)
        scaled /= self.sd
        return np.clip(scaled, -self.clip, self.clip, out=scaled)

    def values(self, expression: AnnData | Profiles, rows: np.ndarray) -> np.ndarray:
        """What a model sees of these patients, float32 [rows, features], scaled; InputError when the matrix lacks genes of the panel."""
        return self.scale(read_log_tpm(expression, rows, self.columns(expression)))

    def write(self, path: str | os.PathLike) -> None:
        """Parquet with gene, symbol, mean and sd (log2 TPM+1), and r where it was learned; clip and hash in its metadata.

        InputError when the disk refuses.
        """
        table = pd.DataFrame({"gene": self.genes, "symbol": self.symbols, "mean": self.mean, "sd": self.sd})
        if self.r is not None:
            table[LEARNED] = self.r
        write_parquet(table, path, {"clip": repr(self.clip), "hash": self.hash})

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Panel":
        """The panel in a Parquet file; InputError when it is missing or not what was written."""
        table, notes = read_parquet(path, [*COLUMNS, LEARNED], optional=[LEARNED]), parquet_metadata(path)
        try:
            mean, sd = (table[column].to_numpy(np.float32) for column in ("mean", "sd"))
            r = table[LEARNED].to_numpy(np.float32) if LEARNED in table else None
            panel = cls(tuple(table["gene"]), tuple(table["symbol"]), mean, sd, float(notes["clip"]), r)
        except (KeyError, ValueError) as error:
            raise InputError(f"{path} is not a gene panel: {error}") from error
        if panel.hash != notes.get("hash"):
            raise InputError(f"{path} does not hold the genes and scaling that its hash names; take it from the run again")
        return panel


def choice_name(choice: str) -> str:
    """A choice of genes as cards name it: a file without its folder."""
    kind, colon, argument = choice.partition(":")
    return f"{kind}:{Path(argument).name}" if colon else kind


def asked_of_features(choice: str) -> int | None:
    """N of "predictable:N", which features must answer; None of every other choice."""
    kind, _, argument = choice.partition(":")
    return int(argument) if kind == PREDICTABLE and argument.isdecimal() and int(argument) > 0 else None


def fit_panel(
    expression: AnnData | Profiles,
    training_patients: Iterable[str],
    choice: str,
    cancer: pd.Series | None = None,
    min_share: float = 0.1,
    clip: float = 5.0,
) -> Panel:
    """Chooses genes and fits their scaling on training patients alone; genes come in the order of their ids.

    `expression` holds log2(TPM+1) with one row per patient (`obs["patient"]`), in memory or on disk. `choice` is
    "protein_coding": all protein-coding genes with TPM ≥ 1 in at least `min_share` of the training patients; "hvg:N": of these the
    N with the highest variance within `cancer` (class by patient), ties by id; "hallmark" or "gmt:FILE": all genes of the gene
    sets; "list:FILE": symbols or Ensembl ids; "all": every column. Genes that are constant among the training patients are dropped.
    Raises InputError for a choice that is not known, and when no gene or no training patient is left.
    """
    rows = training_rows(expression, training_patients)
    kind, _, argument = choice.partition(":")
    if kind in ("gmt", "list") and argument or choice == "hallmark":
        columns = find_genes(expression.var, named_genes(kind, argument), choice)
        log_tpm = read_log_tpm(expression, rows, columns)
    elif choice == "all":
        columns = np.arange(len(expression.var))
        log_tpm = read_log_tpm(expression, rows, columns)
    elif choice == "protein_coding" or kind == "hvg" and argument.isdecimal() and int(argument) > 0:
        columns = np.flatnonzero(expression.var["type"] == PROTEIN_CODING)
        if not len(columns):
            raise InputError(
                f"no gene of {name_of(expression)} has the type {PROTEIN_CODING} in var['type'], which the panel {choice!r} chooses by; "
                "add that column, or name the genes with hallmark or list:FILE"
            )
        log_tpm = read_log_tpm(expression, rows, columns)
        keep = np.flatnonzero(_by_genes(log_tpm, lambda block: (block >= EXPRESSED).mean(axis=0)) >= min_share)
        if kind == "hvg":
            groups = None if cancer is None else cancer.reindex(expression.obs["patient"].iloc[rows])
            keep = _most_variable(log_tpm, keep, expression.var_names[columns], groups, int(argument))
        columns, log_tpm = columns[keep], log_tpm[:, keep]
    elif asked_of_features(choice):
        raise InputError(f"the panel {choice!r} is learned by a training run from its base; choose another one here")
    else:
        raise InputError(
            f'there is no gene panel {choice!r}; choose "predictable:N", "protein_coding", "hvg:N", "hallmark", "gmt:FILE", "list:FILE", '
            '"all", or scores of gene sets, "pathways:FILE.gmt" or "ssgsea:FILE.gmt"'
        )
    return fitted(expression, rows, columns, log_tpm, choice, clip)


def fitted(expression: AnnData | Profiles, rows: np.ndarray, columns: np.ndarray, log_tpm: np.ndarray, choice: str, clip: float) -> Panel:
    """The genes of these columns, in the order of their ids, with the scale of log_tpm [rows, columns]."""
    order = np.argsort(expression.var_names[columns].to_numpy(str))
    mean = _by_genes(log_tpm, lambda block: block.mean(axis=0, dtype=np.float64))[order].astype(np.float32)
    sd = _by_genes(log_tpm, lambda block: block.std(axis=0, dtype=np.float64))[order].astype(np.float32)
    varies = _by_genes(log_tpm, lambda block: block.max(axis=0) > block.min(axis=0))[order].astype(bool) & (sd > 0)
    order, mean, sd = order[varies], mean[varies], sd[varies]
    if not len(order):
        raise InputError(
            f"no gene is left in the panel {choice!r}: none of {len(columns):,} genes varies among {len(rows):,} training patients"
        )
    chosen = expression.var.iloc[columns[order]]
    return Panel(tuple(chosen.index), tuple(map(str, chosen["symbol"])), mean, sd, float(clip))


def name_of(expression: AnnData | Profiles) -> str:
    """The matrix in a sentence."""
    return str(expression.path) if isinstance(expression, Profiles) else "the expression matrix"


def training_rows(expression: AnnData | Profiles, patients: Iterable[str]) -> np.ndarray:
    """Where these patients stand in the matrix, int [patients], in its order; InputError when one is missing or has several rows."""
    position = pd.Index(expression.obs["patient"])
    if not position.is_unique:
        twice = position[position.duplicated()][0]
        raise InputError(f"patient {twice} has several rows in the expression matrix; a panel is fitted on one row per patient")
    rows = np.sort(position.get_indexer(sorted(set(patients))))
    if not len(rows) or rows[0] < 0:
        raise InputError(f"{(rows < 0).sum():,} of {len(rows):,} training patients have no expression; a panel needs a profile of each")
    return rows


def _by_genes(matrix: np.ndarray, statistic) -> np.ndarray:
    """`statistic` of blocks of columns [patients, some genes] → [some genes]: float64 of one block at a time, never of all."""
    blocks = [statistic(matrix[:, start : start + GENES_AT_ONCE]) for start in range(0, matrix.shape[1], GENES_AT_ONCE)]
    return np.concatenate(blocks) if blocks else np.empty(0)


def variance_within(log_tpm: np.ndarray, groups: pd.Series | None) -> np.ndarray:
    """Mean squared distance of patients from the mean of their group, float64 [genes]; patients without a group form one of their own."""
    codes = np.zeros(len(log_tpm), int) if groups is None else pd.factorize(groups, use_na_sentinel=False)[0]
    members = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    return _by_genes(log_tpm, lambda block: sum(len(own) * block[own].var(axis=0, dtype=np.float64) for own in members) / len(block))


def _most_variable(log_tpm: np.ndarray, candidates: np.ndarray, names: pd.Index, groups: pd.Series | None, count: int) -> np.ndarray:
    if count > len(candidates):
        say(f"panel: {len(candidates):,} protein-coding genes are expressed, fewer than the {count:,} asked for; all are taken")
    variance = variance_within(log_tpm[:, candidates], groups)
    return candidates[np.lexsort([names[candidates].to_numpy(str), -variance])[:count]]
