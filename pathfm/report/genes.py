"""What a tuned run changed gene by gene, within cancer type as the table's headline counts, and as a table for other programs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.report.evaluations import Evaluation
from pathfm.report.units import units_of
from pathfm.statistics.correlation import LEVEL, combined_names, within_types
from pathfm.statistics.genes import GeneDifferences, gene_differences
from pathfm.statistics.scores import SMALLEST_CLASS
from pathfm.tasks.expression import METRIC as MEAN_PEARSON
from pathfm.tasks.fits import FITS, SPLIT

EXPRESSION = "expression"
COLUMNS = ["run", "fit", "gene", "symbol", "base", "tuned", "change", "error", "p", "q"]


@dataclass(frozen=True)
class GeneChanges:
    """Every gene of one comparison in one fit."""

    run: str  # the name in the table
    fit: str
    genes: np.ndarray  # Ensembl ids [genes]
    symbols: np.ndarray  # [genes]
    differences: GeneDifferences

    @property
    def better(self) -> np.ndarray:
        """[genes] bool: a gain at a false discovery rate below 5 %."""
        return (self.differences.q < LEVEL) & (self.differences.change > 0)

    @property
    def worse(self) -> np.ndarray:
        return (self.differences.q < LEVEL) & (self.differences.change < 0)

    @property
    def there(self) -> np.ndarray:
        """[genes] bool: has a difference."""
        return ~np.isnan(self.differences.change)


def gene_changes(name: str, base: Evaluation, tuned: Evaluation, sites: Mapping[str, str], fit: str = SPLIT.name) -> GeneChanges | None:
    """The genes that both predicted for the same patients, over the folds that both scored; None where there is none.

    Both are blocks of one probe each; `sites` is patient to site.
    """
    folds = _scored_folds(base, fit) & _scored_folds(tuned, fit)
    if not folds or base.expression is None or tuned.expression is None:
        return None
    ours, theirs = _rows(base, fit, folds), _rows(tuned, fit, folds)
    shared = ours.var_names.intersection(theirs.var_names, sort=False)
    if list(ours.obs["patient"]) != list(theirs.obs["patient"]) or not len(shared):
        return None
    ours, theirs = ours[:, shared], theirs[:, shared]
    obs = ours.obs.astype(object)
    fold, cancer = (obs[column].astype(str).to_numpy(object) for column in ("fold", "cancer"))
    part = combined_names(fold, obs["part"])
    truth = np.asarray(ours.layers["truth"])
    before, after = (within_types(np.asarray(one.X), truth, cancer, part, fold, SMALLEST_CLASS) for one in (ours, theirs))
    units = units_of(EXPRESSION, obs, sites)
    differences = gene_differences(before[:2], after[:2], before[2], units.names)
    symbols = ours.var["symbol"].astype(str) if "symbol" in ours.var else shared.astype(str)
    changes = GeneChanges(name, fit, shared.to_numpy(str), np.asarray(symbols, str), differences)
    return changes if changes.there.any() else None


def _scored_folds(block: Evaluation, fit: str) -> set:
    scores = block.scores
    rows = scores[(scores["task"] == EXPRESSION) & (scores["fit"] == fit) & (scores["metric"] == MEAN_PEARSON)]
    return set(rows.loc[rows["value"].notna() & ~rows["too_small"], "fold"])


def _rows(block: Evaluation, fit: str, folds: set):
    """The rows of one fit and these folds, by fold and patient."""
    obs = block.expression.obs
    rows = np.flatnonzero((obs["fit"] == fit) & obs["fold"].isin(folds))
    chosen = obs.iloc[rows]
    order = np.lexsort((chosen["patient"].astype(str), chosen["fold"].astype(int)))
    return block.expression[rows[order]]


def as_frame(changes: Iterable[GeneChanges]) -> pd.DataFrame:
    """A row for each comparison, fit and gene; the columns of COLUMNS."""
    parts = [
        pd.DataFrame(
            {
                "run": one.run,
                "fit": FITS[one.fit].name,
                "gene": one.genes.astype(object),
                "symbol": one.symbols.astype(object),
                "base": one.differences.before,
                "tuned": one.differences.after,
                "change": one.differences.change,
                "error": one.differences.error,
                "p": one.differences.p,
                "q": one.differences.q,
            }
        )
        for one in changes
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
