"""The table "base against tuned, task by task": computed from evaluation folders alone, every difference with its interval."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.cohort.barcodes import is_tcga
from pathfm.errors import InputError
from pathfm.report import rendering
from pathfm.report.evaluations import Evaluation, over_folds, paired
from pathfm.statistics.bootstrap import Draws, balanced_accuracy_draws, interval, mean_pearson_draws
from pathfm.statistics.correlation import pearson, summary
from pathfm.statistics.scores import SMALLEST_CLASS, balanced_accuracy, too_small
from pathfm.tasks.registry import BY_NAME, TASKS

MISSING = "–"
FITS = {
    "split": "Probes fitted on the split's training patients",
    "held_out": "Held-out fit: probes fitted and scored by cross-validation among test patients alone",
}
MEAN = "mean Δ"


@dataclass(frozen=True)
class Cell:
    """A score in %, or a difference in percentage points, with its 95 % interval; `text` stands where there is no value."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    text: str = MISSING
    flagged: bool = False


@dataclass(frozen=True)
class Row:
    """One line: the score of a base or of a tuned run, or the difference between the two."""

    fit: str  # "split" or "held_out"
    kind: str  # "base", "tuned" or "delta"
    approach: str
    run: str
    cells: tuple[Cell, ...]  # one a column of the table

    @property
    def label(self) -> str:
        return f"{self.approach}, Δ" if self.kind == "delta" else self.approach


@dataclass(frozen=True)
class Table:
    """Pure data: the poster's columns and the mean difference, both fits, and what a reader must know about them."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    smoke: bool

    def block(self, fit: str) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.fit == fit)

    @property
    def titles(self) -> dict[str, str]:
        """The title of each fit that has a row."""
        return {fit: title for fit, title in FITS.items() if self.block(fit)}

    def to_markdown(self) -> str:
        return rendering.markdown(self)

    def to_latex(self) -> str:
        return rendering.latex(self)

    def to_csv(self) -> str:
        return rendering.csv_text(self)


@dataclass(frozen=True)
class Measured:
    """A run's score on a task: the value and its draws, both as shares; without them `text` says why."""

    value: float | None = None
    draws: np.ndarray | None = None
    text: str = MISSING

    def cell(self) -> Cell:
        return Cell(text=self.text) if self.value is None else Cell(100 * self.value, *(100 * end for end in interval(self.draws)), text="")

    def minus(self, base: "Measured") -> "Measured":
        if self.value is None or base.value is None:
            return Measured(text=next((one.text for one in (base, self) if one.value is None and one.text != MISSING), MISSING))
        return Measured(self.value - base.value, self.draws - base.draws)


def make_table(folders: Iterable[str | Path], draws: Draws | None = None) -> Table:
    """The table of the evaluations in `folders`; InputError when one is unfinished or a pair must not be compared."""
    evaluations = [Evaluation.read(folder) for folder in folders]
    if not evaluations:
        raise InputError("no evaluation is given; name at least one folder that `python -m pathfm.evaluate` has finished")
    draws = draws or Draws()
    columns = _columns(evaluations)
    rows = []
    pairs = over_folds(paired(evaluations))
    every_tuned = [tuned for _, all_tuned in pairs for tuned in all_tuned]
    for base, all_tuned in pairs:
        ours = measure(base, draws)
        label = base_label(base, [one for one, _ in pairs])
        rows += [Row(fit, "base", label, base.name, _cells(ours, fit, columns)) for fit in FITS]
        for tuned in all_tuned:
            same = ours if tuned.folds == base.folds else measure(base.of_folds(tuned.folds), draws)
            rows += _tuned_rows(tuned, _label(tuned, every_tuned), same, measure(tuned, draws), columns)
    order = list(FITS)
    rows = [row for row in rows if any(cell.value is not None or cell.text != MISSING for cell in row.cells)]
    rows.sort(key=lambda row: order.index(row.fit))
    shown = tuple(columns.values()) + (MEAN,)
    smoke = any(one.smoke for one in evaluations)
    return Table(shown, tuple(rows), tuple(_notes(evaluations, pairs, rows, columns, draws)), smoke)


