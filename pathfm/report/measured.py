"""Results of one encoder on its tasks, as estimates that know what each site, patient or image has to do with them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.files import digest
from pathfm.report.cells import Cell
from pathfm.report.evaluations import Evaluation
from pathfm.report.units import units_of
from pathfm.statistics import intervals
from pathfm.statistics.accuracy import accuracy_estimate
from pathfm.statistics.correlation import combined_names, within_types
from pathfm.statistics.estimate import Estimate, mean_of
from pathfm.statistics.expression import correlation_estimate
from pathfm.statistics.scores import SMALLEST_CLASS, large_classes, smallest_class
from pathfm.tasks.expression import HEADLINE as WITHIN_CANCER
from pathfm.tasks.expression import METRIC as MEAN_PEARSON

EXPRESSION = "expression"
RAW, WITHIN_SITE = "expression_raw", "expression_within_site"
BESIDE = {RAW: "expression, raw", WITHIN_SITE: "expression, within site"}
"""Further measures of expression beside the headline, which is r within cancer type: name and column."""

Key = tuple[str, str]  # task (or further measure) and fit


@dataclass(frozen=True)
class Measured:
    """A score, or a difference of two, as shares; without an estimate perhaps why there is none."""

    estimate: Estimate | None = None
    interval: Callable[[Estimate], tuple] = intervals.of_difference  # for this kind of value
    units: tuple[str, ...] = ()  # "site", "patient", "image": what is counted as independent
    patients: int = 0  # or images, that were scored
    few: int | None = None
    unconverged: bool = False
    predicted: str = ""  # the same for the same predictions
    unchanged: bool = False  # a difference of the same predictions

    @property
    def there(self) -> bool:
        return self.estimate is not None

    def cell(self) -> Cell:
        if self.estimate is None:
            return Cell(few=self.few)
        low, high = self.interval(self.estimate)
        ends = (100 * float(one) for one in (self.estimate.value, low, high))
        kinds = " or ".join(f"{kind}s" for kind in self.units)
        unit = f"{len(self.estimate.units):,} {kinds}, worth {float(self.estimate.effective):,.1f} equal ones"
        return Cell(*ends, unchanged=self.unchanged, unconverged=self.unconverged, unit=unit)

    def minus(self, base: "Measured") -> "Measured":
        if self.estimate is None or base.estimate is None:
            return Measured(few=next((one.few for one in (base, self) if one.few is not None), None))
        return replace(
            self,
            estimate=self.estimate.minus(base.estimate),
            interval=intervals.of_difference,
            unconverged=self.unconverged or base.unconverged,
            unchanged=self.predicted == base.predicted,
        )


def mean_difference(differences: list[Measured]) -> Measured:
    """The mean over the tasks present."""
    there = [one for one in differences if one.there]
    if not there:
        return Measured()
    kinds = tuple(dict.fromkeys(kind for one in there for kind in one.units))
    unconverged, unchanged = any(one.unconverged for one in there), all(one.unchanged for one in there)
    return Measured(mean_of([one.estimate for one in there]), units=kinds, unconverged=unconverged, unchanged=unchanged)


def measure(block: Evaluation, sites: Mapping[str, str]) -> dict[Key, Measured]:
    """By task and fit; a task whose rarest class has too few units over all folds has no estimate."""
    measured: dict[Key, Measured] = {}
    for (task, fit), rows in block.scores[block.scores["headline"]].groupby(["task", "fit"]):
        unconverged = bool((rows["unconverged"].fillna(0) > 0).any())
        if rows["metric"].isin([WITHIN_CANCER, MEAN_PEARSON]).all():  # the second in what earlier versions wrote
            found = _expression(block, fit, rows, sites)
        else:
            found = {task: _classes(block, task, fit, rows, sites)}
        for name, one in found.items():
            measured[name, fit] = replace(one, unconverged=unconverged) if one.there else one
    return measured


def _classes(block: Evaluation, task: str, fit: str, scores: pd.DataFrame, sites: Mapping[str, str]) -> Measured:
    """Balanced accuracy of the predictions of all folds together, over the classes with enough units in them.

    A class's recall is over all its patients, whichever fold tested them, so a fold weighs in a class by its share of that class.
    """
    rows = block.predictions[(block.predictions["task"] == task) & (block.predictions["fit"] == fit)]
    if rows.empty and scores["value"].notna().any():
        raise InputError(f"{block.files.predictions} lacks predictions of the task {task}; evaluate again")
    if rows.empty:
        return Measured(few=int(scores["smallest_class"].min()) if scores["too_small"].any() else None)
    rows = rows.sort_values(["fold", "unit", "truth"], kind="stable")
    truth, prediction, patients = (rows[column].to_numpy(object).astype(str) for column in ("truth", "prediction", "patient"))
    classes = np.unique(truth)
    large = large_classes(truth, patients, classes)
    if len(large) < 2:
        return Measured(few=smallest_class(truth, patients, classes) if len(classes) > 1 else 0)
    kept = np.isin(truth, large)
    rows, truth, prediction, patients = rows[kept], truth[kept], prediction[kept], patients[kept]
    units = units_of(task, rows, sites)
    right = rows["right"].to_numpy(float)
    estimate = accuracy_estimate(truth, right, units.names)
    predicted = digest([prediction.tolist(), right.tolist()])
    return Measured(estimate, intervals.of_share, units.kinds, len(np.unique(patients)), predicted=predicted)


def _expression(block: Evaluation, fit: str, scores: pd.DataFrame, sites: Mapping[str, str]) -> dict[str, Measured]:
    """Mean r over genes within cancer type (the headline), raw, and within site and cancer type; folds and types joined by Fisher z."""
    raw = block.scores[(block.scores["task"] == EXPRESSION) & (block.scores["fit"] == fit) & (block.scores["metric"] == MEAN_PEARSON)]
    folds = raw.loc[raw["value"].notna() & ~raw["too_small"], "fold"].tolist()
    names = EXPRESSION, RAW, WITHIN_SITE
    if not folds:
        return dict.fromkeys(names, Measured(few=int(scores["smallest_class"].min()) if scores["too_small"].any() else None))
    if block.expression is None:
        raise InputError(f"{block.files.expression} is missing; evaluate again")
    rows = ((block.expression.obs["fit"] == fit) & block.expression.obs["fold"].isin(folds)).to_numpy()
    obs = block.expression.obs[rows].astype(object)
    order = np.lexsort((obs["patient"].astype(str), obs["fold"].astype(int)))
    obs, prediction, truth = (
        obs.iloc[order],
        *(np.asarray(one)[rows][order] for one in (block.expression.X, block.expression.layers["truth"])),
    )
    fold, cancer, site = (obs[name].astype(str).to_numpy(object) for name in ("fold", "cancer", "site"))
    part = combined_names(fold, obs["part"])
    variants = {
        EXPRESSION: within_types(prediction, truth, cancer, part, fold, SMALLEST_CLASS),
        RAW: (prediction, truth, part),
        WITHIN_SITE: _within_sites(prediction, truth, cancer, site, part, fold),
    }
    units, count = units_of(EXPRESSION, obs, sites), len(np.unique(obs["patient"].astype(str)))
    found = {}
    for name, (guess, true, groups) in variants.items():
        estimate = correlation_estimate(guess, true, groups, units.names)
        predicted = hashlib.sha256(np.ascontiguousarray(guess)).hexdigest()
        one = Measured(estimate, intervals.of_correlation, units.kinds, count, predicted=predicted)
        found[name] = Measured() if np.isnan(estimate.value) else one
    return found


def _within_sites(prediction, truth, cancer, site, part, fold) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As within cancer types, after the mean of each site's patients of a type is taken away too."""
    types = combined_names(site, cancer)
    inside = [within_types(prediction, truth, types, part, fold, SMALLEST_CLASS)[side] for side in (0, 1)]
    return within_types(*inside, cancer, part, fold, SMALLEST_CLASS)
