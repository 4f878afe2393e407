"""Probes on frozen features: fit on one part, choose the penalty on another, score on a third; tables in, tables out."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.probes.held_out import PARTS, held_out_parts, roles_in_part, seed_of
from pathfm.probes.logistic import LogisticPath, fit_path
from pathfm.probes.strength import STRENGTHS, choose_strength, cut_validation
from pathfm.statistics.scores import SMALLEST_CLASS, auroc, balanced_accuracy, smallest_class, too_small
from pathfm.tasks.registry import Task

SCORE_COLUMNS = ["task", "column", "fit", "fold", "metric", "value", "n", "smallest_class", "strength", "note"]
FITS = ("split", "held_out")


@dataclass(frozen=True)
class Who:
    """The rows of a probe, [n] each: the unit (image or patient id), its patient (None: unknown, the unit counts as one), its role."""

    units: np.ndarray
    roles: np.ndarray  # "train", "val", "test"; without "val" a fifth of train is cut off for it
    patients: np.ndarray | None = None

    def __post_init__(self):
        object.__setattr__(self, "units", np.asarray(self.units, object))
        object.__setattr__(self, "roles", np.asarray(self.roles, object))
        object.__setattr__(self, "patients", self.units if self.patients is None else np.asarray(self.patients, object))

    def part(self, rows: np.ndarray) -> "Who":
        return Who(self.units[rows], self.roles[rows], self.patients[rows])


def probe_classification(
    task: Task,
    features: np.ndarray,
    labels: np.ndarray,
    who: Who,
    *,
    fold: int = 0,
    split_hash: str | None = None,
    class_weight: str | None = "balanced",
    resamples: int = 0,
    seed: int = 0,
    fits: tuple[str, ...] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(scores, predictions) of a classification task; features [n, d], labels [n] str, None where missing (left out).

    `fits` defaults to both for a task of the cohort and to "split" for a benchmark, which no encoder was tuned on. `resamples` further
    fits, each on patients of each class drawn with replacement, give the score's sd over training sets ("balanced_accuracy_sd").
    Raises InputError when training has a single class or nothing is left for validation.
    """
    there = np.flatnonzero([isinstance(label, str) and label != "" for label in labels])
    labels = np.asarray(labels, object)[there].astype(str)
    whole = _Problem(task, np.asarray(features, np.float32)[there], labels, who.part(there), np.unique(labels), class_weight)
    scores, predictions = [], []
    for fit in fits or (FITS if task.source == "cohort" else FITS[:1]):
        if fit == "split":
            score, prediction = whole.split(resamples, seed)
        else:
            score, prediction = whole.part(np.flatnonzero(whole.who.roles == "test")).held_out(split_hash)
        scores.append(score.assign(fit=fit))
        predictions.append(prediction.assign(fit=fit))
    score, prediction = pd.concat(scores, ignore_index=True), pd.concat(predictions, ignore_index=True)
    score = score.assign(task=task.name, column=task.column, fold=fold)[SCORE_COLUMNS]
    columns = ["task", "fit", "fold", "unit", "patient", "truth", "prediction", "probability"]
    return score, prediction.assign(task=task.name, fold=fold)[columns]


def validated(who: Who, labels: np.ndarray, seed: int) -> np.ndarray:
    """The roles; where none is "val", a fifth of the training patients of each label becomes it."""
    if (who.roles == "val").any():
        return who.roles
    roles, train = who.roles.copy(), np.flatnonzero(who.roles == "train")
    roles[train[cut_validation(labels[train], who.patients[train], seed)]] = "val"
    return roles


@dataclass(frozen=True)
class _Fit:
    """Models of one or more training sets; classes that no training row has get probability 0."""

    path: LogisticPath
    columns: np.ndarray  # of the fitted classes among all classes
    classes: np.ndarray

    def choose(self, member: int, features: np.ndarray, labels: np.ndarray) -> tuple[int, str]:
        """(strength's index, warning) by balanced accuracy on the validation rows given."""
        guesses = self.classes[self.columns[self.path.logits(features, member).argmax(axis=-1)]]
        return choose_strength(np.array([balanced_accuracy(labels, guess) for guess in guesses]))

    def probabilities(self, features: np.ndarray, member: int, strength: int) -> np.ndarray:
        """[n, classes]."""
        probabilities = np.zeros((len(features), len(self.classes)))
        probabilities[:, self.columns] = self.path.probabilities(features, member, strength)
        return probabilities


