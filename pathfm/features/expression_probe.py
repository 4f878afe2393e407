"""How well a ridge probe on frozen features of training patients predicts the expression of validation patients."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.opened import Cohort, cancer_types
from pathfm.errors import InputError
from pathfm.features.encoder import Encoder
from pathfm.features.store import FeatureStore
from pathfm.modalities.modality import measured
from pathfm.modalities.panel import Panel
from pathfm.probes import driver
from pathfm.probes.divisions import Division
from pathfm.probes.ridge import Ridge
from pathfm.probes.target import Values
from pathfm.statistics.correlation import pearson, summary, within_types
from pathfm.statistics.scores import SMALLEST_CLASS
from pathfm.weights.folder import Weights


@dataclass(frozen=True, eq=False)
class ExpressionProbe:
    """The training and validation patients of a fold with the genes of a panel; `cache` keeps features, `batch` tiles are embedded at a
    time.
    """

    folder: CohortFolder
    people: pd.DataFrame  # patient, role ("train" or "val") and cancer type, by patient
    truth: np.ndarray  # float32 [people, genes], in the panel's z-scores
    slides: pd.DataFrame
    cache: Path
    batch: int
    tiles_per_slide: int  # at most so many; 0: all

    @classmethod
    def of(cls, cohort: Cohort, fold: int, panel: Panel, cache: Path, batch: int, tiles_per_slide: int) -> "ExpressionProbe":
        """InputError where too few patients validate."""
        people = cohort.people(fold)
        people = people[people["role"].isin(["train", "val"]) & people["patient"].isin(set(cohort.pairs["patient"]))]
        if (count := int((people["role"] == "val").sum())) < SMALLEST_CLASS:
            raise InputError(f"{count} validation patients are too few for a probe, which takes {SMALLEST_CLASS}; give --by loss")
        truth = measured(cohort, people, panel)
        people = people[["patient", "role"]].assign(type=cancer_types(people).fillna("")).set_index("patient", drop=False)
        return cls(cohort.folder, people, truth, cohort.slides_of(people["patient"]), cache, batch, tiles_per_slide)

    def r(self, weights: Weights) -> float:
        """The mean over genes of Pearson's r within cancer type, as `validation_r` says; NaN where no gene has a value."""
        store = FeatureStore(Encoder.of(weights), self.cache, self.batch, self.tiles_per_slide)
        features = store.features(self.folder, self.slides)
        rows = self.people.index.get_indexer(pd.Index(features.patients))
        columns = (self.people[name].to_numpy(str)[rows] for name in ("role", "type", "patient"))
        return validation_r(features.matrix, self.truth[rows], *columns)


def validation_r(features: np.ndarray, truth: np.ndarray, roles: np.ndarray, types: np.ndarray, patients: np.ndarray) -> float:
    """Of features float32 [n, d] and truth float32 [n, genes], a row a patient, with str [n] roles "train" or "val", types and patients.

    A ridge fit on the training rows predicts the validation rows; of these each half, alike in types, is scored with the strength that the
    other chose. r is within types, as the headline of an evaluation has it. A function of the patients, not of the order of rows.
    """
    val = np.flatnonzero(roles == "val")
    half = np.empty(len(val), int)
    half[np.lexsort((patients[val], types[val]))] = np.arange(len(val)) % 2
    fits = np.stack([roles, roles])
    for number in (0, 1):
        fits[number, val[half == number]] = "test"
    prediction = driver.run(Ridge(), features, Values(truth), Division(fits)).prediction
    whole = np.zeros(len(val), int)
    r = pearson(*within_types(prediction, truth[val], types[val], whole, whole, SMALLEST_CLASS))
    return summary(r)["mean_pearson"]
