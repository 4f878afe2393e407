"""Signs that a run diverges, and that a finished run has learned nothing or has collapsed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.errors import InputError
from pathfm.files import read_json, write_json
from pathfm.folders.run import RunFolder
from pathfm.objectives.objective import Objective
from pathfm.training.processes import Common
from pathfm.training.skipping import IN_A_ROW, IN_ALL

PREFIX = "validation_"
COLLAPSED = 1.5  # effective rank
GRADIENTS = "gradients"  # of more steps in a row than may be left out


def warnings_of(lines: Sequence[Mapping[str, Any]], objective: Objective) -> list[str]:
    """Sentences for the user, from the last validation among the lines of metrics.jsonl, and on steps that were left out."""
    validations = [line for line in lines if "validation_loss" in line]
    left_out = next((line[IN_ALL] for line in reversed(lines) if IN_ALL in line), 0)
    said = [f"{int(left_out):,} step(s) were left out for a loss or gradient that was not finite or too large"] if left_out else []
    if not validations:
        return said
    last = {name.removeprefix(PREFIX): value for name, value in validations[-1].items() if value is not None}
    found = objective.warnings(last)
    ranks = [value for name, value in last.items() if name.rpartition("/")[2] == "effective_rank"]
    if ranks and min(ranks) < COLLAPSED:
        found.append(f"the embeddings have collapsed: their effective rank is {min(ranks):.2f}")
    return [*found, *said]


class Divergence:
    """The first step at which something was not finite; false as long as all is.

    Where so many steps in a row as `skip` may be left out, it is the first that is one too many.
    """

    def __init__(self, folder: RunFolder, skip: int = 0):
        self._folder, self._skip = folder, skip
        self.step: int | None = None
        self.what = ""

    def __bool__(self) -> bool:
        return self.step is not None

    def of_losses(self, step: int, values: Mapping[str, float]) -> bool:
        """Whether training has diverged, now that these values of a step are known."""
        left_out = int(values.get(IN_A_ROW, 0))
        self._of_skipped(step, left_out)
        for name in ("loss", "validation_loss"):
            if not self and not left_out and not math.isfinite(values.get(name, 0.0)):
                self.step, self.what = step, name.replace("_", " ")
        return bool(self)

    def of_state(self, step: int, state: Any) -> bool:
        """Whether training has diverged, now that the state of a step is there: a checkpoint must hold none that is not finite."""
        if not self and self._skip:
            self._of_skipped(step, int(state.skipped.in_a_row))
        if not self and not all_finite(state):
            self.step, self.what = step, "state"
        return bool(self)

    def _of_skipped(self, step: int, in_a_row: int) -> None:
        if not self and in_a_row > self._skip:
            self.step, self.what = step - (in_a_row - self._skip - 1), GRADIENTS

    def refuse_to_go_on(self) -> None:
        """InputError for a run folder whose run has diverged: the same would happen again."""
        file = self._folder.divergence_file
        if file.exists():
            found = read_json(file)
            raise InputError(
                f"the run in {self._folder.root} diverged: its {said(found['what'], found['step'])}; train with a lower "
                f"--config.optimizer.learning_rate in another --workdir, or remove {file} to go on from step {found['last_good']}"
            )

    def error(self, last_good: int | None, kept: int | None) -> Common:
        """Marks the run folder as diverged; the error says from which step the newest checkpoint and the weights are."""
        if jax.process_index() == 0:
            write_json({"step": self.step, "what": self.what, "last_good": last_good or 0}, self._folder.divergence_file)
        good = "there is no checkpoint before it" if last_good is None else f"the last good checkpoint is that of step {last_good}"
        weights = "no weights are kept" if kept is None else f"{self._folder.weights} holds the best so far, of step {kept}"
        return Common(
            f"training has diverged: the {said(self.what, self.step)}; {good}, and {weights}; "
            "train with a lower --config.optimizer.learning_rate in another --workdir"
        )


def said(what: str, step: int | None) -> str:
    """What was not finite, in words that go on after "its" or "the"."""
    if what == GRADIENTS:
        return f"gradients up to step {step} are not finite or too large, more of them in a row than --config.optimizer.skip allows"
    return f"{what} at step {step} is not finite"


@jax.jit
def _finite(leaves: list[jax.Array]) -> list[jax.Array]:
    return [jnp.all(jnp.isfinite(leaf)) for leaf in leaves]


def all_finite(state: Any) -> bool:
    """Whether every number of the state is finite; the same answer in every process."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return all(bool(finite) for finite in _finite(leaves))