@dataclass(frozen=True)
class _Problem:
    task: Task
    features: np.ndarray
    labels: np.ndarray
    who: Who
    classes: np.ndarray
    class_weight: str | None

    def part(self, rows: np.ndarray) -> "_Problem":
        return replace(self, features=self.features[rows], labels=self.labels[rows], who=self.who.part(rows))

    def split(self, resamples: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The fit on the split's training rows, scored on its test rows."""
        roles = validated(self.who, self.labels, seed_of([self.task.name, seed]))
        weights = np.stack([roles == "train", *self._resampled(roles == "train", resamples, seed)])
        fitted = self._fit(weights, roles == "val")
        val, test = roles == "val", np.flatnonzero(roles == "test")
        chosen = [fitted.choose(member, self.features[val], self.labels[val]) for member in range(len(weights))]
        probabilities = [fitted.probabilities(self.features[test], member, index) for member, (index, _) in enumerate(chosen)]
        index, note = chosen[0]
        scored = self.part(test)
        rows = scored.scores(probabilities[0], STRENGTHS[index], note)
        if resamples and rows["value"].notna().any():
            values = [balanced_accuracy(scored.labels, self.classes[one.argmax(axis=1)]) for one in probabilities[1:]]
            note = f"over {resamples} resampled training sets"
            rows = pd.concat([rows, rows[:1].assign(metric="balanced_accuracy_sd", value=float(np.std(values)), note=note)])
        return rows, scored.predictions(probabilities[0])

    def held_out(self, split_hash: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Cross-validation among these (test) rows alone; nothing is fitted when a class is too small to be scored."""
        if self.smallest < SMALLEST_CLASS or len(self.classes) < 2:
            nothing = np.zeros((0, len(self.classes)))
            return self.scores(nothing, np.nan, ""), self.part(np.arange(0)).predictions(nothing)
        parts = held_out_parts(self.who.patients, self.labels, split_hash)
        roles = [roles_in_part(parts, part) for part in range(PARTS)]
        fitted = self._fit(np.stack([role == "train" for role in roles]), parts >= 0)
        probabilities, strengths, edges = np.empty((len(parts), len(self.classes))), [], 0
        for part, role in enumerate(roles):
            val, test = role == "val", role == "test"
            index, warning = fitted.choose(part, self.features[val], self.labels[val])
            probabilities[test] = fitted.probabilities(self.features[test], part, index)
            strengths.append(STRENGTHS[index])
            edges += bool(warning)
        note = edges_note(edges)
        return self.scores(probabilities, float(np.median(strengths)), note), self.predictions(probabilities)

    @property
    def smallest(self) -> int:
        return smallest_class(self.labels, self.who.patients.astype(str), self.classes)

    def scores(self, probabilities: np.ndarray, strength: float, note: str) -> pd.DataFrame:
        """Balanced accuracy and AUROC of these rows; NaN, with a note, when a class is too small."""
        values = {"balanced_accuracy": np.nan, "auroc": np.nan}
        if not too_small(self.smallest):
            values["balanced_accuracy"] = balanced_accuracy(self.labels, self.classes[probabilities.argmax(axis=1)])
            values["auroc"] = auroc(self.labels, probabilities, self.classes)
        note = "; ".join(filter(None, [too_small(self.smallest), note]))
        rows = [{"metric": metric, "value": value} for metric, value in values.items()]
        return pd.DataFrame(rows).assign(n=len(self.labels), smallest_class=self.smallest, strength=strength, note=note)

    def predictions(self, probabilities: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "unit": self.who.units.astype(str),
                "patient": self.who.patients.astype(str),
                "truth": self.labels,
                "prediction": self.classes[probabilities.argmax(axis=1)],
                "probability": list(probabilities),
            }
        )

    def _fit(self, weights: np.ndarray, validation: np.ndarray) -> _Fit:
        used = np.flatnonzero(weights.any(axis=0))
        present, targets = np.unique(self.labels[used], return_inverse=True)
        if len(present) < 2 or not validation.any():
            what = "fewer than two classes among its training rows" if len(present) < 2 else "no validation rows"
            raise InputError(f"the task {self.task.name} has {what}; leave it out with --config.tasks")
        balanced = self.class_weight == "balanced"
        path = fit_path(self.features[used], targets, weights[:, used], len(present), STRENGTHS, balanced)
        return _Fit(path, np.searchsorted(self.classes, present), self.classes)

    def _resampled(self, train: np.ndarray, resamples: int, seed: int) -> list[np.ndarray]:
        """Weights [n] of training sets: patients of each class drawn with replacement."""
        generator = np.random.default_rng(seed_of([self.task.name, seed, "resample"]))
        sets = []
        for _ in range(resamples):
            weights = np.zeros(len(train))
            for label in np.unique(self.labels[train]):
                members = np.flatnonzero(train & (self.labels == label))
                names, place = np.unique(self.who.patients[members].astype(str), return_inverse=True)
                drawn = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
                weights[members] = drawn[place]
            sets.append(weights)
        return sets


def edges_note(edges: int) -> str:
    return f"strength is at the edge of the grid in {edges} of {PARTS} parts" if edges else ""
