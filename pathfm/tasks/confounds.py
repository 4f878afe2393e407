"""What else could explain a score: how well the hospital is read, what the cancer type or the hospital alone would reach, robustness."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from pathfm.probes import driver
from pathfm.probes.divisions import Division
from pathfm.probes.driver import Probed
from pathfm.probes.held_out import PARTS, held_out_parts, seed_of
from pathfm.probes.protocol import Probe
from pathfm.probes.target import Classes
from pathfm.progress import say
from pathfm.statistics.confounds import (
    expected_balanced_accuracy,
    guess_from_group,
    knn_accuracy,
    neighbours,
    robustness_by_chance,
    robustness_index,
)
from pathfm.statistics.scores import SMALLEST_CLASS, balanced_accuracy
from pathfm.tasks.classes import METRIC
from pathfm.tasks.fits import HELD_OUT, SPLIT
from pathfm.tasks.performance_drop import average_drop
from pathfm.tasks.task import SCORES, Features, People, Probing, Result, Task, able, score_rows

NEIGHBOURS = (1, 3, 5, 7, 9, 11, 21, 31, 41, 51)  # PathoROB tries these first, and goes on to hundreds of patches
ALONE = {"baseline_cancer_type": "cancer", "baseline_site": "site"}


@dataclass(frozen=True)
class ConfoundTask(Task):
    """No column of the table: rows about the hospital, of test patients alone, and rows beside the scores of each label."""

    labels: Sequence[Task] = ()
    source: ClassVar = "cohort"
    metric: ClassVar = "site/balanced_accuracy"
    fits: ClassVar = (HELD_OUT.name,)

    def run(self, features: Features, people: People, probing: Probing) -> Result | None:
        probing = able(probing, self, Classes)
        if probing is None or people.known("site").isna().all():
            return None
        test = np.flatnonzero(people.table["role"] == "test")
        table = people.table.iloc[test]
        sites, cancers = (_words(people.known(name).iloc[test]) for name in ("site", "cancer"))
        scored = _Hospitals(features.matrix[test], table["patient"].to_numpy(str), sites, cancers, probing, people.split_hash)
        rows = [one.assign(task=self.name, column=self.column, fit=HELD_OUT.name) for one in scored.rows()]
        rows += [one.assign(task=task.name, column=task.column) for task in self.labels for one in _alone(task, people, probing)]
        if not rows:
            return None
        scores = pd.concat(rows, ignore_index=True).assign(fold=people.fold, headline=False)
        told = scores[scores["task"] == self.name].set_index("metric")["value"]
        if self.metric in told:
            say(f"{self.name}: the hospital is read with balanced accuracy {told[self.metric]:.3f}, chance {told['site/chance']:.3f}")
        return Result(scores[SCORES])


@dataclass(frozen=True)
class _Hospitals:
    """Test patients and their features; sites and cancers [n] hold "" where unknown."""

    features: np.ndarray
    patients: np.ndarray
    sites: np.ndarray
    cancers: np.ndarray
    probing: Probing
    split_hash: str | None

    def take(self, rows: np.ndarray) -> "_Hospitals":
        return replace(self, **{name: getattr(self, name)[rows] for name in ("features", "patients", "sites", "cancers")})

    def rows(self) -> Iterator[pd.DataFrame]:
        large = self.of_large_sites()
        if large is not None:
            yield large.probe_of_site()
        inner = [self.take(self.cancers == cancer).of_large_sites() for cancer in np.unique(self.cancers[self.cancers != ""])]
        if any(one is not None for one in inner):
            yield _joined([one.probe_of_site() for one in inner if one is not None])
        known = self.take((self.cancers != "") & (self.sites != ""))
        if not np.isnan(robustness_by_chance(known.cancers, known.sites)):
            yield known.robustness()
            if (drop := known.drop()) is not None:
                yield drop

    def drop(self) -> pd.DataFrame | None:
        """PathoROB's average performance drop; None where no two cancer types lie in two hospitals often enough."""
        probe = self.probing.probes[0]
        drop = average_drop(self.features, self.cancers, self.sites, probe, seed_of(["performance drop", self.probing.seed]))
        if drop is None:
            return None
        ends = {"": drop.value, "/low": drop.low, "/high": drop.high, "/accuracy": drop.accuracy}
        values = {f"performance_drop{end}": value for end, value in ends.items()}
        return self.measured(values, probe, None, drop.patients).assign(n=drop.patients)

    def of_large_sites(self) -> "_Hospitals | None":
        """The patients of hospitals with enough of them; None where fewer than two are left."""
        names, counts = np.unique(self.sites[self.sites != ""], return_counts=True)
        names = names[counts >= SMALLEST_CLASS]
        return self.take(np.isin(self.sites, names)) if len(names) > 1 else None

    def probe_of_site(self) -> pd.DataFrame:
        """The hospital from features, and from the cancer type alone, by cross-validation: a hospital's patients lie in all parts."""
        probe, names = self.probing.probes[0], np.unique(self.sites)
        parts = held_out_parts(self.patients, self.sites, self.split_hash)
        target = Classes(np.searchsorted(names, self.sites), len(names))
        probed = driver.run(probe, self.features, target, Division.by_parts(parts))
        values = {
            "site/balanced_accuracy": balanced_accuracy(self.sites, names[probed.prediction.argmax(axis=1)]),
            "site/chance": 1 / len(names),
            "site/from_cancer_type": expected_balanced_accuracy(self.sites, self.guessed(names), names),
        }
        smallest = int(np.unique(self.sites, return_counts=True)[1].min())
        return self.measured(values, probe, probed, smallest)

    def guessed(self, names: np.ndarray) -> np.ndarray:
        """[n, hospitals]: the hospital from the cancer type alone."""
        return _by_parts(self.cancers, self.sites, self.patients, self.split_hash, names)

    def robustness(self) -> pd.DataFrame:
        """PathoROB's index with cancer types as classes, and how well the neighbours tell these, for several numbers of neighbours: which
        of them a report shows depends on all its encoders, which must share it.
        """
        counts = [k for k in NEIGHBOURS if k < len(self.sites)]
        near = neighbours(self.features, counts[-1])
        index, accuracy = robustness_index(near, self.cancers, self.sites), knn_accuracy(near, self.cancers)
        values = {"robustness_index/chance": robustness_by_chance(self.cancers, self.sites)}
        for k in counts:
            values |= {f"robustness_index@{k}": float(index[k - 1]), f"neighbours_accuracy@{k}": float(accuracy[k - 1])}
        return self.measured(values, self.probing.probes[0], None, len(self.sites))

    def measured(self, values: dict[str, float], probe: Probe, probed: Probed | None, smallest: int) -> pd.DataFrame:
        return score_rows(values, probe, probed, n=len(self.sites), smallest_class=smallest, too_small=False)


