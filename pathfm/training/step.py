"""One step of training as a pure function of (state, batch), the same for every objective."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pathfm.objectives.bank import Bank
from pathfm.objectives.objective import Batch, Metrics, Objective, Prepare
from pathfm.settings.training import OptimizerConfig
from pathfm.training.averages import averaged
from pathfm.training.microbatch import Encode, encoded_in_parts, value_and_gradients
from pathfm.training.skipping import IN_A_ROW, IN_ALL, judged
from pathfm.training.state import State

TrainStep = Callable[[State, Batch, Bank | None], tuple[State, Metrics]]
EvaluateStep = Callable[[State, Batch, Bank | None], tuple[Metrics, jax.Array]]


def make_train_step(
    objective: Objective,
    prepare: Prepare,
    optimizer: optax.GradientTransformation,
    config: OptimizerConfig,
    seed: int,
    part: int,
    steps: int,
) -> TrainStep:
    """(state, batch, bank) → (state, metrics) of a run of `steps`, `part` patients encoded at a time.

    The terms of the objective see in the batch how far the run is (`progress`). Random numbers come from (seed, step, patient) and from
    nothing else. `gradient_norm` is the norm that is clipped. The parameters are averaged, and steps are left out, where the config says
    so.
    """

    def step(state: State, batch: Batch, bank: Bank | None) -> tuple[State, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        batch = {**batch, "progress": jnp.full(batch["patient"].shape, state.step.astype(jnp.float32) / steps)}
        encode = encoder(objective, prepare, jax.random.fold_in(key, 0), train=True)
        (value, metrics), gradients = value_and_gradients(
            objective, encode, state.params, state.fixed, batch, bank, jax.random.fold_in(key, 1), part
        )
        with jax.numpy_dtype_promotion("standard"):  # optax counts in integers and multiplies with floats
            updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        updated: Any = optax.apply_updates(state.params, updates)
        changed, norm = (objective.bounded(updated), optimizer_state), optax.tree.norm(gradients)
        metrics = {"loss": value, "gradient_norm": norm, **metrics}
        average, skipped = state.average, state.skipped
        if config.skip:
            take, skipped = judged(config, state.skipped, value, norm)
            changed = jax.tree.map(partial(jnp.where, take), changed, (state.params, state.optimizer))
            metrics |= {IN_A_ROW: skipped.in_a_row, IN_ALL: skipped.in_all}
        if config.ema:
            average = averaged(state.average, changed[0], config.ema, state.step + 1)
        return State(state.step + 1, changed[0], state.fixed, changed[1], average, skipped), metrics

    return step


def make_evaluate_step(objective: Objective, prepare: Prepare, seed: int, part: int) -> EvaluateStep:
    """(state, batch, bank) → (metrics, patients in the batch), without dropout and always with the same random numbers."""

    def step(state: State, batch: Batch, bank: Bank | None) -> tuple[Metrics, jax.Array]:
        key, params = jax.random.key(seed), state.every
        encode = encoder(objective, prepare, jax.random.fold_in(key, 0), train=False)
        encoded = encoded_in_parts(encode, params, batch, part)
        value, metrics = objective.loss(params, encoded, batch, bank, jax.random.fold_in(key, 1), train=False)
        return {"loss": value, **metrics}, jnp.sum(batch["patient"] >= 0)

    return step


class Ahead:
    """Holds the host to a few steps ahead of the devices: enough to keep them busy, with the batches of these steps alone in their memory.

    Without a bound XLA on several CPU devices waits for ever: a device that has 32 programs waiting keeps the thread that another needs.
    """

    STEPS = 4

    def __init__(self):
        self._running: deque[Any] = deque()

    def wait(self, results: Any) -> None:
        """Waits for the results of the step `STEPS` before the one whose results are given."""
        self._running.append(results)
        if len(self._running) > self.STEPS:
            jax.block_until_ready(self._running.popleft())


def compiler_options(platform: str, remat: str) -> dict[str, str] | None:
    """What XLA is told besides its defaults. On a CPU it takes remat's barriers away before it merges equal operations, which would
    merge the second computation of a value with the first; there the pass that takes them away is left out.
    """
    return {"xla_disable_hlo_passes": "cse_barrier_expander"} if remat != "none" and platform == "cpu" else None


def encoder(objective: Objective, prepare: Prepare, key: jax.Array, train: bool) -> Encode:
    """From uint8 tiles to features; augmentation is part of it, so that pixels in floats exist for a part of the batch at a time."""
    return lambda params, batch: objective.encode(params, prepare(batch, key, train))
