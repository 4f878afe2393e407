"""Views: two augmentations of a tile find each other among all tiles of the batch; no expression, no labels.

For: the base of the demo, and with `init` the control arm that trains as long as the others without expression.
Command: python -m pathfm.train --config configs/views.py --config.cohort=DIR --config.model=demo --workdir runs/base
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "views", "projection": 128, "temperature": 0.1},
            "batch": 256,
            "tiles": 1,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-3},
            "augment": {"stain": 0.2, "brightness": 0.2, "crop": 0.4},
        }
    )
