"""Image ↔ vector: whether the towers of a contrastive term find a test patient's other half among all test patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import pandas as pd

from pathfm.progress import say
from pathfm.statistics.retrieval import retrieval
from pathfm.statistics.scores import too_small
from pathfm.tasks.fits import SPLIT
from pathfm.tasks.task import SCORES, Features, People, Probing, Result, Task, score_rows


class Space(Protocol):
    """The space that a contrastive term has trained."""

    name: str  # of the term
    modality: str

    def embedded(self, features: np.ndarray, people: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit rows of images and of vectors [n, width] each, and who has a vector [n]; from features [n, d] and people, rows alike."""
        ...


@dataclass(frozen=True)
class Ranking:
    """What stands in the place of a probe: nothing is fitted."""

    name: str = "cosine"
    setting: str = ""


@dataclass(frozen=True)
class RetrievalTask(Task):
    """No column of the table: recall and median rank in both directions, for each space that the weights bring."""

    spaces: Sequence[Space] = ()
    source: ClassVar = "cohort"
    metric: ClassVar = "recall@10"
    fits: ClassVar = (SPLIT.name,)

    def run(self, features: Features, people: People, probing: Probing) -> Result | None:
        scores = []
        test = np.flatnonzero(people.table["role"] == "test")
        for space in self.spaces:
            table = people.table.iloc[test].reset_index(drop=True)
            image, vector, present = space.embedded(features.matrix[test], table)
            if too_small(int(present.sum())):
                say(f"{self.name}: left out, {present.sum()} test patients have {space.modality}")
                continue
            cancers = table["cancer"] if "cancer" in table else pd.Series("", table.index)
            scores.append(self.scored(space, image[present], vector[present], cancers[present].to_numpy(object)))
        return Result(pd.concat(scores, ignore_index=True).assign(fold=people.fold)[SCORES]) if scores else None

    def scored(self, space: Space, image: np.ndarray, vector: np.ndarray, cancers: np.ndarray) -> pd.DataFrame:
        """Rows of both directions, over all patients and within cancer type; patients of unknown type are left out of the latter."""
        known = np.array([isinstance(cancer, str) and cancer != "" for cancer in cancers], bool)
        values = {}
        for direction, queries, keys in (("image_to", image, vector), ("to_image", vector, image)):
            values |= {f"{direction}/{name}": value for name, value in retrieval(queries, keys).items()}
            inner = retrieval(queries[known], keys[known], cancers[known].astype(str))
            values |= {f"within_cancer/{direction}/{name}": value for name, value in inner.items()}
        to, back = values[f"image_to/{self.metric}"], values[f"to_image/{self.metric}"]
        say(f"{self.name}: {self.metric} {to:.3f} from image to {space.modality}, {back:.3f} back; chance {10 / len(image):.3f}")
        rows = score_rows(values, Ranking(), None, n=len(image), smallest_class=len(image), too_small=False)
        return rows.assign(task=self.name, column=space.name, fit=SPLIT.name, headline=False)
