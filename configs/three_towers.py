"""Three towers: a patient's image, expression and report find each other, pair by pair, among the patients that have both.

For: a cohort with expression, a second modality `text.h5ad` (`pathfm vectors`) and a base model. Patients may lack it.
Other vectors, and more of them: --config.objective.modalities="('expression', 'text', 'proteins')"
Command: python -m pathfm.train --config configs/three_towers.py --config.cohort=DIR --config.init=BASE --workdir runs/three_towers
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {
                "name": "towers",
                "modalities": ("expression", "text"),
                "projection": 512,
                "hidden": 1024,
                "dropout": 0.2,
                "masking": 0.2,
            },
            "panel": "predictable:2000",  # genes that the features of `init` show
            "residual": "site",
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
