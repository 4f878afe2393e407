"""A result of one encoder on one task with its draws, and what of it stands in a cell of the table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.report.evaluations import Evaluation
from pathfm.report.words import MISSING, few
from pathfm.sources.barcodes import is_tcga
from pathfm.statistics.bootstrap import Draws, balanced_accuracy_draws, interval, mean_pearson_draws
from pathfm.statistics.correlation import pearson, summary
from pathfm.statistics.scores import balanced_accuracy
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
    """By (task, fit): folds are averaged (expression by Fisher z, gene by gene); a fold with too few units is left out."""
    measured = {}
    for (task, fit), rows in block.scores[block.scores["headline"]].groupby(["task", "fit"]):
        scored = rows[rows["value"].notna() & ~rows["too_small"]]
        folds = scored["fold"].tolist()
        if not folds:
            measured[task, fit] = Measured(few=int(rows["smallest_class"].min()) if rows["too_small"].any() else None)
            continue
        value, drawn = _expression(block, fit, folds, draws) if _is_expression(rows) else _classes(block, task, fit, folds, draws)
        unconverged = bool((scored["unconverged"].fillna(0) > 0).any())
        measured[task, fit] = Measured() if np.isnan(value) else Measured(value, drawn, unconverged=unconverged)
    return measured


def _is_expression(rows: pd.DataFrame) -> bool:
    return (rows["metric"] == MEAN_PEARSON).all()


def _classes(block: Evaluation, task: str, fit: str, folds: list, draws: Draws) -> tuple[float, np.ndarray]:
    predictions = block.predictions[(block.predictions["task"] == task) & (block.predictions["fit"] == fit)]
    values, drawn = [], []
    for fold in folds:
        rows = predictions[predictions["fold"] == fold]
        if rows.empty:
            raise InputError(f"{block.files.predictions} lacks predictions of the task {task}; evaluate again")
        truth, prediction, patients = (rows[column].to_numpy(object).astype(str) for column in ("truth", "prediction", "patient"))
        values.append(balanced_accuracy(truth, prediction))
        drawn.append(balanced_accuracy_draws(truth, prediction, patients, _scope(task, patients), draws))
    return float(np.mean(values)), np.mean(drawn, axis=0)


def _scope(task: str, patients: np.ndarray) -> str:
    """A TCGA patient is one person in every task; the images of other benchmarks are drawn for themselves."""
    of_cohort = task not in BY_NAME or BY_NAME[task].source == "cohort" or all(map(is_tcga, patients))
    return "cohort" if of_cohort else f"benchmark {task}"


def _expression(block: Evaluation, fit: str, folds: list, draws: Draws) -> tuple[float, np.ndarray]:
    if block.expression is None:
        raise InputError(f"{block.files.expression} is missing; evaluate again")
    rows = ((block.expression.obs["fit"] == fit) & block.expression.obs["fold"].isin(folds)).to_numpy()
    obs = block.expression.obs[rows]
    prediction, truth = np.asarray(block.expression.X)[rows], np.asarray(block.expression.layers["truth"])[rows]
    groups = np.array([f"{fold}/{part}" for fold, part in zip(obs["fold"], obs["part"], strict=True)])
    patients = obs["patient"].astype(str).to_numpy(object)
    value = summary(pearson(prediction, truth, groups))[MEAN_PEARSON]
    return value, np.empty(0) if np.isnan(value) else mean_pearson_draws(prediction, truth, groups, patients, "cohort", draws)
