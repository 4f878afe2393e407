"""Checkpoints of what training changes under their step: the newest, to go on from, and the best on validation patients."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from pathfm.errors import InputError
from pathfm.files import quiet_abandoned_reads, reason, refuse_full_disk
from pathfm.training.state import State

FAILURES = (OSError, ValueError)  # a full disk is the one in Orbax's own code, the other in TensorStore's


def unwritten(what: str, error: Exception) -> str:
    first_line = str(error).partition("\n")[0]
    return f"{what} could not be written: {first_line}; free some space and start the run again"


class _Manager(ocp.CheckpointManager):
    """Orbax's, which would count its saves among the points at which processes settle where to stop: those are the loop's own."""

    def reached_preemption(self, step: int) -> bool:
        del step
        return False


@dataclass(frozen=True)
class NewestAndBest:
    """Which checkpoints stay: the newest, and of those with a loss in `losses` (step → validation loss) the best."""

    losses: Mapping[int, float]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        del context
        steps = [checkpoint.step for checkpoint in checkpoints]
        return [step in (max(steps), best_of(self.losses, steps)) for step in steps]


def best_of(losses: Mapping[int, float], steps: Iterable[int]) -> int | None:
    """The step with the least loss; the earliest of equals, and None where no step has a loss."""
    return min((step for step in steps if step in losses), key=lambda step: (losses[step], step), default=None)


class Checkpoints:
    """The folder `checkpoints/` of a run. A save in progress is invisible until it is whole.

    `losses` are the validation losses that the run has written down: a checkpoint saved on a stop gets its own only when the run goes on.
    """

    def __init__(self, folder: str | Path, losses: Mapping[int, float]):
        self._losses: dict[int, float] = {}
        self._manager = _Manager(
            Path(folder).absolute(),
            item_handlers=ocp.StandardCheckpointHandler(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=NewestAndBest(self._losses),
                best_fn=lambda metrics: metrics["validation_loss"],  # has Orbax keep the metrics beside the state
                best_mode="min",
                cleanup_tmp_directories=True,
            ),
        )
        for step in self._manager.all_steps():
            kept = (self._manager.metrics(step) or {}).get("validation_loss")
            loss = losses.get(step) if kept is None else kept
            if loss is not None and math.isfinite(loss):
                self._losses[step] = loss

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self._manager.close()  # waits for a save in progress

    def latest(self) -> int | None:
        return self._manager.latest_step()

    def best(self) -> int | None:
        """The step with the least validation loss; the earliest of equals."""
        return best_of(self._losses, self._manager.all_steps())

    def save(self, step: int, state: State, validation_loss: float | None) -> None:
        """Starts saving all but the fixed parameters; the state may be used and replaced at once.

        A step that is there already is left as it is, but for its loss.
        """
        if validation_loss is not None:
            self._losses[step] = validation_loss
        if step in self._manager.all_steps():
            return
        changing = _changing(state)
        refuse_full_disk(self._folder(step), sum(leaf.nbytes for leaf in jax.tree.leaves(changing)))
        try:
            self._manager.save(step, args=ocp.args.StandardSave(changing), metrics={"validation_loss": validation_loss})
        except FAILURES as error:
            raise InputError(unwritten(f"the checkpoint of step {step} of {self._manager.directory}", error)) from error

    def restore(self, step: int, shapes: State, shardings: State, fixed: Any) -> State:
        """The state of a step with the fixed parameters given, laid out on the devices as `shardings` says, whatever layout it was saved
        from.
        """

        def template(leaf: jax.ShapeDtypeStruct, sharding: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        wanted = jax.tree.map(template, _changing(shapes), _changing(shardings))
        try:
            with quiet_abandoned_reads():
                found = _as_now(self._manager.restore(step, args=ocp.args.StandardRestore(self._as_kept(step, wanted))))
        except Exception as error:
            if type(error) is not Exception and not isinstance(error, (*FAILURES, KeyError)):  # Orbax's own, of an array, is a bare one
                raise
            raise InputError(
                f"the checkpoint {self._folder(step)} cannot be read ({reason(error.__cause__ or error)}): it is damaged, or belongs to "
                "another model or objective; remove it to go on from an earlier one, or use another --workdir"
            ) from error
        return State(found["step"], found["params"], fixed, found["optimizer"], found.get("average", ()), found.get("skipped", ()))

    def _folder(self, step: int) -> Path:
        return Path(self._manager.directory) / str(step)

    def _as_kept(self, step: int, wanted: dict[str, Any]) -> dict[str, Any]:
        """The template in the shape in which the checkpoint was kept: earlier versions had the optimizer's state inside another."""
        kept = self._manager.item_metadata(step)
        if kept is None or "inner_states" not in kept["optimizer"]:
            return wanted
        return wanted | {"optimizer": {"inner_states": {"frozen": {"inner_state": None}, "trained": {"inner_state": wanted["optimizer"]}}}}

    def finish(self) -> None:
        """Waits until every save is whole; raises what went wrong in the background."""
        try:
            self._manager.wait_until_finished()
        except FAILURES as error:
            raise InputError(unwritten(f"a checkpoint of {self._manager.directory}", error)) from error


def _changing(state: State) -> dict[str, Any]:
    """What is kept of a state, without what it does not have: the fixed parameters are those of the start."""
    further = {name: part for name, part in (("average", state.average), ("skipped", state.skipped)) if jax.tree.leaves(part)}
    return {"step": state.step, "params": state.params, "optimizer": state.optimizer, **further}


def _as_now(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The inverse of `Checkpoints._as_kept`."""
    if "inner_states" not in found["optimizer"]:
        return found
    return {**found, "optimizer": found["optimizer"]["inner_states"]["trained"]["inner_state"]}
