"""What warns a reader of a table: one line a kind with the runs and tasks that it concerns, the important kinds first."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from pathfm.report.evaluations import HEADLINE, Evaluation
from pathfm.tasks.fits import FITS

Pairs = Sequence[tuple[Evaluation, list[Evaluation]]]


def warnings_of(evaluations: Sequence[Evaluation], pairs: Pairs) -> list[str]:
    """A sentence for each kind of warning that concerns any of the evaluations; `pairs` are those of the table, joined over folds."""
    seen = [one.name for one in evaluations if one.about.get("seen_patients_allowed")]
    brought = [one.name for one in evaluations if not one.about.get("seen_patients_known", True)]
    joined = [one for base, all_tuned in pairs for one in (base, *all_tuned)]
    kinds = {
        "patients that the encoder was trained on were allowed among those scored, so scores may be too high": seen,
        "features were brought, and whether their encoder has seen patients who are scored is not known": brought,
        "no step of training was better than its start, so that the weights are the base's": _where(joined, _unmoved),
        "a probe did not converge": _where(evaluations, lambda one: _flagged(one, "unconverged")),
        "a benchmark was not there as published, so that its score cannot be laid beside published ones": _where(evaluations, _parts),
        "runs saw other images or labels of a benchmark, whose scores cannot be laid beside one another": _unlike(evaluations),
        "the difference is to the base on the same folds, and the base's own row is over more": [
            one.name for base, all_tuned in pairs for one in all_tuned if one.folds != base.folds
        ],
        "folds are left out, n too small": _where(joined, _small_folds),
        "a probe's setting was chosen at the edge of the grid, where the score still rises": _where(
            evaluations, lambda one: _flagged(one, "edge")
        ),
    }
    return [f"{kind}: {', '.join(runs)}" for kind, runs in kinds.items() if runs]


def _where(runs: Iterable[Evaluation], found: Callable[[Evaluation], Iterable[str]]) -> list[str]:
    """`RUN and RUN (what is found of them, …)` of the runs of which something is; the bare names where that is an empty text."""
    names: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        facts = tuple(found(run))
        if facts and run.name not in names.setdefault(facts, []):
            names[facts].append(run.name)
    return [f"{' and '.join(who)} ({'; '.join(filter(None, facts))})" if any(facts) else ", ".join(who) for facts, who in names.items()]


def _unmoved(run: Evaluation) -> Iterator[str]:
    """The folds whose tuned weights are those that they were tuned from; an empty text of a run of one fold."""
    for one in run.by_fold or (run,):
        if one.unmoved:
            yield f"fold {one.folds[0]}" if run.by_fold else ""


def _parts(run: Evaluation) -> Iterator[str]:
    """`COLUMN: what it lacks` of each benchmark that is not whole."""
    columns = dict(zip(run.scores["task"], run.scores["column"], strict=True))
    for task, about in run.about.get("benchmarks", {}).items():
        if about["lacking"]:
            yield f"{columns.get(task, task)}: {about['lacking']}"


def _unlike(runs: Sequence[Evaluation]) -> list[str]:
    """`COLUMN (RUN, RUN; RUN)` of each benchmark of which not all runs saw the same data, those that did before a semicolon."""
    found: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        columns = dict(zip(run.scores["task"], run.scores["column"], strict=True))
        for task, about in run.about.get("benchmarks", {}).items():
            if about.get("digest"):
                found.setdefault(columns.get(task, task), {}).setdefault(about["digest"], []).append(run.name)
    groups = {column: [", ".join(dict.fromkeys(names)) for names in alike.values()] for column, alike in found.items() if len(alike) > 1}
    return [f"{column} ({'; '.join(alike)})" for column, alike in groups.items()]


def _flagged(run: Evaluation, flag: str) -> Iterator[str]:
    """`FIT: COLUMN, COLUMN`, for each fit of the headline and of further probes that has the flag."""
    for block in run.blocks:
        scores = run.block(block).scores
        rows = scores[scores[flag].fillna(0) > 0]
        for fit, columns in rows.groupby("fit")["column"]:
            of_probe = f" of {block}" if block != HEADLINE else ""
            yield f"{FITS[fit].label}{of_probe}: {', '.join(dict.fromkeys(columns))}"


def _small_folds(run: Evaluation) -> Iterator[str]:
    """Of several folds those that a cell leaves out, since they were too small to be fitted or scored."""
    if not run.by_fold:
        return
    block = run.block(HEADLINE)
    headline = block.scores[block.scores["headline"]]
    predicted = set(block.predictions[["task", "fit", "fold"]].itertuples(index=False, name=None))
    there = [key in predicted for key in headline[["task", "fit", "fold"]].itertuples(index=False, name=None)]
    small = headline[headline["too_small"] & ~np.array(there, bool)]
    for (column, fit), rows in small.groupby(["column", "fit"], sort=False):
        yield f"{FITS[fit].label}: {column} without {', '.join(map(str, sorted(rows['fold'])))}"
