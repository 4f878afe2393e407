"""Retrieval as rows: both directions, among test patients that have a vector, over all and within cancer type."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathfm.statistics.retrieval import retrieval
from pathfm.tasks.registry import BESIDE
from pathfm.tasks.task import SCORES, People, Probing

ROLES = np.repeat(["train", "test"], [20, 60])
CANCERS = np.array(["BRCA", "LUAD", None], object)[np.minimum(np.arange(80) % 8, 2)]
CANCERS[:60] = np.array(["BRCA", "LUAD"], object)[np.arange(60) % 2]
PEOPLE = People(pd.DataFrame({"patient": [f"p{n}" for n in range(80)], "role": ROLES, "cancer": CANCERS}), 2, "hash")


class Given:
    matrix = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    of_images = None


@dataclass
class Space:
    """Vectors that are the images with noise; the last `missing` people have none."""

    missing: int = 0
    name: str = "contrastive"
    modality: str = "expression"

    def embedded(self, features, people):
        assert (people["role"] == "test").all() and len(people) == len(features)
        noise = np.random.default_rng(1).normal(size=features.shape)
        rows = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (features, features + 0.5 * noise)]
        return *rows, np.arange(len(people)) < len(people) - self.missing


def scored(*spaces):
    return replace(BESIDE[1], spaces=spaces).run(Given, PEOPLE, Probing([]))


def test_each_direction_is_measured_on_test_patients_that_have_the_vector():
    space = Space(missing=3)
    scores = scored(space).scores
    assert list(scores) == SCORES and not scores["headline"].any() and (scores["n"] == 57).all() and (scores["fold"] == 2).all()
    values = scores.set_index("metric")["value"]
    image, vector, present = space.embedded(Given.matrix[20:], PEOPLE.table.iloc[20:])
    for direction, pair in (("image_to", (image, vector)), ("to_image", (vector, image))):
        for name, value in retrieval(*(one[present] for one in pair)).items():
            assert values[f"{direction}/{name}"] == value
    assert values["image_to/recall@1"] > 5 * values["image_to/chance/recall@1"]


def test_patients_of_unknown_cancer_type_are_left_out_within_types():
    values = scored(Space()).scores.set_index("metric")["value"]
    known = pd.Series(CANCERS[20:])
    sizes = known.value_counts()
    assert values["within_cancer/image_to/chance/recall@1"] == len(sizes) / sizes.sum()


def test_without_a_space_or_with_too_few_patients_there_is_nothing():
    assert scored() is None
    assert scored(Space(missing=55)) is None
