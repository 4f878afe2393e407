"""Gene query: genes, as vectors, attend to the tiles of a patient, so that the tuned model can be asked for other genes by their vectors.

For: a cohort with expression, a base model, and an .npy of gene vectors with their names; without these, vectors of the panel are learned.
Expected: about what direct gives for the panel; for other genes as much as their vectors say of what the panel has taught.
Command: python -m pathfm.train --config configs/gene_query.py --config.cohort=DIR --config.init=BASE --workdir runs/gene_query
with --config.objective.vectors=FILE.npy --config.objective.names=FILE for the vectors; `pathfm ask` asks.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "objective": {"name": "gene_query", "width": 128, "heads": 4, "gene_width": 64, "huber": 1.0},
            "panel": "predictable:2000",  # genes that the features of `init` show
            "batch": 256,
            "tiles": 8,
            "train_for": "30 epochs",
            "optimizer": {"learning_rate": 1e-4, "layer_decay": 0.75},
        }
    )
