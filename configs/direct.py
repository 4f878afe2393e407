"""Direct: predict the expression profile of the patient from the image embedding of its tiles.

For: a cohort with expression and a base model. Expected: a gain in the expression that can be read from slides.
Command: python -m pathfm.train --config configs/direct.py --config.cohort=DIR --config.init=BASE --workdir runs/direct
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "direct", "hidden": 0, "huber": 1.0},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
