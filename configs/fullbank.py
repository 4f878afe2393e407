"""Full bank: an image finds its patient's expression profile among those of all training patients, not of the batch alone.

For: as contrastive, where memory allows small batches only. Expected: not compared with contrastive here yet.
Command: python -m pathfm.train --config configs/fullbank.py --config.cohort=DIR --config.init=BASE --workdir runs/fullbank
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "contrastive", "negatives": "bank"},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "residual": "site",
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
