"""Pathways: predict, from the image embedding of a patient's tiles, the scores of gene sets in place of genes.

For: a cohort with expression and a base model. Expected: targets that are less noisy than single genes, and fewer; not every set shows.
Give the sets with --config.panel=pathways:FILE.gmt (mean z-score) or ssgsea:FILE.gmt; as shipped, the 50 hallmarks of MSigDB.
Command: python -m pathfm.train --config configs/pathways.py --config.cohort=DIR --config.init=BASE --workdir runs/pathways
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "direct", "hidden": 0, "huber": 1.0},
            "panel": "pathways:hallmark",
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
