"""Contrastive: pull a patient's image embedding and expression embedding together, against all other patients of the batch.

For: a cohort with expression and a base model. Expected: a small gain on tasks that expression can teach, at some risk far from it.
Command: python -m pathfm.train --config configs/contrastive.py --config.cohort=DIR --config.init=BASE --workdir runs/contrastive
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "contrastive", "projection": 512, "hidden": 1024, "dropout": 0.2, "mask_genes": 0.2},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "residual": "site",
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
