"""Anchored: predict expression, with the features held near those of the base.

For: a cohort with expression and a base model that is good at much that expression does not teach. Expected: less gained, less lost.
Command: python -m pathfm.train --config anchored --config.cohort=DIR --config.init=BASE --workdir runs/anchored
Held tighter or looser (nobody has measured how tight is best): --config.objective.terms.anchor.weight=3
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "joint", "terms": {"direct": 1.0, "anchor": {"weight": 1.0, "distance": "cosine"}}},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
