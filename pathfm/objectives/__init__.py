"""Objectives: ways to train the image tower, each a file; `make_objective` finds them by name."""

from typing import Any

from jax.typing import DTypeLike

from pathfm.models.vit import ViTSpec
from pathfm.objectives.contrastive import Contrastive
from pathfm.objectives.direct import Direct
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Objective
from pathfm.objectives.views import Views


def make_objective(
    config: Any, spec: ViTSpec, pooling: str, genes: int, dtype: DTypeLike, remat: bool = False, edge: int | None = None
) -> Objective:
    """The objective that a config's `objective` block names; `pathfm.training.config.ObjectiveConfig` documents its fields.

    `edge` is that of the tiles in pixels, where it is not the one that the architecture names.
    """
    tower = ImageTower(spec, pooling, dtype, remat, edge)
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
