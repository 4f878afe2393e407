"""Counts: predict the RNA reads of each gene, negative binomial, from the image embedding of the patient's tiles.

For: a cohort whose expression.h5ad has reads (layers/counts, as `pathfm expression` leaves them) and a base model. Expected: about what
direct gives; genes of few reads count for what they tell.
Command: python -m pathfm.train --config configs/counts.py --config.cohort=DIR --config.init=BASE --workdir runs/counts
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "negative_binomial", "hidden": 0},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
