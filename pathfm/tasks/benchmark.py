"""A public benchmark as a task: a class of each image, on the publisher's own split."""

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from pathfm.benchmarks.benchmark import Benchmark
from pathfm.probes.target import Classes
from pathfm.progress import say
from pathfm.tasks.classes import METRIC, score_classes
from pathfm.tasks.fits import SPLIT
from pathfm.tasks.task import Features, People, Probing, Result, Rows, Task, able


@dataclass(frozen=True)
class BenchmarkTask(Task):
    """Probed in the split's fit alone, since no encoder was tuned on it; without its images it is left out in silence."""

    benchmark: Benchmark | None = None
    without: frozenset[str] = frozenset()  # patients whose images are neither fitted on nor scored
    source: ClassVar = "benchmark"
    metric: ClassVar = METRIC
    fits: ClassVar = (SPLIT.name,)

    def run(self, features: Features, people: People, probing: Probing) -> Result | None:
        if self.benchmark is None:
            return None
        if features.of_images is None:
            say(f"{self.name}: left out, features of its images would need the encoder itself")
            return None
        probing = able(probing, self, Classes)
        if probing is None:
            return None
        kept = self.kept
        labels = np.array(self.benchmark.labels, object)[kept]
        for role in ("train", "test"):
            if len(set(labels[self.rows.roles[kept] == role])) < 2:
                say(f"{self.name}: left out, its {role} images are of fewer than two classes")
                return None
        return score_classes(self, features.of_images(self.benchmark)[kept], labels, self.rows.take(kept), probing)

    @cached_property
    def rows(self) -> Rows:
        """Every image of the benchmark: its name, role and patient."""
        found = self.benchmark
        patients = None if found.patients is None else np.array(found.patients, object)
        return Rows(np.array(found.units, object), np.array(found.roles, object), patients)

    @property
    def kept(self) -> np.ndarray:
        """The numbers of the images that are not left out, in order."""
        return np.flatnonzero([patient not in self.without for patient in self.rows.patients])

    def patients(self, role: str, among: Set[str] | None = None) -> set[str]:
        """The patients of a role that are not left out, of those `among` whom they are looked for."""
        rows = self.rows.take(self.kept)
        there = set(rows.patients[rows.roles == role])
        return there if among is None else there & among

    def ledger(self, seen: Set[str]) -> dict[str, Any]:
        """What evaluation.json says of the benchmark, with the number of patients of each role that an encoder has `seen`."""
        roles = list(dict.fromkeys(self.benchmark.roles))
        return {
            "release": self.benchmark.release,
            "lacking": self.benchmark.lacking,
            "digest": self.benchmark.digest,
            "unit": self.benchmark.unit,
            "images": len(self.kept),
            "images_left_out": len(self.benchmark.units) - len(self.kept),
            "seen_patients": {role: len(self.patients(role, seen)) for role in roles},
        }
