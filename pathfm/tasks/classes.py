"""Classes from frozen features: the scores and predictions of every probe in every fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.probes import driver
from pathfm.probes.bags import Bags, OfTiles
from pathfm.probes.divisions import Division, resampled, with_validation
from pathfm.probes.driver import Probed
from pathfm.probes.held_out import held_out_parts, in_few_parts, seed_of
from pathfm.probes.protocol import Probe
from pathfm.probes.target import Classes
from pathfm.statistics.committees import mean_by_class, of_committee
from pathfm.statistics.scores import auroc, class_sizes, large_classes
from pathfm.tasks.fits import SPLIT
from pathfm.tasks.task import PREDICTIONS, SCORES, Probing, Result, Rows, Task, score_rows

METRIC = "balanced_accuracy"


def score_classes(
    task: Task,
    features: np.ndarray,
    labels: np.ndarray,
    rows: Rows,
    probing: Probing,
    *,
    fold: int = 0,
    split_hash: str | None = None,
    fits: Sequence[str] = (),
    bags: Bags | None = None,
) -> Result:
    """Scores and predictions of a classification task; features [n, d], labels [n] str, None where missing (left out).

    `bags` [n] are the tiles of the rows, for probes that see these. `fits` are the task's own by default.
    Further fits on resampled training patients of each class give the score's sd over training sets ("balanced_accuracy_sd").
    Raises InputError when training has a single class or nothing is left for validation.
    """
    there = np.flatnonzero([isinstance(label, str) and label != "" for label in labels])
    labels = np.asarray(labels, object)[there].astype(str)
    whole = _Problem(task, np.asarray(features, np.float32)[there], labels, rows.take(there), np.unique(labels), probing)
    scores, predictions = [], []
    for probe in probing.probes:
        seen = replace(whole, features=bags[there]) if bags is not None and isinstance(probe, OfTiles) else whole
        among_test = seen.take(np.flatnonzero(seen.rows.roles == "test"))
        for fit in fits or task.fits:
            score, prediction = seen.split(probe) if fit == SPLIT.name else among_test.held_out(probe, split_hash)
            scores.append(score.assign(fit=fit))
            predictions.append(prediction.assign(fit=fit, probe=probe.name))
    score, prediction = pd.concat(scores, ignore_index=True), pd.concat(predictions, ignore_index=True)
    score = score.assign(task=task.name, column=task.column, fold=fold, headline=score["metric"] == METRIC)
    return Result(score[SCORES], prediction.assign(task=task.name, fold=fold)[PREDICTIONS])


@dataclass(frozen=True)
class _Problem:
    task: Task
    features: np.ndarray | Bags
    labels: np.ndarray
    rows: Rows
    classes: np.ndarray
    probing: Probing

    def take(self, rows: np.ndarray) -> "_Problem":
        return replace(self, features=self.features[rows], labels=self.labels[rows], rows=self.rows.take(rows))

    def split(self, probe: Probe) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The fit on the split's training rows, scored on its test rows."""
        seed, count = self.probing.seed, self.probing.resamples
        roles = with_validation(self.rows.roles, self.labels, self.rows.patients, seed_of([self.task.name, seed]))
        sets = resampled(roles == "train", self.labels, self.rows.patients, count, seed_of([self.task.name, seed, "resample"]))
        division = Division.by_roles(roles)
        probed = self.probed(probe, division, sets)
        scored = self.take(division.scored)
        scores = scored.scores(probe, probed).assign(left_out=scored.left_out(scored.large))
        if count and not scored.too_small:
            values = [scored.accuracy(scored.right(one, None, bool(probed.ballots))) for one in probed.resampled]
            spread = scores[:1].assign(metric=f"{METRIC}_sd", value=float(np.std(values)), resamples=count)
            scores = pd.concat([scores, spread])
        return scores, scored.predictions(probed)

    def held_out(self, probe: Probe, split_hash: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Cross-validation among these (test) rows alone; nothing is fitted when fewer than two classes are left, or hospitals are too few.

        A class that is too small leaves this fit. So does one that too few parts of whole hospitals hold, and the others are dealt again.
        """
        nothing = self.take(np.arange(0)).predictions(None)
        if self.too_small or self.rows.in_few_hospitals:
            return self.scores(probe, None).assign(sites=self.rows.hospitals), nothing
        kept, parts = self.only(self.large), None
        while len(kept.classes) >= 2 and not kept.rows.in_few_hospitals:
            parts = held_out_parts(kept.rows.patients, kept.labels, split_hash, kept.rows.whole)
            rare = in_few_parts(parts, kept.labels) if kept.rows.by_site else []
            if not rare:
                break
            kept, parts = kept.only(np.setdiff1d(kept.classes, rare)), None
        facts = {"sites": self.rows.hospitals, "left_out": self.left_out(kept.classes)}
        if parts is None:
            return self.scores(probe, None).assign(**facts), nothing
        probed = kept.probed(probe, Division.by_parts(parts))
        return kept.scores(probe, probed).assign(**facts), kept.predictions(probed)

    def only(self, classes: np.ndarray) -> "_Problem":
        """The same task with these classes and their rows alone."""
        return replace(self.take(np.flatnonzero(np.isin(self.labels, classes))), classes=classes)

    def probed(self, probe: Probe, division: Division, sets: np.ndarray | None = None) -> Probed:
        few = len(np.unique(self.numbers[(division.roles == "train").any(axis=0)])) < 2
        if few or not (division.roles == "val").any():
            what = "fewer than two classes among its training rows" if few else "no validation rows"
            raise InputError(f"the task {self.task.name} has {what}; leave it out with --config.tasks")
        target = Classes(self.numbers, len(self.classes), self.probing.balanced)
        return driver.run(probe, self.features, target, division, sets)

    @property
    def numbers(self) -> np.ndarray:
        """int [n]: the class of each row, counted along `classes`."""
        return np.searchsorted(self.classes, self.labels)

    @property
    def sizes(self) -> np.ndarray:
        return class_sizes(self.labels, self.rows.patients.astype(str), self.classes)

    @property
    def large(self) -> np.ndarray:
        """The classes with enough units to be scored."""
        return large_classes(self.labels, self.rows.patients.astype(str), self.classes)

    @property
    def too_small(self) -> bool:
        """Whether fewer than two classes can be scored."""
        return len(self.large) < 2

    def left_out(self, kept: np.ndarray) -> str:
        """The other classes by name, with their units; nothing where no class is scored."""
        others = zip(self.classes, self.sizes, strict=True)
        return "" if self.too_small else "; ".join(f"{name} ({size})" for name, size in others if name not in kept)

    def right(self, prediction: np.ndarray, ballots: np.ndarray | None, shares: bool = False) -> np.ndarray:
        """How right each row is [n]: whether its most probable class is true; of a committee the share of its models that name that class.

        prediction [n, classes] holds these shares themselves where `shares` says so; ballots [models, n] are the classes named, None: no
        committee.
        """
        if ballots is not None:
            return (ballots == self.numbers).mean(axis=0)
        return (
            prediction[np.arange(len(self.numbers)), self.numbers] if shares else (prediction.argmax(axis=1) == self.numbers).astype(float)
        )

    def accuracy(self, right: np.ndarray) -> float:
        """Balanced accuracy over the classes that can be scored, from how right each row is [n]."""
        rows = np.isin(self.labels, self.large)
        return float(mean_by_class(self.labels[rows], right[rows]))

    def scores(self, probe: Probe, probed: Probed | None) -> pd.DataFrame:
        """Balanced accuracy and AUROC of the rows of the classes that can be scored; NaN when these are fewer than two."""
        values = {METRIC: np.nan, "auroc": np.nan}
        rows, columns = np.isin(self.labels, self.large), np.isin(self.classes, self.large)
        if probed is not None and not self.too_small:
            values[METRIC] = self.accuracy(self.right(probed.prediction, probed.ballots.get("")))
            values["auroc"] = auroc(self.labels[rows], probed.prediction[rows][:, columns], self.large)
            values |= of_committee(METRIC, self.numbers[rows], {name: ballots[:, rows] for name, ballots in probed.ballots.items()})
        n, smallest = (len(rows), self.sizes.min()) if self.too_small else (int(rows.sum()), self.sizes[columns].min())
        return score_rows(values, probe, probed, n=n, smallest_class=int(smallest), too_small=self.too_small)

    def predictions(self, probed: Probed | None) -> pd.DataFrame:
        """A row for each of these, as many as the probe predicts; none where nothing was fitted."""
        probabilities = np.zeros((0, len(self.classes))) if probed is None else probed.prediction
        ballots = None if probed is None else probed.ballots.get("")
        return pd.DataFrame(
            {
                "unit": self.rows.units.astype(str),
                "patient": self.rows.patients.astype(str),
                "site": self.rows.sites.astype(str),
                "truth": self.labels,
                "prediction": self.classes[probabilities.argmax(axis=1)],
                "right": self.right(probabilities, ballots),
                "probability": list(probabilities),
            }
        )
