"""One step of training as a pure function of (state, batch), the same for every objective."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pathfm.objectives.objective import Objective
from pathfm.training.microbatch import Batch, Encode, encoded_in_parts, value_and_gradients


class State(NamedTuple):
    """All that changes in training. The position in the data is the step itself."""

    step: jax.Array  # int32
    params: Any
    optimizer: Any


# From a uint8 batch and a key to the batch that the objective encodes.
Prepare = Callable[[Batch, jax.Array, bool], Batch]


def initial_state(params: Any, optimizer: optax.GradientTransformation) -> State:
    return State(jnp.zeros((), jnp.int32), params, optimizer.init(params))


def make_train_step(objective: Objective, prepare: Prepare, optimizer: optax.GradientTransformation, seed: int, part: int) -> Callable:
    """(state, batch) → (state, metrics), `part` patients encoded at a time.

    Random numbers come from (seed, step, patient) and from nothing else.
    """

    def step(state: State, batch: Batch) -> tuple[State, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        encode = encoder(objective, prepare, jax.random.fold_in(key, 0), train=True)
        (value, metrics), gradients = value_and_gradients(objective, encode, state.params, batch, jax.random.fold_in(key, 1), part)
        with jax.numpy_dtype_promotion("standard"):  # optax counts in integers and multiplies with floats
            updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradients), **metrics}
        return State(state.step + 1, params, optimizer_state), metrics

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


def make_evaluate_step(objective: Objective, prepare: Prepare, seed: int, part: int) -> Callable:
    """(params, batch) → (metrics, patients in the batch), without dropout and always with the same random numbers."""

    def step(params: Any, batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
        key = jax.random.key(seed)
        encode = encoder(objective, prepare, jax.random.fold_in(key, 0), train=False)
        encoded = encoded_in_parts(encode, params, batch, part)
        value, metrics = objective.loss(params, encoded, batch, jax.random.fold_in(key, 1), train=False)
        return {"loss": value, **metrics}, jnp.sum(batch["patient"] >= 0)

    return step


def encoder(objective: Objective, prepare: Prepare, key: jax.Array, train: bool) -> Encode:
    """From uint8 tiles to features; augmentation is part of it, so that pixels in floats exist for a part of the batch at a time."""
    return lambda params, batch: objective.encode(params, prepare(batch, key, train))
