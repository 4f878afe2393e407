"""The cohort's labels as tasks: a class of each patient."""

from dataclasses import dataclass
from typing import ClassVar

from pathfm.probes.target import Classes
from pathfm.progress import say
from pathfm.tasks.classes import METRIC, score_classes
from pathfm.tasks.task import Features, People, Probing, Result, Task, able


@dataclass(frozen=True)
class LabelTask(Task):
    """The label of the task's name in labels.parquet, in both fits."""

    source: ClassVar = "cohort"
    metric: ClassVar = METRIC

    def run(self, features: Features, people: People, probing: Probing) -> Result | None:
        table, labels = people.table, people.known(self.name)
        missing = [role for role in ("train", "val") if labels[table["role"] == role].nunique() < 2]
        if missing:
            say(f"{self.name}: left out, the {missing[0]} patients have fewer than two of its classes")
            return None
        probing = able(probing, self, Classes, features.bags)
        if probing is None:
            return None
        given = (features.matrix, labels.to_numpy(object), people.rows, probing)
        return score_classes(self, *given, fold=people.fold, split_hash=people.split_hash, bags=features.bags)
