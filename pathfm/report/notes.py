"""What a reader must know below a table, and what warns him; the words are made from flags and facts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pathfm.modalities.pathways import MEAN_Z, asks_for_pathways
from pathfm.report.evaluations import HEADLINE, Evaluation
from pathfm.report.trainings import Group, Trainings, apart, partly
from pathfm.report.warnings import warnings_of
from pathfm.report.words import ARROWS, DAGGER, DOUBLE_DAGGER, FLOOR, MEAN, too_few_hospitals
from pathfm.statistics.scores import large_classes
from pathfm.tasks.fits import FITS, HELD_OUT


@dataclass(frozen=True)
class Note:
    """A line below a table: how it is to be read, or a warning."""

    text: str
    kind: Literal["smoke", "reading", "warning"] = "reading"

    def __str__(self) -> str:
        return {"smoke": "SMOKE: ", "warning": "warning, "}.get(self.kind, "") + self.text


def notes_of(
    evaluations: Sequence[Evaluation],
    pairs: Sequence[tuple[Evaluation, list[Evaluation]]],
    groups: Sequence[Group],
    rows: Sequence[Any],
    columns: dict[str, str],
) -> Iterator[Note]:
    """The notes of a table of these `rows`; `columns` is task to column."""
    if any(one.smoke for one in evaluations):
        yield Note("these scores only show that the commands work; they mean nothing", "smoke")
    yield Note(
        "balanced accuracy in %, expression as mean Pearson r in % within cancer type, beside it raw, and within site and cancer type; "
        "brackets: 95 % intervals, each by itself"
    )
    yield from _units(rows, columns)
    if any(row.kind == "delta" for row in rows):
        yield Note("mean Δ is over the tasks that have a difference in that row, without the further measures of expression")
        yield Note(
            f"{ARROWS['up']}, {ARROWS['down']}: a difference that leaves 0 out together with all other tasks of its row (band of 95 % "
            "over the family); an interval may leave 0 out by itself without one"
        )
    yield from _pathways(evaluations)
    yield from _trainings(groups)
    for base, all_tuned in pairs:
        for one in (base, *all_tuned):
            yield from _of_run(one, base)
    if any(cell.one_sided for row in rows for cell in row.cells):
        yield Note(
            f"{DAGGER}: a gain (interval above 0) in one of the two fits only, and the interval of the fits' difference leaves 0 out"
        )
    if any(cell.unconverged for row in rows for cell in row.cells):
        yield Note(f"{DOUBLE_DAGGER}: a probe of that score did not converge, so the score is not that of its optimum")
    if any(cell.at_floor for row in rows for cell in row.cells):
        yield Note(f"{FLOOR}: a base's score that is not shown to lie above what random weights, or colour alone, reach")
    yield from dict.fromkeys(note for base, all_tuned in pairs for one in (base, *all_tuned) for note in _left_out(one))
    yield from _pretrained(evaluations)
    for warning in warnings_of(evaluations, pairs):
        yield Note(warning, "warning")
    for what, found in (
        ("trainings of one recipe that are rows of their own", list(apart(groups))),
        ("not every training of the row was evaluated on a task, which it goes without", list(partly(groups))),
    ):
        if found:
            yield Note(f"{what}: {', '.join(found)}", "warning")
    for one in evaluations:
        yield from _of_parts(one, columns)
        if one.scores.loc[one.scores["headline"], "unconverged"].isna().any():
            yield Note(f"{one.name}: an earlier version of pathfm evaluated it and did not write down whether probes converged")


def _units(rows: Sequence[Any], columns: dict[str, str]) -> Iterator[Note]:
    """What was counted as independent in each column: the same for all rows of a fit, said once where both fits agree."""
    said: dict[str, list[str]] = {}
    for number, column in enumerate(columns.values()):
        units = dict.fromkeys(row.cells[number].unit for row in rows if row.cells[number].unit)
        if units and column != MEAN:
            said.setdefault("; or ".join(units), []).append(column)
    for unit, names in said.items():
        yield Note(f"unit of the intervals of {', '.join(names)}: {unit}")


def _pathways(evaluations: Sequence[Evaluation]) -> Iterator[Note]:
    """That expression is of gene sets and not of genes, where it is."""
    choices = dict.fromkeys(choice for one in evaluations if asks_for_pathways(choice := one.about.get("panel_choice") or ""))
    for choice in choices:
        how = "the mean z-score of its genes" if choice.startswith(f"{MEAN_Z}:") else "its ssGSEA"
        yield Note(f"expression of {choice} is that of gene sets, each {how}: where a gene is named, it is a set")


def _trainings(groups: Sequence[Group]) -> Iterator[Note]:
    """Which rows are means over trainings, and of which rows the spread between trainings is not known."""
    rows = [row for group in groups for row in (group.base, *group.tuned) if row.first.trained]
    for row in rows:
        if len(row.each) > 1:
            spread = f"its intervals hold patients and {row.number} trainings" if row.number > 1 else _ONE
            yield Note(f"the mean over {len(row.each)} trainings of one recipe, {row.names}: {spread}")
    for group in groups:
        for row in group.tuned:
            yield from _of_other_bases(group.base, row)
    if single := [row.names for row in rows if len(row.each) == 1]:
        yield Note(f"{_ONE}: {', '.join(single)}")


def _of_other_bases(base: Trainings, row: Trainings) -> Iterator[Note]:
    if len({id(one) for one in row.bases}) < len(base.each):
        own = ", ".join(dict.fromkeys(one.name for one in row.bases))
        yield Note(f"{row.names}: the difference is to what it was tuned from, {own}; the base's own row is over {base.names}")


_ONE = "one training: the spread between trainings is not in the interval"


def _of_run(one: Evaluation, base: Evaluation) -> Iterator[Note]:
    if len(one.folds) > 1:
        folds = ", ".join(map(str, one.folds))
        yield Note(f"{one.name} stands for the folds {folds}: their patients together, for expression r of each fold joined by Fisher z")
    if one is not base and one.pooling != base.pooling:
        yield Note(f"{one.name}: a patient's feature is {_POOLED[one.pooling]}, that of its base {_POOLED[base.pooling]}")


def _of_parts(one: Evaluation, columns: dict[str, str]) -> Iterator[Note]:
    """Benchmarks of which images were left out."""
    for task, about in one.about.get("benchmarks", {}).items():
        if count := about["images_left_out"]:
            yield Note(f"{one.name}: {count:,} images of {columns[task]} are left out, their patients train or validate in the fold")


_POOLED = {"mean": "the mean over the tiles"} | {
    name: f"what the run's own trained {name} makes of all the tiles" for name in ("attention", "transformer")
}


def _pretrained(evaluations: Sequence[Evaluation]) -> Iterator[Note]:
    """Which public cohorts the encoders saw before any tuning here: a cohort of patients whom they saw is not a new one to them."""
    said: dict[tuple[str, ...] | None, list[str]] = {}
    for one in evaluations:
        if one.base is not None:  # it saw what its base saw
            continue
        cohorts = one.card.get("pretrained_on")
        said.setdefault(None if cohorts is None else tuple(cohorts), []).append(one.name)
    for cohorts, names in said.items():
        if cohorts:
            where = f"slides of {', '.join(cohorts)}, as its publisher says"
            yield Note(f"pre-trained on {where}, so that scores of patients of these cohorts may be too high: {', '.join(names)}")
        elif cohorts is None:
            yield Note(f"which public cohorts it was pre-trained on is not known here: {', '.join(names)}")


def _left_out(run: Evaluation) -> Iterator[Note]:
    """Which hospitals and classes have no part in a number: facts of the cohort, the same for base and tuned."""
    block = run.block(HEADLINE)
    scores = block.scores[block.scores["headline"]]
    for sites, rows in scores[(scores["sites"] > 0) & (scores["parts"] == 0) & ~scores["too_small"]].groupby("sites"):
        names = ", ".join(dict.fromkeys(rows["column"]))
        yield Note(f"{HELD_OUT.label}: no number for {names}, since {too_few_hospitals(int(sites))}")
    for (task, column, fit), rows in scores.groupby(["task", "column", "fit"], sort=False):
        named = {re.sub(r" \(\d+\)$", "", entry) for classes in rows["left_out"] if classes for entry in classes.split("; ")}
        predicted = block.predictions[(block.predictions["task"] == task) & (block.predictions["fit"] == fit)]
        truth, patients = (predicted[name].to_numpy(object).astype(str) for name in ("truth", "patient"))
        large = set(large_classes(truth, patients, np.unique(truth)))
        without = sorted((named | set(truth)) - large)
        if without and len(large) > 1:
            yield Note(f"{FITS[fit].label}: {column} goes without classes of too few scored patients or hospitals: {', '.join(without)}")
