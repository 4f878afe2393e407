"""Configs of earlier versions, as the present schema says them."""

from collections.abc import Mapping
from typing import Any

from pathfm.settings.schema import unknown_keys
from pathfm.settings.terms import TermSettings

ONE_FOR_ALL = {"name", "projection", "hidden", "dropout", "mask_genes", "temperature", "max_logit_scale", "huber", "noise"}


def translated(values: Mapping[str, Any]) -> dict[str, Any]:
    """A kept training config whose `objective` still had the settings of all objectives: those of others are left out."""
    objective = values.get("objective")
    if not isinstance(objective, dict) or set(objective) != ONE_FOR_ALL or objective["name"] not in TermSettings.kinds:
        return dict(values)
    others = unknown_keys(TermSettings.kinds[objective["name"]], objective)
    return {**values, "objective": {key: value for key, value in objective.items() if key not in others}}
