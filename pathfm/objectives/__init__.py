"""Objectives: ways to train the image tower, each a file; `make_objective` finds them by name."""

from typing import Any

from pathfm.objectives.contrastive import Contrastive
from pathfm.objectives.direct import Direct
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Objective
from pathfm.objectives.views import Views


def make_objective(config: Any, tower: ImageTower, genes: int) -> Objective:
    """The objective that a config's `objective` block names; `pathfm.training.config.ObjectiveConfig` documents its fields."""
    if config.name == "contrastive":
        return Contrastive(
            tower,
            genes,
            config.projection,
            config.hidden,
            config.dropout,
            config.mask_genes,
            config.temperature,
            config.max_logit_scale,
            config.noise,
        )
    if config.name == "direct":
        return Direct(tower, genes, config.hidden, config.huber)
    return Views(tower, config.projection, config.temperature, config.max_logit_scale)
