"""One step of training as a pure function of (state, batch), the same for every objective."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pathfm.objectives.objective import Objective


class State(NamedTuple):
    """All that changes in training. The position in the data is the step itself."""

    step: jax.Array  # int32
    params: Any
    optimizer: Any


# From a uint8 batch and a key to the batch that the objective's loss takes.
Prepare = Callable[[dict[str, jax.Array], jax.Array, bool], dict[str, jax.Array]]


def initial_state(params: Any, optimizer: optax.GradientTransformation) -> State:
    return State(jnp.zeros((), jnp.int32), params, optimizer.init(params))


def make_train_step(objective: Objective, prepare: Prepare, optimizer: optax.GradientTransformation, seed: int) -> Callable:
    """(state, batch) → (state, metrics): random numbers come from (seed, step, patient) and from nothing else."""

    def step(state: State, batch: dict[str, jax.Array]) -> tuple[State, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        ready = prepare(batch, jax.random.fold_in(key, 0), True)

        def loss(params: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
            return objective.loss(params, ready, jax.random.fold_in(key, 1), train=True)

        (value, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        with jax.numpy_dtype_promotion("standard"):  # optax counts in integers and multiplies with floats
            updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradients), **metrics}
        return State(state.step + 1, params, optimizer_state), metrics

    return step


def compiler_options(platform: str, remat: str) -> dict[str, str] | None:
    """What XLA is told besides its defaults. On a CPU it takes remat's barriers away before it merges equal operations, which would
    merge the second computation of a value with the first; there the pass that takes them away is left out.
    """
    return {"xla_disable_hlo_passes": "cse_barrier_expander"} if remat != "none" and platform == "cpu" else None


def make_evaluate_step(objective: Objective, prepare: Prepare, seed: int) -> Callable:
    """(params, batch) → (metrics, patients in the batch), without dropout and always with the same random numbers."""

    def step(params: Any, batch: dict[str, jax.Array]) -> tuple[dict[str, jax.Array], jax.Array]:
        key = jax.random.key(seed)
        ready = prepare(batch, jax.random.fold_in(key, 0), False)
        value, metrics = objective.loss(params, ready, jax.random.fold_in(key, 1), train=False)
        return {"loss": value, **metrics}, jnp.sum(batch["patient"] >= 0)

    return step
