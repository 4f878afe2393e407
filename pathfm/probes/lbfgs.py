"""L-BFGS for a convex loss of linear outputs: two products with the data a step, and a line search that needs none."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

HISTORY = 12
SEARCH_STEPS = 30


class Problem(NamedTuple):
    """loss(apply(params)) + ½ Σ penalty · params², given so that a search along a line touches the data once.

    `apply(params) -> outputs` is linear and `pull_back(residual) -> gradient` its transpose. `loss(outputs)` gives the value of a convex
    function, its gradient (the residual), and a function from a change of the outputs to the second derivative along it. `penalty`
    broadcasts to params.
    """

    apply: Callable
    pull_back: Callable
    loss: Callable
    penalty: jax.Array


class State(NamedTuple):
    """Where a minimisation stands; every member has the parameters' dtype but `iteration`."""

    params: jax.Array
    outputs: jax.Array
    gradient: jax.Array
    steps: jax.Array  # [history, *params]: differences of params, the newest last
    changes: jax.Array  # [history, *params]: differences of gradients
    rho: jax.Array  # [history]: 1 / ⟨step, change⟩, 0 where there is none
    value: jax.Array
    decrement: jax.Array  # twice the decrease that the quadratic model still expects
    iteration: jax.Array

    def converged(self, tolerance: float) -> jax.Array:
        return self.decrement <= tolerance * self.value


def begin(problem: Problem, params: jax.Array) -> State:
    outputs = problem.apply(params)
    loss, residual, _ = problem.loss(outputs)
    empty = jnp.zeros((HISTORY, *params.shape), params.dtype)
    return State(
        params=params,
        outputs=outputs,
        gradient=problem.pull_back(residual) + problem.penalty * params,
        steps=empty,
        changes=empty,
        rho=jnp.zeros(HISTORY, params.dtype),
        value=loss + _penalty(problem, params),
        decrement=jnp.full((), jnp.inf, params.dtype),
        iteration=jnp.int32(0),
    )


def minimise(problem: Problem, state: State, solve: Callable, tolerance: float, iterations: int) -> State:
    """At most `iterations` further steps; `solve` applies the inverse of a rough Hessian (the recursion's first matrix) to columns.

    Stops after a step whose expected decrease was below `tolerance` times the value. Nocedal and Wright, Numerical Optimization,
    algorithm 7.5; the line search is a safeguarded Newton search for a zero of the derivative, which keeps its precision where
    differences of function values are lost in rounding. Params are [rows, columns].
    """

    def proceed(carry: tuple[State, jax.Array]) -> jax.Array:
        state, left = carry
        return ~state.converged(tolerance) & (left > 0)

    def advance(carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
        state, left = carry
        direction = -_inverse_hessian_times(state, solve)
        slope = jnp.vdot(direction, state.gradient)
        change = problem.apply(direction)
        length = _search(problem, state, direction, change, slope)
        step = length * direction
        params = state.params + step
        outputs = state.outputs + length * change
        loss, residual, _ = problem.loss(outputs)
        gradient = problem.pull_back(residual) + problem.penalty * params
        difference = gradient - state.gradient
        curvature = jnp.vdot(step, difference)
        following = State(
            params=params,
            outputs=outputs,
            gradient=gradient,
            steps=_append(state.steps, step),
            changes=_append(state.changes, difference),
            rho=_append(state.rho, jnp.where(curvature > 0, 1 / jnp.where(curvature > 0, curvature, 1), 0)),
            value=loss + _penalty(problem, params),
            decrement=jnp.abs(slope),
            iteration=state.iteration + 1,
        )
        return following, jnp.where(length > 0, left - 1, 0)

    return jax.lax.while_loop(proceed, advance, (state, jnp.int32(iterations)))[0]


def _penalty(problem: Problem, params: jax.Array) -> jax.Array:
    return 0.5 * jnp.sum(problem.penalty * params * params)


def _append(history: jax.Array, newest: jax.Array) -> jax.Array:
    return jnp.concatenate([history[1:], newest[None]])


def _inverse_hessian_times(state: State, solve: Callable) -> jax.Array:
    """The two-loop recursion on the state's gradient; pairs with rho 0 leave it as it is."""

    def backward(vector, pair):
        step, change, rho = pair
        alpha = rho * jnp.vdot(step, vector)
        return vector - alpha * change, alpha

    def forward(vector, pair):
        step, change, rho, alpha = pair
        return vector + (alpha - rho * jnp.vdot(change, vector)) * step, None

    vector, alphas = jax.lax.scan(backward, state.gradient, (state.steps, state.changes, state.rho), reverse=True)
    newest = state.changes[-1]
    solved, newest_solved = jnp.split(solve(jnp.concatenate([vector, newest], axis=1)), 2, axis=1)
    norm = jnp.vdot(newest, newest_solved)
    usable = (state.rho[-1] > 0) & (norm > 0)
    scale = jnp.where(usable, 1 / jnp.where(usable, state.rho[-1] * norm, 1), 1)
    return jax.lax.scan(forward, scale * solved, (state.steps, state.changes, state.rho, alphas))[0]


def _search(problem: Problem, state: State, direction: jax.Array, change: jax.Array, first_slope: jax.Array) -> jax.Array:
    """A step length at which the slope is at most a tenth of the first one and the value has not risen; 0 when there is none."""
    along = jnp.sum(problem.penalty * state.params * direction)
    across = jnp.sum(problem.penalty * direction * direction)
    slack = 100 * jnp.finfo(state.value.dtype).eps * jnp.abs(state.value)
    flat = jnp.maximum(0.1 * jnp.abs(first_slope), slack)  # below the slack a slope is rounding

    def proceed(search):
        _, _, _, accepted, tries = search
        return ~accepted & (tries < SEARCH_STEPS)

    def refine(search):
        low, high, length, _, tries = search
        loss, residual, curvature_along = problem.loss(state.outputs + length * change)
        slope = jnp.vdot(residual, change) + along + length * across
        value = loss + _penalty(problem, state.params + length * direction)
        accepted = (jnp.abs(slope) <= flat) & (value <= state.value + slack)
        low, high = jnp.where(slope < 0, length, low), jnp.where(slope < 0, high, length)
        curvature = curvature_along(change) + across
        newton = length - slope / jnp.maximum(curvature, jnp.finfo(curvature.dtype).tiny)
        open_ended = jnp.isinf(high)
        sensible = (newton > low) & (newton < jnp.where(open_ended, 16 * length, high))
        fallback = jnp.where(open_ended, 4 * length, 0.5 * (low + high))
        return low, high, jnp.where(accepted, length, jnp.where(sensible, newton, fallback)), accepted, tries + 1

    one = jnp.ones((), state.value.dtype)
    start = (0 * one, jnp.inf * one, one, jnp.bool_(False), jnp.int32(0))
    low, _, length, accepted, _ = jax.lax.while_loop(proceed, refine, start)
    return jnp.where(accepted, length, low)
