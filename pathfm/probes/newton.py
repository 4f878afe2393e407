"""Newton's method with conjugate gradients for several convex problems at once: an exact gradient, a curvature that need not be."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

REDUCTION = 0.1  # of the residual, in the norm of the preconditioner
SOLVER_STEPS = 500
HALVINGS = 40


class Loss(Protocol):
    """What is known at a point of every problem."""

    @property
    def value(self) -> np.ndarray:
        """[problems]."""
        ...


L = TypeVar("L", bound=Loss)


class Problem(Protocol[L]):
    """`problems` convex losses of outputs that are linear in params [problems, columns, rows]."""

    def outputs(self, params: np.ndarray) -> np.ndarray:
        """[problems, ...], linear in params."""
        ...

    def loss(self, params: np.ndarray, outputs: np.ndarray) -> L:
        """The value there, and what gradient and curvature need."""
        ...

    def gradient(self, loss: L, params: np.ndarray) -> np.ndarray:
        """Of the shape of params."""
        ...

    def curvature(self, loss: L) -> Callable:
        """The product of the Hessian there with a direction; single precision will do."""
        ...


class Minimum(NamedTuple):
    """Where a minimisation ended."""

    params: np.ndarray
    outputs: np.ndarray
    loss: Loss
    iterations: np.ndarray  # [problems]: steps of Newton's method
    converged: np.ndarray  # [problems]
    effort: int  # the most steps that one system of equations took


def minimise(problem: Problem, params: np.ndarray, outputs: np.ndarray, inverse: Callable, tolerance: float, steps: int) -> Minimum:
    """From params [problems, columns, rows] and their outputs, at most `steps` steps; `inverse` applies a rough inverse of the Hessian.

    A problem has converged after a step whose expected decrease, half of gradient · Hessian⁻¹ · gradient, was below `tolerance` times the
    value, and whose direction solved Newton's equations to REDUCTION. Nocedal and Wright, Numerical Optimization, algorithm 7.1, with the
    gradient in the precision of params, so that a curvature of single precision costs steps and not exactness.
    """
    loss = problem.loss(params, outputs)
    converged, stuck = np.zeros((2, len(params)), bool)
    iterations, effort = np.zeros(len(params), int), 0
    for _ in range(steps):
        running = ~(converged | stuck)
        if not running.any():
            break
        gradient = problem.gradient(loss, params)
        direction, solved, tries = solve(problem.curvature(loss), -gradient, inverse, running)
        decrease = -_dot(gradient, direction)
        change = problem.outputs(direction)
        length, loss = _search(problem, params, outputs, direction, change, decrease, running, loss.value)
        params, outputs = params + _each(length, params) * direction, outputs + _each(length, outputs) * change
        small = solved & (0.5 * decrease <= tolerance * loss.value)
        converged |= running & small
        stuck |= running & ~small & (length == 0)
        iterations += running
        effort = max(effort, tries)
    return Minimum(params, outputs, loss, iterations, converged, effort)


def solve(product: Callable, wanted: np.ndarray, inverse: Callable, running: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(solutions of product(x) = wanted, whether each was solved to REDUCTION, steps); stops when all that are `running` are."""
    solution, residual = np.zeros_like(wanted), wanted
    conjugate = inverse(residual)
    left = _dot(residual, conjugate)
    goal, tries = REDUCTION**2 * left, 0
    unsolved = running & (left > goal)
    while unsolved.any() and tries < SOLVER_STEPS:
        turned = product(conjugate)
        across = _dot(conjugate, turned)
        bent = unsolved & (across > 0)
        length = _each(np.where(bent, left / np.where(bent, across, 1), 0), wanted)
        solution = solution + length * conjugate
        residual = residual - length * turned
        preconditioned = inverse(residual)
        before, left = left, _dot(residual, preconditioned)
        conjugate = preconditioned + _each(left / np.where(before > 0, before, 1), wanted) * conjugate
        unsolved &= bent & (left > goal)
        tries += 1
    return solution, left <= goal, tries


def _search(problem, params, outputs, direction, change, decrease, running, value):
    """(step lengths, the loss there): halved from 1 until the value falls by a part of what the slope promises; 0 where it never does."""
    length = np.where(running, 1.0, 0.0)
    rounding = 100 * np.finfo(value.dtype).eps * np.abs(value)
    for halving in range(HALVINGS + 1):
        loss = problem.loss(params + _each(length, params) * direction, outputs + _each(length, outputs) * change)
        falls = loss.value <= value - 1e-4 * length * decrease + rounding
        if falls.all():
            break
        length = np.where(falls, length, length / 2 if halving < HALVINGS - 1 else 0.0)
    return length, loss


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[problems]."""
    return np.einsum("pcr,pcr->p", a, b)


def _each(scalars: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Scalars [problems] against arrays [problems, ...]."""
    return scalars.reshape(-1, *[1] * (like.ndim - 1))
