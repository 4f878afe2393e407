"""The panel beside the table: how far the hospital is read, what it or the cancer type alone would reach, and image ↔ expression."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pathfm.report.evaluations import Evaluation
from pathfm.report.figures import Named
from pathfm.report.robustness import clustering, likeness
from pathfm.report.words import MISSING, number
from pathfm.statistics.retrieval import MEASURES
from pathfm.tasks.confounds import ALONE
from pathfm.tasks.registry import BESIDE

CONFOUNDS, RETRIEVAL = (task.name for task in BESIDE)
HOSPITAL = {
    "hospital read": ("site/balanced_accuracy", "site/chance"),
    "hospital read, from cancer type alone": ("site/from_cancer_type", None),
    "hospital read within cancer type": ("within_cancer/site/balanced_accuracy", "within_cancer/site/chance"),
}
CHANGES = ("hospital read", "hospital read within cancer type")
KNOWN = {"split": "from training patients", "held_out": "from other test patients"}  # fit: whom the guess without an image is from
NEIGHBOURS = "neighbours_accuracy@"
DIRECTIONS = {"image_to": "image → vector", "to_image": "vector → image"}


def beside(pairs: Sequence[tuple[Evaluation, list[Evaluation]]], runs: dict[int, Named]) -> list[dict]:
    """The tables that have a row, for the template: title, caption, first column, columns, and rows of a name and texts."""
    everyone = list(runs.values())
    tables = [_hospitals(everyone), _hospital_changes(pairs, runs), _alone(everyone), _likeness(pairs, runs), _retrieval(everyone)]
    return [table for table in tables if table["rows"]]


def _hospitals(runs: Sequence[Named]) -> dict:
    rows, found = [], [(run, _means(run.evaluation, CONFOUNDS)) for run in runs]
    k = _neighbours([values for run, values in found if not run.evaluation.floor])
    for run, values in found:
        score = clustering(run.evaluation)
        if len(values) or score is not None:
            index = _beside(values, f"robustness_index@{k}", "robustness_index/chance", _number)
            texts = [_beside(values, *names) for names in HOSPITAL.values()]
            rows.append({"name": run.name, "values": [*texts, index, _drop(values), _number(score)]})
    return {
        "title": "What the features say of the hospital",
        "caption": "Test patients alone; chance in brackets. A fresh probe is fitted on some patients of each hospital and asked about "
        "its others, by balanced accuracy. PathoROB’s measures: the robustness index is near 1 where neighbours share the cancer type, "
        "near 0 where they share the hospital; the performance drop is what share of its accuracy a probe loses as its training patients’ "
        "cancer type goes with their hospital, its 95 % interval that of drawing such sets, and behind it the accuracy before, of which ½ "
        "is chance and leaves nothing to lose; the clustering score is from −1 (hospitals) to 1 (types).",
        "first": "run",
        "columns": [*HOSPITAL, "robustness index" + (f", k = {k}" if k else ""), "performance drop, %", "clustering score"],
        "rows": rows,
    }


def _hospital_changes(pairs: Sequence[tuple[Evaluation, list[Evaluation]]], runs: dict[int, Named]) -> dict:
    rows = []
    for base, tuned in pairs:
        for one in tuned:
            before, after = (_means(run, CONFOUNDS) for run in (base.of_folds(one.folds), one))
            texts = [_change(before, after, *HOSPITAL[name]) for name in CHANGES]
            if any(text != MISSING for text in texts):
                rows.append({"name": runs[id(one)].name, "values": texts})
    return {
        "title": "The hospital, before and after tuning",
        "caption": "How well a fresh probe reads the hospital of test patients, in %, from the base’s features and of the run tuned "
        "from it; chance in brackets. Within cancer type a hospital is not told by which tumours it treats. There is no interval: a change "
        "of a few points is no change.",
        "first": "run",
        "columns": list(CHANGES),
        "rows": rows,
    }


def _change(before: pd.Series, after: pd.Series, name: str, chance: str) -> str:
    if name not in before or name not in after:
        return MISSING
    return f"{_share(before[name])} → {_share(after[name])} ({_share(after[chance])})"


def _alone(runs: Sequence[Named]) -> dict:
    """The baselines are of labels alone and so the same for all runs: the first run that has one of a task and fit gives it."""
    found: dict[tuple[str, str], dict] = {}
    for run in runs:
        scores = run.evaluation.scores
        for (task, column, fit), rows in scores.groupby(["task", "column", "fit"], sort=False):
            values = rows.groupby("metric")["value"].mean()
            there = [values.get(f"{name}/balanced_accuracy", np.nan) for name in ALONE]
            if task != CONFOUNDS and not np.isnan(there).all() and rows["headline"].any():
                found.setdefault((task, fit), {"name": f"{column}, {KNOWN[fit]}", "values": [_share(value) for value in there]})
    return {
        "title": "What needs no image",
        "caption": "Balanced accuracy in % of the most common class of a patient’s cancer type, or of a patient’s hospital, as known from "
        "the training patients or from other test patients. A hospital that no known patient is of tells nothing and counts as chance. "
        "Where a split keeps hospitals whole, neither fit of the table can gain by the hospital alone, and the last column says what "
        "there would be to gain.",
        "first": "task",
        "columns": ["cancer type alone", "hospital alone"],
        "rows": list(found.values()),
    }


def _likeness(pairs: Sequence[tuple[Evaluation, list[Evaluation]]], runs: dict[int, Named]) -> dict:
    rows = []
    for base, tuned in pairs:
        for one in tuned:
            alike = likeness(base, one)
            if alike is not None:
                cka, overlap, chance = alike
                rows.append({"name": runs[id(one)].name, "values": [_number(cka), f"{_number(overlap)} ({_number(chance)})"]})
    return {
        "title": "How far tuning has moved the features",
        "caption": "Features of the same test patients by base and tuned encoder: linear CKA, unbiased (1: alike up to rotation and scale, "
        "0: unrelated), and the share of a patient’s ten nearest neighbours that are the same, chance in brackets.",
        "first": "run",
        "columns": ["CKA with the base", "neighbours in common"],
        "rows": rows,
    }


def _retrieval(runs: Sequence[Named]) -> dict:
    rows = [row for run in runs for row in _retrieval_of(run)]
    return {
        "title": "Image ↔ vector",
        "caption": "How often a test patient’s own expression (or other vector) is among the 1, 5 or 10 nearest to the image of all test "
        "patients’, and the other way round, and its median rank; ties count as in a random order; chance in brackets.",
        "first": "run",
        "columns": [name.replace("_", " ") for name in MEASURES],
        "rows": rows,
    }


def _retrieval_of(run: Named) -> Iterator[dict]:
    scores = run.evaluation.scores[run.evaluation.scores["task"] == RETRIEVAL]
    for space, rows in scores.groupby("column", sort=False):
        values = rows.groupby("metric")["value"].mean()
        for prefix, where in (("", ""), ("within_cancer/", ", within cancer type")):
            for direction, words in DIRECTIONS.items():
                start = f"{prefix}{direction}/"
                if not np.isnan(values.get(f"{start}{MEASURES[0]}", np.nan)):
                    of_space = f" ({space})" if scores["column"].nunique() > 1 else ""
                    texts = [_beside(values, f"{start}{name}", f"{start}chance/{name}", _retrieved(name)) for name in MEASURES]
                    yield {"name": f"{run.name}{of_space}, {words}{where}", "values": texts}


def _retrieved(measure: str):
    return _share if measure.startswith("recall") else "{:,.1f}".format


def _neighbours(found: Sequence[pd.Series]) -> int | None:
    """At how many neighbours the runs are compared: as PathoROB the median over encoders of the number that tells cancer types best."""
    best = []
    for values in found:
        accuracies = values[values.index.str.startswith(NEIGHBOURS)]
        if len(accuracies):
            counts = accuracies.index.str.removeprefix(NEIGHBOURS).astype(int)
            best.append(int(counts[(accuracies == accuracies.max()).to_numpy()].min()))
    return sorted(best)[(len(best) - 1) // 2] if best else None


def _means(evaluation: Evaluation, task: str) -> pd.Series:
    """By metric, the mean over folds."""
    return evaluation.scores[evaluation.scores["task"] == task].groupby("metric")["value"].mean().dropna()


def _beside(values: pd.Series, name: str, chance: str | None, written=None) -> str:
    """A value, and in brackets what chance gives."""
    if name not in values:
        return MISSING
    written = written or _share
    return written(values[name]) + (f" ({written(values[chance])})" if chance else "")


def _drop(values: pd.Series) -> str:
    if "performance_drop" not in values:
        return MISSING
    value, low, high = (number(100 * values[f"performance_drop{end}"], True) for end in ("", "/low", "/high"))
    return f"{value} [{low}, {high}] of {_share(values['performance_drop/accuracy'])}"


def _share(value: float) -> str:
    return MISSING if np.isnan(value) else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return MISSING if value is None or np.isnan(value) else f"{value:.2f}".replace("-", "−")
