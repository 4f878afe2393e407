"""Pathways in place of genes: one score for each gene set of a file, scaled on training patients, as a panel like any other."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.stats import rankdata

from pathfm.cohort.profiles import Profiles
from pathfm.errors import InputError
from pathfm.files import digest, parquet_metadata, read_parquet, write_parquet
from pathfm.modalities.genes import HALLMARK, PROTEIN_CODING, first_of, read_gmt, rows_of
from pathfm.modalities.panel import COLUMNS, Panel, fitted, name_of, read_log_tpm, training_rows
from pathfm.progress import say

MEAN_Z, SSGSEA = "pathways", "ssgsea"  # as a choice of panel begins: "pathways:FILE.gmt"
KINDS = (MEAN_Z, SSGSEA)
LEAST_GENES = 5  # of a set, measured and varying: fewer are single genes under another name
ROWS_AT_ONCE = 256
WEIGHT = 0.25  # the exponent of a rank in ssGSEA
MEMBERS, SCORE = "members", "score"


@dataclass(frozen=True, eq=False)
class Pathways(Panel):
    """A panel whose columns are gene sets: `genes` and `symbols` are their names, `mean` and `sd` those of their scores in training.

    `of_genes` are the genes that scores are made of; `members` [pathways] names those of each set by Ensembl id. `score` is "pathways", the
    mean over a set's genes of their z-scores; or "ssgsea", the enrichment of the set's genes in the patient's own ranking of all
    `of_genes` (Barbie et al. 2009, https://doi.org/10.1038/nature08460), so that it hangs on nobody else.
    """

    score: str = MEAN_Z
    members: tuple[tuple[str, ...], ...] = ()
    of_genes: Panel | None = None

    @cached_property
    def hash(self) -> str:
        assert self.of_genes is not None
        return digest([self.score, self.members, self.of_genes.hash, self.genes, self.mean.tolist(), self.sd.tolist(), self.clip])

    def columns(self, adata: AnnData | Profiles) -> np.ndarray:
        """Where the genes stand of which scores are made; InputError when some are missing."""
        assert self.of_genes is not None
        return self.of_genes.columns(adata)

    def values(self, expression: AnnData | Profiles, rows: np.ndarray) -> np.ndarray:
        assert self.of_genes is not None
        return self.scale(scores(expression, rows, self.of_genes, self.members, self.score))

    def write(self, path: str | os.PathLike) -> None:
        """A panel's Parquet with the list `members` and `score` in its metadata; beside it the genes, a panel of their own."""
        assert self.of_genes is not None
        table = pd.DataFrame({"gene": self.genes, "symbol": self.symbols, "mean": self.mean, "sd": self.sd})
        table[MEMBERS] = [list(names) for names in self.members]
        self.of_genes.write(genes_file(path))
        write_parquet(table, path, {"clip": repr(self.clip), SCORE: self.score, "hash": self.hash})


def genes_file(path: str | os.PathLike) -> Path:
    """The file of the genes behind the pathways of a panel file."""
    return Path(path).with_suffix(f".genes{Path(path).suffix}")


def read_panel(path: str | os.PathLike) -> Panel:
    """The panel, of genes or of pathways, in a Parquet file; InputError when it is missing or not what was written."""
    table, notes = read_parquet(path, [*COLUMNS, MEMBERS], optional=[MEMBERS]), parquet_metadata(path)
    if MEMBERS not in table:
        return Panel.read(path)
    try:
        mean, sd = (table[column].to_numpy(np.float32) for column in ("mean", "sd"))
        members = tuple(tuple(map(str, names)) for names in table[MEMBERS])
        names, clip = tuple(table["gene"]), float(notes["clip"])
        panel = Pathways(names, tuple(table["symbol"]), mean, sd, clip, None, notes[SCORE], members, Panel.read(genes_file(path)))
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a panel of pathways: {error}") from error
    if panel.hash != notes.get("hash"):
        raise InputError(f"{path} does not hold the pathways and scaling that its hash names; take it from the run again")
    return panel


def asks_for_pathways(choice: str) -> bool:
    """Whether a choice of panel is "pathways:FILE.gmt" or "ssgsea:FILE.gmt"."""
    kind, _, file = choice.partition(":")
    return kind in KINDS and bool(file)


def fit_pathways(expression: AnnData | Profiles, training_patients: Iterable[str], choice: str, clip: float = 5.0) -> Pathways:
    """Scores of the sets of "pathways:FILE.gmt" or "ssgsea:FILE.gmt", scaled on training patients alone, in the order of their names.

    FILE may be "hallmark". For ssGSEA all protein-coding genes that vary in training are ranked, where types of genes are known, and those
    of the sets. A set with fewer than LEAST_GENES such genes is left out, and counted for the user. InputError for a file that is no
    GMT, and where no set is left.
    """
    rows = training_rows(expression, training_patients)
    score, _, file = choice.partition(":")
    sets = read_gmt(HALLMARK if file == "hallmark" else file)
    if not sets:
        raise InputError(f"{file} holds no gene set; a GMT file has a line for each, a name, a description and genes, separated by tabs")
    found = rows_of(expression.var, dict.fromkeys(name for names in sets.values() for name in names))
    if not found:
        raise InputError(
            f"none of the genes in the {len(sets):,} gene sets of {choice} is measured in {name_of(expression)}; "
            "take a GMT file of symbols or Ensembl ids of the same species"
        )
    columns = np.unique(list(found.values()))
    if score == SSGSEA:
        known = "type" in expression.var and (expression.var["type"] == PROTEIN_CODING).any()
        columns = np.union1d(columns, np.flatnonzero(expression.var["type"] == PROTEIN_CODING) if known else np.arange(len(expression.var)))
    of_genes = fitted(expression, rows, columns, read_log_tpm(expression, rows, columns), choice, clip)
    ids, there = expression.var_names.to_numpy(str), set(of_genes.genes)
    measured = {name: sorted({ids[found[gene]] for gene in genes if gene in found} & there) for name, genes in sets.items()}
    kept = sorted(name for name, genes in measured.items() if len(genes) >= LEAST_GENES)
    if not kept:
        raise InputError(
            f"none of the {len(sets):,} gene sets of {choice} has {LEAST_GENES} genes that are measured in {name_of(expression)} and vary "
            "among training patients; take a GMT file of larger sets"
        )
    if small := sorted(measured.keys() - set(kept)):
        say(f"panel: {len(small):,} of {len(sets):,} gene sets of {choice} have fewer than {LEAST_GENES} measured genes: {first_of(small)}")
    members = tuple(tuple(measured[name]) for name in kept)
    raw = scores(expression, rows, of_genes, members, score)
    mean, sd = (getattr(raw, name)(axis=0, dtype=np.float64).astype(np.float32) for name in ("mean", "std"))
    varies = np.flatnonzero((raw.max(axis=0) > raw.min(axis=0)) & (sd > 0))
    if not len(varies):
        raise InputError(f"no gene set of {choice} has a score that varies among {len(rows):,} training patients")
    names, members = (tuple(one[place] for place in varies) for one in (kept, members))
    return Pathways(names, names, mean[varies], sd[varies], float(clip), None, score, members, of_genes)


def scores(
    expression: AnnData | Profiles, rows: np.ndarray, of_genes: Panel, members: tuple[tuple[str, ...], ...], score: str
) -> np.ndarray:
    """Unscaled scores float32 [rows, pathways] of these patients; the matrix is read some patients at a time."""
    columns, place = of_genes.columns(expression), {gene: number for number, gene in enumerate(of_genes.genes)}
    belongs = np.zeros((len(columns), len(members)))
    for number, genes in enumerate(members):
        belongs[[place[gene] for gene in genes], number] = 1.0
    blocks = [np.empty((0, len(members)), np.float32)]
    for first in range(0, len(rows), ROWS_AT_ONCE):
        log_tpm = read_log_tpm(expression, rows[first : first + ROWS_AT_ONCE], columns)
        block = enrichment(log_tpm, belongs) if score == SSGSEA else of_genes.scale(log_tpm) @ (belongs / belongs.sum(axis=0))
        blocks.append(block.astype(np.float32))
    return np.concatenate(blocks)


def enrichment(log_tpm: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """ssGSEA of log2(TPM+1) [patients, genes] for sets [genes, pathways] of 0 and 1: float64 [patients, pathways], per ranked gene.

    Ranks r go from 1 for the lowest, ties share their mean. From the highest gene to the lowest, the sum over all places of the share of
    the set, weighted by r^0.25, less the share of the other genes that lie at or above the place, is
    Σ_in r^1.25 / Σ_in r^0.25 − Σ_out r / n_out.
    """
    ranks = rankdata(log_tpm, axis=1)
    weights = ranks**WEIGHT
    inside, outside = belongs.sum(axis=0), len(belongs) - belongs.sum(axis=0)
    of_set = ((weights * ranks) @ belongs) / (weights @ belongs)
    of_others = (ranks.sum(axis=1, keepdims=True) - ranks @ belongs) / np.maximum(outside, 1)
    return np.where(inside > 0, of_set - of_others, 0.0) / len(belongs)
