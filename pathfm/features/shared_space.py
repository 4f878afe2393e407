"""The spaces that contrastive terms have trained, applied from the folder of weights: a patient's image and vector as unit rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from pathfm.cohort.opened import Cohort
from pathfm.errors import InputError
from pathfm.modalities.modality import Modality
from pathfm.modalities.residual import cancer_means
from pathfm.models.precision import float32_products
from pathfm.objectives.objective import Objective
from pathfm.objectives.terms.contrastive import Contrastive
from pathfm.objectives.terms.towers import Towers
from pathfm.progress import say
from pathfm.settings.terms import EXPRESSION
from pathfm.weights.applied import objective_of
from pathfm.weights.folder import Weights


@dataclass(frozen=True)
class SharedSpace:
    """A contrastive term, or one tower of several beside the image's, with its parameters, and the modality as that term has seen it."""

    name: str
    term: Contrastive
    params: Any
    scaled: Modality
    cohort: Cohort

    @property
    def modality(self) -> str:
        return self.scaled.name

    def embedded(self, features: np.ndarray, people: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit rows [n, projection] of images and of vectors, and who has a vector [n]; features float32 [n, d], people (patient, site,
        project), rows alike.
        """
        vectors = self.scaled.vectors(self.cohort, people)
        image = jax.jit(float32_products(self.term.predict))(self.params, jnp.asarray(features, jnp.float32))["embedding"]
        other = jax.jit(float32_products(self.term.embed))(self.params, jnp.asarray(vectors.values))
        return np.asarray(image), np.asarray(other), vectors.present


def spaces_of(weights: Weights, cohort: Cohort) -> tuple[SharedSpace, ...]:
    """A space for each contrastive term, and each tower of a term of several, that the weights were trained with and whose vectors the
    cohort has; none for imported weights.

    Of an objective that is not known here, as of a term that only the training's config imported, a line says so.
    """
    if weights.card.settings is None:
        return ()
    try:
        objective = objective_of(weights)
    except InputError as error:
        say(f"retrieval: left out, {error}")
        return ()
    found = []
    for name, term, params in _terms(objective, weights.params):
        matrix = cohort.folder.matrix(term.modality)
        if term.modality == EXPRESSION or matrix.exists():
            found.append(SharedSpace(name, term, params, _as_seen(weights, term.modality, cohort), cohort))
        else:
            say(f"retrieval: {name} is left out, the cohort has no {matrix.name}")
    return tuple(found)


def _terms(objective: Objective, params: Any) -> Iterator[tuple[str, Contrastive, Any]]:
    """Name, term between image and one modality, and its parameters."""
    for name, term in objective.terms.items():
        own = objective.own(params, name)
        if isinstance(term, Contrastive):
            yield name, term, own
        elif isinstance(term, Towers):
            yield from ((f"{name}, {modality}", term.of(modality), term.own(own, modality)) for modality in term.settings.modalities)


def _as_seen(weights: Weights, name: str, cohort: Cohort) -> Modality:
    """The modality with the scale of the weights; what training took away is taken from the split's training patients again."""
    residual = weights.card.modalities[name].residual
    panel = weights.panels[name]
    if residual == "none":
        return Modality(name, panel, residual, {})
    people = cohort.people(weights.card.fold if weights.card.fold is not None else cohort.splits.folds[0])
    people = people[(people["role"] == "train") & people["patient"].isin(set(cohort.matrix(name).obs["patient"]))]
    scaled = Modality(name, panel, "none", {}).vectors(cohort, people).values
    return Modality(name, panel, residual, cancer_means(scaled, people["project"].fillna("").to_numpy(str)))