def base_label(base: Evaluation, bases: list[Evaluation]) -> str:
    """ "base"; of several with its name, and of those of one name with its choice of genes."""
    if len(bases) == 1:
        return "base"
    panel = base.about.get("panel_choice")
    several = sum(one.name == base.name for one in bases) > 1
    return f"base: {base.name} ({panel})" if several and panel else f"base: {base.name}"


def measure(run: Evaluation, draws: Draws) -> dict[tuple[str, str], Measured]:
    """By (task, fit): folds are averaged (expression by Fisher z, gene by gene); a fold with too few units is left out."""
    measured = {}
    for (task, fit), rows in run.scores[run.scores["metric"] == run.scores["task"].map(_metric)].groupby(["task", "fit"]):
        folds = rows.loc[rows["value"].notna() & (rows["smallest_class"] >= SMALLEST_CLASS), "fold"].tolist()
        if not folds:
            measured[task, fit] = Measured(text=too_small(int(rows["smallest_class"].min())) or MISSING)
        elif task == "expression":
            measured[task, fit] = _measure_expression(run, fit, folds, draws)
        else:
            predictions = run.predictions[(run.predictions["task"] == task) & (run.predictions["fit"] == fit)]
            scored = [_measure_classes(task, predictions[predictions["fold"] == fold], draws) for fold in folds]
            if any(one.value is None for one in scored):
                raise InputError(f"{run.folder / 'predictions.parquet'} lacks predictions of the task {task}; evaluate again")
            measured[task, fit] = Measured(float(np.mean([one.value for one in scored])), np.mean([one.draws for one in scored], axis=0))
    return measured


def _metric(task: str) -> str:
    return BY_NAME[task].metric if task in BY_NAME else "balanced_accuracy"


def _measure_classes(task: str, rows: pd.DataFrame, draws: Draws) -> Measured:
    if rows.empty:
        return Measured()
    truth, prediction, patients = (rows[column].to_numpy(object).astype(str) for column in ("truth", "prediction", "patient"))
    return Measured(
        balanced_accuracy(truth, prediction), balanced_accuracy_draws(truth, prediction, patients, _scope(task, patients), draws)
    )


def _scope(task: str, patients: np.ndarray) -> str:
    """A TCGA patient is one person in every task; the images of other benchmarks are drawn for themselves."""
    of_cohort = task not in BY_NAME or BY_NAME[task].source == "cohort" or all(map(is_tcga, patients))
    return "cohort" if of_cohort else f"benchmark {task}"


def _measure_expression(run: Evaluation, fit: str, folds: list, draws: Draws) -> Measured:
    if run.expression is None:
        raise InputError(f"{run.folder / 'expression_predictions.h5ad'} is missing; evaluate again")
    rows = ((run.expression.obs["fit"] == fit) & run.expression.obs["fold"].isin(folds)).to_numpy()
    obs = run.expression.obs[rows]
    prediction, truth = np.asarray(run.expression.X)[rows], np.asarray(run.expression.layers["truth"])[rows]
    parts = obs["part"] if "part" in obs else pd.Series(0, obs.index)
    groups = np.array([f"{fold}/{part}" for fold, part in zip(obs["fold"], parts, strict=True)])
    patients = obs["patient"].astype(str).to_numpy(object)
    value = summary(pearson(prediction, truth, groups))["mean_pearson"]
    if np.isnan(value):
        return Measured()
    return Measured(value, mean_pearson_draws(prediction, truth, groups, patients, "cohort", draws))


def _columns(evaluations: list[Evaluation]) -> dict[str, str]:
    """Task to column: the poster's ten, then whatever else was scored."""
    columns = {task.name: task.column for task in TASKS}
    for one in evaluations:
        columns |= {task: column for task, column in zip(one.scores["task"], one.scores["column"], strict=True) if task not in columns}
    return columns


def _label(tuned: Evaluation, every_tuned: list[Evaluation]) -> str:
    alike = [one for one in every_tuned if one.approach == tuned.approach]
    return tuned.approach if len(alike) == 1 else f"{tuned.approach}: {tuned.name}"


def _cells(measured: dict[tuple[str, str], Measured], fit: str, columns: dict[str, str]) -> tuple[Cell, ...]:
    """The last, the mean difference, stays empty."""
    return tuple(measured.get((task, fit), Measured()).cell() for task in columns) + (Cell(),)