def _joined(of_types: list[pd.DataFrame]) -> pd.DataFrame:
    """The site probe within each cancer type, as one: values weighed by patients."""
    first, counts = of_types[0], np.array([one["n"].iloc[0] for one in of_types])
    values = np.average([one["value"] for one in of_types], axis=0, weights=counts)
    summed = {name: sum(one[name].iloc[0] for one in of_types) for name in ("n", "parts", "edge", "unconverged")}
    smallest = min(one["smallest_class"].iloc[0] for one in of_types)
    rows = first.assign(value=values, metric="within_cancer/" + first["metric"], chosen=np.nan, smallest_class=smallest, **summed)
    return rows[rows["metric"] != "within_cancer/site/from_cancer_type"]


def _alone(task: Task, people: People, probing: Probing) -> Iterator[pd.DataFrame]:
    """What the cancer type alone, or the hospital alone, gives of a label: on the split, and among test patients part by part.

    Nothing of the cancer type where the classes are cancer types themselves.
    """
    labels, role = _words(people.known(task.name)), people.table["role"].to_numpy()
    test = np.flatnonzero((role == "test") & (labels != ""))
    classes, counts = np.unique(labels[test], return_counts=True)
    classes = classes[counts >= SMALLEST_CLASS]
    test, train = test[np.isin(labels[test], classes)], np.flatnonzero((role == "train") & np.isin(labels, classes))
    if len(classes) < 2 or len(np.unique(labels[train])) < 2:
        return
    patients = people.table["patient"].to_numpy(str)[test]
    groups = {name: _words(people.known(column)) for name, column in ALONE.items()}
    groups = {name: one for name, one in groups.items() if not _same(labels, one)}
    guesses = {
        SPLIT.name: {name: guess_from_group(one[train], labels[train], one[test], classes) for name, one in groups.items()},
        HELD_OUT.name: {name: _by_parts(one[test], labels[test], patients, people.split_hash, classes) for name, one in groups.items()},
    }
    for fit, found in guesses.items():
        values = {f"{name}/{METRIC}": expected_balanced_accuracy(labels[test], guess, classes) for name, guess in found.items()}
        facts = {"n": len(test), "smallest_class": int(counts[counts >= SMALLEST_CLASS].min()), "too_small": False}
        yield score_rows(values, probing.probes[0], None, **facts).assign(fit=fit)


def _same(labels: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the two have one name for everybody of whom both are known."""
    both = (labels != "") & (groups != "")
    return bool(both.any() and (labels == groups)[both].all())


def _by_parts(groups: np.ndarray, labels: np.ndarray, patients: np.ndarray, split_hash: str | None, classes: np.ndarray) -> np.ndarray:
    """[n, classes]: each part guessed from the groups of all other parts.

    Patients of one group and label are dealt evenly over the parts: else what a part has too many of, the others have too few of, and the
    guess of a group that tells nothing would be worse than chance.
    """
    parts = held_out_parts(patients, np.char.add(np.char.add(labels, "\t"), groups), split_hash)
    guess = np.empty((len(labels), len(classes)))
    for part in range(PARTS):
        known, asked = parts != part, parts == part
        guess[asked] = guess_from_group(groups[known], labels[known], groups[asked], classes)
    return guess


def _words(column: pd.Series) -> np.ndarray:
    """Names, "" where unknown."""
    return np.array([word if isinstance(word, str) else "" for word in column], str)
