"""What a reader must know below a table, and what warns him; the words are made from flags and facts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pathfm.report.evaluations import HEADLINE, Evaluation
from pathfm.report.words import ARROWS, DAGGER, DOUBLE_DAGGER
from pathfm.tasks.fits import FITS, Fit


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
    for base, all_tuned in pairs:
        for one in (base, *all_tuned):
            yield from _of_run(one, base)
    if any(cell.one_sided for row in rows for cell in row.cells):
        yield Note(
            f"{DAGGER}: a gain (interval above 0) in one of the two fits only, and the interval of the fits' difference leaves 0 out"
        )
    if any(cell.unconverged for row in rows for cell in row.cells):
        yield Note(f"{DOUBLE_DAGGER}: a probe of that score did not converge, so the score is not that of its optimum")
    for one in evaluations:
        if one.about.get("seen_patients_allowed"):
            yield Note(f"{one.name}: patients that the encoder was trained on were allowed among those scored", "warning")
        if not one.about.get("seen_patients_known", True):
            yield Note(
                f"{one.name}: its features were brought; whether their encoder has seen patients who are scored is not known", "warning"
            )
        yield from _of_parts(one, columns)
        for fit, probe, setting, names in at_the_edge(one):
            what = f"a probe's {setting} was chosen at the edge of the grid"
            yield Note(f"{one.name}, {fit.label}{probe}: {what}: {', '.join(names)}", "warning")
        for fit, probe, names in unconverged(one):
            yield Note(f"{one.name}, {fit.label}{probe}: a probe did not converge: {', '.join(names)}", "warning")
        if one.scores.loc[one.scores["headline"], "unconverged"].isna().any():
            yield Note(f"{one.name}: an earlier version of pathfm evaluated it and did not write down whether probes converged")


def _units(rows: Sequence[Any], columns: dict[str, str]) -> Iterator[Note]:
    """What was counted as independent in each column: the same for all rows of a fit, said once where both fits agree."""
    said: dict[str, list[str]] = {}
    for number, column in enumerate(columns.values()):
        units = dict.fromkeys(row.cells[number].unit for row in rows if row.cells[number].unit)
        if units:
            said.setdefault("; or ".join(units), []).append(column)
    for unit, names in said.items():
        yield Note(f"unit of the intervals of {', '.join(names)}: {unit}")


def _of_run(one: Evaluation, base: Evaluation) -> Iterator[Note]:
    if len(one.folds) > 1:
        folds = ", ".join(map(str, one.folds))
        yield Note(f"{one.name} stands for the folds {folds}: their patients together, for expression r of each fold joined by Fisher z")
        yield from _small_folds(one)
        if unmoved := [fold.folds[0] for fold in one.by_fold if fold.unmoved]:
            yield Note(f"{one.name}: its weights are those of its base in the folds {', '.join(map(str, unmoved))}", "warning")
    elif one.unmoved:
        yield Note(f"{one.name}: no step of its training was better than the start; its weights are those of its base", "warning")
    if one is not base and one.folds != base.folds:
        yield Note(f"{one.name}: its difference is to the base on the same folds, and the base's own row is over more", "warning")
    if one is not base and one.pooling != base.pooling:
        yield Note(f"{one.name}: a patient's feature is {_POOLED[one.pooling]}, that of its base {_POOLED[base.pooling]}")


def _of_parts(one: Evaluation, columns: dict[str, str]) -> Iterator[Note]:
    """Benchmarks of which only a part was scored."""
    for task, about in one.about.get("benchmarks", {}).items():
        if about["lacking"]:
            yield Note(f"{one.name}: only a part of {columns[task]} was there ({about['lacking']})", "warning")
        if count := about["images_left_out"]:
            yield Note(f"{one.name}: {count:,} images of {columns[task]} are left out, their patients train or validate in the fold")


_POOLED = {"mean": "the mean over the tiles", "attention": "what the run's own trained attention makes of all the tiles"}


def at_the_edge(run: Evaluation) -> Iterator[tuple[Fit, str, str, list[str]]]:
    """(fit, " of" a further probe, setting, columns) of probes whose setting was chosen at an end of the grid."""
    yield from _flagged(run, "edge", ["setting"])


def unconverged(run: Evaluation) -> Iterator[tuple[Fit, str, list[str]]]:
    """(fit, " of" a further probe, columns) of probes that did not converge."""
    yield from _flagged(run, "unconverged")


def _flagged(run: Evaluation, flag: str, further: Sequence[str] = ()) -> Iterator[tuple]:
    for block in run.blocks:
        scores = run.block(block).scores
        rows = scores[scores[flag].fillna(0) > 0]
        for (fit, *others), names in rows.groupby(["fit", *further])["column"]:
            yield FITS[fit], f" of {block}" if block != HEADLINE else "", *others, list(dict.fromkeys(names))


def _small_folds(run: Evaluation) -> Iterator[Note]:
    """Which folds a cell leaves out, since they were too small to be fitted and left no predictions."""
    block = run.block(HEADLINE)
    headline = block.scores[block.scores["headline"]]
    predicted = set(block.predictions[["task", "fit", "fold"]].itertuples(index=False, name=None))
    there = [key in predicted for key in headline[["task", "fit", "fold"]].itertuples(index=False, name=None)]
    small = headline[(headline["value"].isna() | headline["too_small"]) & ~np.array(there, bool)]
    for (column, fit), rows in small.groupby(["column", "fit"], sort=False):
        folds = ", ".join(map(str, sorted(rows["fold"])))
        yield Note(f"{run.name}, {FITS[fit].label}: {column} leaves out the folds {folds}, n too small", "warning")
