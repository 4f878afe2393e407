"""Signs that a run diverges, and that a finished run has learned nothing or has collapsed."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.errors import InputError
from pathfm.files import read_json, write_json
from pathfm.training.config import TrainConfig
from pathfm.training.processes import Common

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
    return found


class Divergence:
    """The first step at which something was not finite; false as long as all is."""

    def __init__(self, workdir: Path):
        self._path = workdir / "diverged.json"
        self.step: int | None = None
        self.what = ""

    def __bool__(self) -> bool:
        return self.step is not None

    def of_losses(self, step: int, values: Mapping[str, float]) -> bool:
        """Whether training has diverged, now that these values of a step are known."""
        for name in ("loss", "validation_loss"):
            if not self and not math.isfinite(values.get(name, 0.0)):
                self.step, self.what = step, name.replace("_", " ")
        return bool(self)

    def of_state(self, step: int, state: Any) -> bool:
        """Whether training has diverged, now that the state of a step is there: a checkpoint must hold none that is not finite."""
        if not self and not all_finite(state):
            self.step, self.what = step, "state"
        return bool(self)

    def refuse_to_go_on(self) -> None:
        """InputError for a run folder whose run has diverged: the same would happen again."""
        if self._path.exists():
            found = read_json(self._path)
            raise InputError(
                f"the run in {self._path.parent} diverged: its {found['what']} at step {found['step']} is not finite; train with a lower "
                f"--config.optimizer.learning_rate in another --workdir, or remove {self._path} to go on from step {found['last_good']}"
            )

    def error(self, last_good: int | None, kept: int | None) -> Common:
        """Marks the run folder as diverged; the error says from which step the newest checkpoint and the weights are."""
        if jax.process_index() == 0:
            write_json({"step": self.step, "what": self.what, "last_good": last_good or 0}, self._path)
        good = "there is no checkpoint before it" if last_good is None else f"the last good checkpoint is that of step {last_good}"
        weights = "no weights are kept" if kept is None else f"{self._path.parent / 'weights'} holds the best so far, of step {kept}"
        return Common(
            f"training has diverged: the {self.what} at step {self.step} is not finite; {good}, and {weights}; "
            "train with a lower --config.optimizer.learning_rate in another --workdir"
        )


@jax.jit
def _finite(leaves: list[jax.Array]) -> list[jax.Array]:
    return [jnp.all(jnp.isfinite(leaf)) for leaf in leaves]


def all_finite(state: Any) -> bool:
    """Whether every number of the state is finite; the same answer in every process."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return all(bool(finite) for finite in _finite(leaves))