def _tuned_rows(tuned: Evaluation, label: str, ours: dict, theirs: dict, columns: dict[str, str]) -> list[Row]:
    differences = {fit: [theirs.get((task, fit), Measured()).minus(ours.get((task, fit), Measured())) for task in columns] for fit in FITS}
    in_both = [all(one.value is not None for one in pair) for pair in zip(*differences.values(), strict=True)]
    rows = []
    for fit, found in differences.items():
        other = next(rest for name, rest in differences.items() if name != fit)
        cells = [one.cell() for one in found]
        flagged = [replace(cell, flagged=_one_sided(cell, match.cell())) for cell, match in zip(cells, other, strict=True)]
        alike = [mean_of([one for one, kept in zip(measured, in_both, strict=True) if kept]).cell() for measured in (found, other)]
        flagged.append(replace(mean_of(found).cell(), flagged=_one_sided(*alike)))
        rows.append(Row(fit, "tuned", label, tuned.name, _cells(theirs, fit, columns)))
        rows.append(Row(fit, "delta", label, tuned.name, tuple(flagged)))
    return rows


def mean_of(differences: list[Measured]) -> Measured:
    """The mean over the tasks present, formed inside each draw."""
    there = [one for one in differences if one.value is not None]
    if not there:
        return Measured()
    return Measured(float(np.mean([one.value for one in there])), np.mean([one.draws for one in there], axis=0))


def _one_sided(cell: Cell, match: Cell) -> bool:
    """Whether one fit shows a gain (an interval above 0) that the other, which has a value, does not."""
    if cell.value is None or match.value is None:
        return False
    return (cell.low > 0) != (match.low > 0)


def _notes(
    evaluations: list[Evaluation],
    pairs: list[tuple[Evaluation, list[Evaluation]]],
    rows: list[Row],
    columns: dict[str, str],
    draws: Draws,
) -> Iterable[str]:
    if any(one.smoke for one in evaluations):
        yield "SMOKE: these scores only show that the commands work; they mean nothing"
    yield (
        "balanced accuracy in %, expression as mean Pearson r in %; brackets: 95 % percentile intervals of "
        f"{draws.count:,} paired bootstrap draws over patients, stratified by class"
    )
    if any(row.kind == "delta" for row in rows):
        yield f"{MEAN} is over the tasks that have a difference in that row"
    for base, all_tuned in pairs:
        for one in (base, *all_tuned):
            if len(one.folds) > 1:
                folds = ", ".join(map(str, one.folds))
                yield f"{one.name} stands for the folds {folds}: their mean, for expression by Fisher z of each gene"
                yield from _small_folds(one)
            if one is not base and one.folds != base.folds:
                yield f"warning, {one.name}: its difference is to the base on the same folds, and the base's own row is over more"
    if any(cell.flagged for row in rows for cell in row.cells):
        yield "†: a gain (interval above 0) in one of the two fits only"
    images = sorted({task for one in evaluations for task in _of_images(one)}, key=list(columns).index)
    if images:
        yield f"unit of the bootstrap is the image, since patients are not known: {', '.join(columns[task] for task in images)}"
    for one in evaluations:
        if one.about.get("seen_patients_allowed"):
            yield f"warning, {one.name}: patients that the encoder was trained on were allowed among those scored"
        edge = one.scores[one.scores["note"].astype(str).str.contains("edge of the grid")]
        for fit, names in edge.groupby("fit")["column"]:
            where = ", ".join(dict.fromkeys(names))
            yield f"warning, {one.name}, {fit.replace('_', '-')} fit: a probe's strength was chosen at the edge of the grid: {where}"


def _small_folds(run: Evaluation) -> Iterable[str]:
    """Which folds a cell leaves out because a class of theirs has too few units."""
    headline = run.scores[run.scores["metric"] == run.scores["task"].map(_metric)]
    small = headline[headline["value"].isna() | (headline["smallest_class"] < SMALLEST_CLASS)]
    for (column, fit), rows in small.groupby(["column", "fit"], sort=False):
        folds = ", ".join(map(str, sorted(rows["fold"])))
        yield f"warning, {run.name}, {fit.replace('_', '-')} fit: {column} leaves out the folds {folds}, n too small"


def _of_images(run: Evaluation) -> Iterable[str]:
    for task, rows in run.predictions.groupby("task"):
        if task in BY_NAME and BY_NAME[task].unit == "image" and (rows["unit"] == rows["patient"]).all():
            yield task
