"""SigLIP: each pair of an image and an expression profile is a question of its own, whether they are one patient's.

For: as contrastive, where batches are small, since no softmax ties the pairs of a batch. Expected: not compared with contrastive here yet.
Command: python -m pathfm.train --config configs/siglip.py --config.cohort=DIR --config.init=BASE --workdir runs/siglip
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "contrastive", "loss": "siglip", "temperature": 0.1},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "residual": "site",
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
