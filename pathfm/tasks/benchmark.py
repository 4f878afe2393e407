"""A public benchmark as a task: a class of each image, on the publisher's own split."""

from dataclasses import dataclass
from typing import ClassVar

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
        patients = None if self.benchmark.patients is None else np.array(self.benchmark.patients, object)
        rows = Rows(np.array(self.benchmark.units, object), np.array(self.benchmark.roles, object), patients)
        labels = np.array(self.benchmark.labels, object)
        return score_classes(self, features.of_images(self.benchmark), labels, rows, probing)
