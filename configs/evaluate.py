"""Evaluate: frozen features, probes on every task whose data are there, two fits each.

For: a tuned run, its base, or imported weights, all alike. Give the base the panel of the tuned run, so that both predict the same genes.
Command: python -m pathfm.evaluate --config configs/evaluate.py --config.checkpoint=RUN --config.cohort=DIR --workdir runs/e
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict({"class_weight": "balanced", "batch": 256})
