"""A result of one encoder on one task with its draws, and what of it stands in a cell of the table."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.report.evaluations import Evaluation
from pathfm.report.words import MISSING, few
from pathfm.sources.barcodes import is_tcga
from pathfm.statistics.bootstrap import Draws, balanced_accuracy_draws, interval, mean_pearson_draws
from pathfm.statistics.correlation import pearson, summary
from pathfm.statistics.scores import balanced_accuracy, large_classes, smallest_class
from pathfm.tasks.expression import METRIC as MEAN_PEARSON
from pathfm.tasks.registry import BY_NAME


@dataclass(frozen=True)
class Cell:
    """A score in %, or a difference in percentage points, with its 95 % interval; without a value, perhaps why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    few: int | None = None  # units of the rarest class, where they are too few for a score
    one_sided: bool = False  # a gain that the other fit does not show
    unconverged: bool = False  # a probe behind it stopped short of its optimum

    @property
    def text(self) -> str:
        """What stands where there is no value."""
        return "" if self.value is not None else MISSING if self.few is None else few(self.few)

    @property
    def empty(self) -> bool:
        return self.value is None and self.few is None


@dataclass(frozen=True)
class Measured:
    """A score, or a difference of two: the value and its draws, both as shares; without them perhaps why."""

    value: float | None = None
    draws: np.ndarray | None = None
    few: int | None = None
    unconverged: bool = False

    def cell(self) -> Cell:
        if self.value is None:
            return Cell(few=self.few)
        return Cell(100 * self.value, *(100 * end for end in interval(self.draws)), unconverged=self.unconverged)

    def minus(self, base: "Measured") -> "Measured":
        if self.value is None or base.value is None:
            return Measured(few=next((one.few for one in (base, self) if one.few is not None), None))
        return Measured(self.value - base.value, self.draws - base.draws, unconverged=self.unconverged or base.unconverged)


def mean_of(differences: list[Measured]) -> Measured:
    """The mean over the tasks present, formed inside each draw."""
    there = [one for one in differences if one.value is not None]
    if not there:
        return Measured()
    value, draws = float(np.mean([one.value for one in there])), np.mean([one.draws for one in there], axis=0)
    return Measured(value, draws, unconverged=any(one.unconverged for one in there))


def measure(block: Evaluation, draws: Draws) -> dict[tuple[str, str], Measured]:
    """By (task, fit): classes over the units of all folds together, expression over folds by Fisher z, gene by gene."""
    measured = {}
    for (task, fit), rows in block.scores[block.scores["headline"]].groupby(["task", "fit"]):
        unconverged = bool((rows["unconverged"].fillna(0) > 0).any())
        one = _expression(block, fit, rows, draws) if (rows["metric"] == MEAN_PEARSON).all() else _classes(block, task, fit, rows, draws)
        measured[task, fit] = one if one.value is None else replace(one, unconverged=unconverged)
    return measured


def _classes(block: Evaluation, task: str, fit: str, scores: pd.DataFrame, draws: Draws) -> Measured:
    """Balanced accuracy of the predictions of all folds together, over the classes with enough units in them.

    A class's recall is over all its patients, whichever fold tested them, so a fold weighs in a class by its share of that class.
    """
    rows = block.predictions[(block.predictions["task"] == task) & (block.predictions["fit"] == fit)]
    if rows.empty and scores["value"].notna().any():
        raise InputError(f"{block.files.predictions} lacks predictions of the task {task}; evaluate again")
    if rows.empty:
        return Measured(few=int(scores["smallest_class"].min()) if scores["too_small"].any() else None)
    truth, prediction, patients = (rows[column].to_numpy(object).astype(str) for column in ("truth", "prediction", "patient"))
    classes = np.unique(truth)
    kept = np.isin(truth, large := large_classes(truth, patients, classes))
    if len(large) < 2:
        return Measured(few=smallest_class(truth, patients, classes) if len(classes) > 1 else 0)
    value = balanced_accuracy(truth[kept], prediction[kept])
    drawn = balanced_accuracy_draws(truth[kept], prediction[kept], patients[kept], _scope(task, patients), draws)
    return Measured(value, drawn)


def _scope(task: str, patients: np.ndarray) -> str:
    """A TCGA patient is one person in every task; the images of other benchmarks are drawn for themselves."""
    of_cohort = task not in BY_NAME or BY_NAME[task].source == "cohort" or all(map(is_tcga, patients))
    return "cohort" if of_cohort else f"benchmark {task}"


def _expression(block: Evaluation, fit: str, scores: pd.DataFrame, draws: Draws) -> Measured:
    folds = scores.loc[scores["value"].notna() & ~scores["too_small"], "fold"].tolist()
    if not folds:
        return Measured(few=int(scores["smallest_class"].min()) if scores["too_small"].any() else None)
    if block.expression is None:
        raise InputError(f"{block.files.expression} is missing; evaluate again")
    rows = ((block.expression.obs["fit"] == fit) & block.expression.obs["fold"].isin(folds)).to_numpy()
    obs = block.expression.obs[rows]
    prediction, truth = np.asarray(block.expression.X)[rows], np.asarray(block.expression.layers["truth"])[rows]
    groups = np.array([f"{fold}/{part}" for fold, part in zip(obs["fold"], obs["part"], strict=True)])
    patients = obs["patient"].astype(str).to_numpy(object)
    value = summary(pearson(prediction, truth, groups))[MEAN_PEARSON]
    return Measured() if np.isnan(value) else Measured(value, mean_pearson_draws(prediction, truth, groups, patients, "cohort", draws))
