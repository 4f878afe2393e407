"""What a training run reads of a cohort: the patients of its fold, their tiles, and their vectors in the scale that training gave them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from pathfm.cohort.opened import Cohort, tiles_hash
from pathfm.input.bags import TileIndex, index_tiles
from pathfm.input.starts import Starts, reads_counts, starts_of
from pathfm.modalities.controls import permuted_patients
from pathfm.modalities.counts import reads_of
from pathfm.modalities.modality import Modality, Vectors
from pathfm.modalities.panel import Panel
from pathfm.settings.terms import EXPRESSION
from pathfm.settings.training import Recipe


@dataclass(frozen=True, eq=False)
class Part:
    """The patients of a role in the order of their index: their vectors by modality, and int32 codes [patients], -1 where unknown."""

    index: TileIndex
    vectors: Mapping[str, Vectors]
    site: np.ndarray
    cancer: np.ndarray

    @property
    def codes(self) -> dict[str, np.ndarray]:
        return {"site": self.site, "cancer": self.cancer}


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training and validation patients of one fold, and what identifies them."""

    train: Part
    validation: Part
    panels: Mapping[str, Panel]  # the features and scale of each modality
    split_hash: str
    data_hash: str  # of the training patients' tile records
    held_out: frozenset[str]  # validation and test patients
    mpp: float | None
    starts: Starts = field(default_factory=dict)

    @property
    def widths(self) -> dict[str, int]:
        return {name: vectors.values.shape[1] for name, vectors in self.train.vectors.items()}

    @property
    def sites(self) -> int:
        """How many hospitals the training patients are known to be of; their codes are the first."""
        return int(self.train.site.max(initial=-1)) + 1


def open_training_data(
    root: str, fold: int, recipe: Recipe, modalities: Iterable[str], learned: Mapping[str, Panel] | None = None
) -> TrainingData:
    """Opens a cohort for training; the features of `modalities` are chosen and scaled on the training patients alone.

    Of a modality in `learned` they were chosen before. A `pairing` other than "true" gives each training patient another training
    patient's vectors: the null control.
    """
    cohort = Cohort.open(root)
    patients = {role: cohort.patients(fold, role) for role in ("train", "val", "test")}
    people = cohort.people(fold).set_index("patient", drop=False).rename_axis(None)
    train, validation = (people.loc[patients[role]] for role in ("train", "val"))
    fitted = {name: Modality.fit(cohort, name, recipe.modality(name), train, (learned or {}).get(name)) for name in modalities}
    codes = {column: _codes(train[column], validation[column]) for column in ("site", "project")}

    counts = reads_counts(recipe.objective)

    def part(rows: pd.DataFrame) -> Part:
        names = rows["patient"].tolist()
        index = index_tiles(cohort.folder, cohort.slides_of(names), names)
        vectors = {name: modality.vectors(cohort, rows) for name, modality in fitted.items()}
        vectors |= reads_of(cohort, fitted[EXPRESSION], rows) if counts else {}
        return Part(index, vectors, *(rows[column].map(code).fillna(-1).to_numpy(np.int32) for column, code in codes.items()))

    panels = {name: modality.panel for name, modality in fitted.items()}
    training = part(train)
    tiled = cohort.slides_of(patients["train"])
    mpps = tiled["effective_mpp"].dropna()
    return TrainingData(
        train=_paired(training, train, recipe),
        validation=part(validation),
        panels=panels,
        split_hash=cohort.splits.hash,
        data_hash=tiles_hash(tiled),
        held_out=frozenset(patients["val"]) | frozenset(patients["test"]),
        mpp=round(float(mpps.median()), 4) if len(mpps) else None,
        starts=starts_of(recipe.objective, panels, training.vectors),
    )


def _codes(*columns: pd.Series) -> dict[str, int]:
    """A number for each name, those of the first column first."""
    names = dict.fromkeys(name for column in columns for name in sorted(set(column.dropna())))
    return {name: code for code, name in enumerate(names)}


def _paired(part: Part, people: pd.DataFrame, recipe: Recipe) -> Part:
    """The part with the vectors that each patient is trained with: its own, or in a null control another's."""
    if recipe.pairing == "true":
        return part
    patients = people["patient"].tolist()
    sites = list(map(str, people["site"])) if recipe.pairing == "permuted_in_site" else None
    row = {patient: number for number, patient in enumerate(patients)}
    givers = np.array([row[giver] for giver in permuted_patients(patients, sites, recipe.seed)])
    return replace(part, vectors={name: vectors.of(givers) for name, vectors in part.vectors.items()})
