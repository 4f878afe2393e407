"""Signs that a finished run has learned nothing, or has collapsed."""

from collections.abc import Mapping, Sequence
from typing import Any

from pathfm.objectives.objective import Objective

PREFIX = "validation_"
COLLAPSED = 1.5  # effective rank


def warnings_of(lines: Sequence[Mapping[str, Any]], objective: Objective) -> list[str]:
    """Sentences for the user, from the last validation among the lines of metrics.jsonl."""
    validations = [line for line in lines if "validation_loss" in line]
    if not validations:
        return []
    last = {name.removeprefix(PREFIX): value for name, value in validations[-1].items() if value is not None}
    found = objective.warnings(last)
    ranks = [value for name, value in last.items() if name.rpartition("/")[2] == "effective_rank"]
    if ranks and min(ranks) < COLLAPSED:
        found.append(f"the embeddings have collapsed: their effective rank is {min(ranks):.2f}")
    if validations[-1]["validation_loss"] is None:
        found.append("the loss is not a number")
    return found
