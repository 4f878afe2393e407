"""What a reader must know below a table, and what warns him; the words are made from flags and facts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pathfm.report.evaluations import HEADLINE, Evaluation
from pathfm.report.words import DAGGER, DOUBLE_DAGGER, too_few_hospitals
from pathfm.statistics.bootstrap import Draws
from pathfm.tasks.fits import FITS, HELD_OUT, Fit
from pathfm.tasks.registry import BY_NAME


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
    draws: Draws,
) -> Iterator[Note]:
    """The notes of a table of these `rows`; `columns` is task to column."""
    if any(one.smoke for one in evaluations):
        yield Note("these scores only show that the commands work; they mean nothing", "smoke")
    yield Note(
        "balanced accuracy in %, expression as mean Pearson r in %; brackets: 95 % percentile intervals of "
        f"{draws.count:,} paired bootstrap draws over patients, stratified by class"
    )
    if any(row.kind == "delta" for row in rows):
        yield Note("mean Δ is over the tasks that have a difference in that row")
    for base, all_tuned in pairs:
        for one in (base, *all_tuned):
            yield from _of_run(one, base)
    if any(cell.one_sided for row in rows for cell in row.cells):
        yield Note(f"{DAGGER}: a gain (interval above 0) in one of the two fits only")
    if any(cell.unconverged for row in rows for cell in row.cells):
        yield Note(f"{DOUBLE_DAGGER}: a probe of that score did not converge, so the score is not that of its optimum")
    images = sorted({task for one in evaluations for task in _of_images(one)}, key=list(columns).index)
    if images:
        yield Note(f"unit of the bootstrap is the image, since patients are not known: {', '.join(columns[task] for task in images)}")
    yield from _left_out(evaluations)
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


def _of_run(one: Evaluation, base: Evaluation) -> Iterator[Note]:
    if len(one.folds) > 1:
        folds = ", ".join(map(str, one.folds))
        yield Note(f"{one.name} stands for the folds {folds}: their mean, for expression by Fisher z of each gene")
        yield from _small_folds(one)
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
    """Which folds a cell leaves out because a class of theirs has too few units."""
    scores = run.block(HEADLINE).scores
    headline = scores[scores["headline"]]
    small = headline[headline["value"].isna() | headline["too_small"]]
    for (column, fit), rows in small.groupby(["column", "fit"], sort=False):
        folds = ", ".join(map(str, sorted(rows["fold"])))
        yield Note(f"{run.name}, {FITS[fit].label}: {column} leaves out the folds {folds}, n too small", "warning")


def _left_out(evaluations: Sequence[Evaluation]) -> Iterator[Note]:
    """Which classes and hospitals have no part in a number: facts of the cohort, the same for base and tuned."""
    scores = pd.concat([one.scores[one.scores["headline"]] for one in evaluations])
    unfitted = (scores["sites"] > 0) & (scores["parts"] == 0) & ~scores["too_small"]
    for sites, rows in scores[unfitted].groupby("sites"):
        names = ", ".join(dict.fromkeys(rows["column"]))
        yield Note(f"{HELD_OUT.label}: no number for {names}, since {too_few_hospitals(int(sites))}")
    for (column, fit), rows in scores[scores["left_out"] != ""].groupby(["column", "fit"], sort=False):
        for classes in dict.fromkeys(rows["left_out"]):
            yield Note(f"{FITS[fit].label}: {column} goes without classes of too few scored patients or hospitals: {classes}")


def _of_images(run: Evaluation) -> Iterable[str]:
    for task, rows in run.predictions.groupby("task"):
        if task in BY_NAME and BY_NAME[task].source == "benchmark" and (rows["unit"] == rows["patient"]).all():
            yield task
