"""Joint: expression is predicted and matched on one tower, and the self-supervised loss is kept beside.

For: a cohort with expression and a base model, when direct and contrastive each gain on other tasks. Weights are shares of the gradient.
Command: python -m pathfm.train --config joint --config.cohort=DIR --config.init=BASE --workdir runs/joint
Other terms: --config.objective.terms=direct,anchor=0.5
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "joint", "terms": {"direct": 1.0, "contrastive": 1.0, "views": 0.5}, "balance": "gradient"},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "residual": "site",
            "batch": 256,
            "tiles": 4,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
            "augment": {"stain": 0.2, "brightness": 0.2, "crop": 0.4},  # two views must differ for `views` to teach anything
        }
    )
