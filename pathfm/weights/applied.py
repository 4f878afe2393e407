"""A run's weights at work: its objective again, from the folder of weights alone."""

import jax.numpy as jnp
from jax.typing import DTypeLike

from pathfm.errors import InputError
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Objective, Widths
from pathfm.settings.schema import from_dict
from pathfm.settings.terms import TermSettings
from pathfm.weights.folder import Weights


def objective_of(weights: Weights, dtype: DTypeLike = jnp.float32) -> Objective:
    """The objective that these weights were trained with: `objective_of(weights).predict(weights.params, images, tile_mask)`.

    Images are float [patients, tiles, height, width, 3] in 0 to 1 less the card's mean, over its std; what is predicted is in the scale of
    `weights.panels`. InputError for weights that are only imported, or whose card does not say how they were trained.
    """
    card = weights.card
    if card.settings is None:
        raise InputError(
            f"the card of {weights.path} names no settings of its objective ({card.objective}); weights that were imported, or trained by "
            "an earlier version, give features alone"
        )
    settings = from_dict(TermSettings, card.settings, f"{weights.path / 'card.json'}: settings")
    widths = Widths(card.architecture.features, {name: seen.features for name, seen in card.modalities.items()}, dtype)
    return make_objective(settings, ImageTower(card.architecture, card.pooling, dtype, edge=card.tile), widths)
