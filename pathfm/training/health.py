"""Signs that a finished run has learned nothing, or has collapsed."""

import json
from pathlib import Path

from pathfm.training.config import TrainConfig

LEARNED_NOTHING = 0.98  # of the loss at which nothing has been learned
COLLAPSED = 1.5  # effective rank


def warnings_of(metrics: Path, config: TrainConfig) -> list[str]:
    """Sentences for the user, from the last validation that metrics.jsonl holds."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    validations = [line for line in lines if "validation_loss" in line]
    if not validations:
        return []
    last, found = validations[-1], []
    if last.get("validation_loss_over_ln_batch", 0.0) > LEARNED_NOTHING:
        found.append(
            "the loss on validation patients stayed at ln(batch): contrastive training has learned nothing that holds for other patients"
        )
    if last.get("validation_loss_over_mean_profile", 0.0) > 1.0:
        found.append("on validation patients the predicted expression is no better than the mean profile")
    if last.get("validation_effective_rank", COLLAPSED) < COLLAPSED:
        found.append(f"the embeddings have collapsed: their effective rank is {last['validation_effective_rank']:.2f}")
    if last.get("validation_logit_scale", 0.0) >= config.objective.max_logit_scale:
        found.append(f"the logit scale reached its bound of {config.objective.max_logit_scale:g}")
    if last["validation_loss"] is None:
        found.append("the loss is not a number")
    return found
