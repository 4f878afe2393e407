"""A modality: one named vector per patient, gene expression first of all, with the scaling that training patients gave it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.cohort.opened import Cohort
from pathfm.errors import InputError
from pathfm.modalities.panel import Panel, fit_panel
from pathfm.modalities.pathways import asks_for_pathways, fit_pathways
from pathfm.modalities.residual import cancer_means, residual_of
from pathfm.settings.terms import EXPRESSION
from pathfm.settings.training import ModalityConfig


@dataclass(frozen=True, eq=False)
class Vectors:
    """`values` float32 [patients, features], scaled, 0 where `present` [patients] does not hold."""

    values: np.ndarray
    present: np.ndarray

    def of(self, rows: np.ndarray) -> "Vectors":
        return Vectors(self.values[rows], self.present[rows])


@dataclass(frozen=True, eq=False)
class Modality:
    """`NAME.h5ad` of a cohort as a model sees it. `panel` holds its features and their scale, `means` what a cancer type has by itself."""

    name: str
    panel: Panel
    residual: str
    means: Mapping[str, np.ndarray]

    @classmethod
    def fit(cls, cohort: Cohort, name: str, settings: ModalityConfig, training: pd.DataFrame, learned: Panel | None = None) -> "Modality":
        """Chooses and scales the features on the training people (patient, site, project) that have the modality.

        With `learned` the features are those of this panel, and only their scale is fitted.
        """
        matrix = cohort.matrix(name)
        there = training[training["patient"].isin(set(matrix.obs["patient"]))]
        if there.empty:
            raise InputError(
                f"no training patient has a row in {cohort.folder.matrix(name)}; its patients must be named as the cohort's are"
            )
        if learned is not None:
            panel = learned.refitted(matrix, there["patient"])
        elif asks_for_pathways(settings.panel):
            panel = fit_pathways(matrix, there["patient"], settings.panel)
        else:
            panel = fit_panel(matrix, there["patient"], settings.panel, there.set_index("patient")["project"])
        scaled = cls(name, panel, "none", {}).vectors(cohort, there)
        return cls(name, panel, settings.residual, cancer_means(scaled.values, _text(there["project"])))

    def vectors(self, cohort: Cohort, people: pd.DataFrame) -> Vectors:
        """The vectors of people (patient, site, project), in their order. InputError where the paired matrix lacks one of them."""
        matrix = cohort.matrix(self.name)
        row = pd.Series(np.arange(matrix.n_obs), index=matrix.obs["patient"].astype(str))
        present = people["patient"].isin(set(row.index)).to_numpy()
        if self.name == EXPRESSION and not present.all():
            missing = sorted(people["patient"][~present])
            raise InputError(f"{len(missing)} patients of the split are in no pair (the first: {missing[0]}); run `pathfm cohort` again")
        values = np.zeros((len(people), len(self.panel.genes)), np.float32)
        there = people[present]
        if len(there):
            scaled = self.panel.values(matrix, row[there["patient"]].to_numpy())
            values[present] = residual_of(scaled, _text(there["site"]), _text(there["project"]), self.means, self.residual)
        return Vectors(values, present)


def _text(column: pd.Series) -> np.ndarray:
    """Names, "" where unknown."""
    return column.fillna("").to_numpy(str)


def measured(cohort: Cohort, people: pd.DataFrame, panel: Panel) -> np.ndarray:
    """The expression of these people in the panel's units, float32 [patients, genes]; InputError for other genes or values."""
    return Modality(EXPRESSION, panel, residual="none", means={}).vectors(cohort, people).values
