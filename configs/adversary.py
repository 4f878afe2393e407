"""Adversary: what direct or contrastive learns, while a head that reads the hospital from the embedding is worked against.

For: a cohort of many hospitals whose stain the embedding holds. Expected: the hospital is read less well ("the hospital, before and
after tuning" on the report's page); what else it costs or gains, the table shows against the same objective without it.
Command: python -m pathfm.train --config configs/adversary.py --config.cohort=DIR --config.init=BASE --workdir runs/adversary
With direct: --config configs/adversary.py:direct
"""

from ml_collections import ConfigDict

OBJECTIVES = {
    "contrastive": {"projection": 512, "hidden": 1024, "dropout": 0.2, "mask_genes": 0.2},
    "direct": {"hidden": 0, "huber": 1.0},
}


def get_config(objective: str = "contrastive") -> ConfigDict:
    return ConfigDict(
        {
            "objective": {
                "name": "joint",
                "terms": {
                    objective: OBJECTIVES[objective],
                    # Among the hospitals of the cancer type: hospitals and types go together, and the type must not be unlearned.
                    "adversary": {"weight": 1.0, "within_cancer": True, "strength": 1.0, "ramp": 10.0},
                },
            },
            "panel": "predictable:2000",  # genes that the features of `init` show
            "residual": "site",
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
