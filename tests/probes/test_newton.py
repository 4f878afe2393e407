"""Newton's method with conjugate gradients, on problems whose minimum is known."""

from types import SimpleNamespace

import numpy as np

from pathfm.probes import newton

RNG = np.random.default_rng(0)
ROOTS = RNG.normal(size=(3, 12, 12)) * np.logspace(0, -2, 12)
MATRICES = ROOTS @ ROOTS.swapaxes(1, 2) + 1e-3 * np.eye(12)
WANTED = RNG.normal(size=(3, 1, 12))
OPTIMUM = np.linalg.solve(MATRICES, WANTED[:, 0, :, None])[:, None, :, 0]
START = np.zeros((3, 1, 12))


class Quadratic:
    """1 + ½ (x − x*)ᵀ A (x − x*), whose curvature is told wrong by a part `error`."""

    def __init__(self, error: float = 0.0):
        self.error = error

    def outputs(self, params):
        return params

    def loss(self, params, outputs):
        away = params - OPTIMUM
        return SimpleNamespace(value=1 + 0.5 * (away * self.times(away)).sum(axis=(1, 2)))

    def gradient(self, loss, params):
        return self.times(params - OPTIMUM)

    def curvature(self, loss):
        return lambda direction: (1 + self.error) * self.times(direction)

    def times(self, params):
        return np.einsum("pij,pcj->pci", MATRICES, params)


def same(params):
    return params


def test_equations_are_solved_to_the_reduction_or_said_not_to_be(monkeypatch):
    running = np.ones(3, bool)
    problem = Quadratic()
    found, solved, tries = newton.solve(problem.times, WANTED, same, running)
    assert solved.all() and 1 < tries <= 30
    assert (np.linalg.norm(problem.times(found) - WANTED, axis=2) <= 0.1001 * np.linalg.norm(WANTED, axis=2)).all()
    monkeypatch.setattr(newton, "SOLVER_STEPS", 1)
    assert not newton.solve(problem.times, WANTED, same, running)[1].all()


def test_a_curvature_that_is_told_wrong_costs_steps_and_not_the_optimum():
    iterations = []
    for error in (0.0, 0.3):
        end = newton.minimise(Quadratic(error), START, START, same, 1e-14, 100)
        assert end.converged.all()
        np.testing.assert_allclose(end.loss.value, 1, rtol=1e-12)
        iterations.append(end.iterations.max())
    assert iterations[0] < iterations[1]


def test_directions_that_were_not_solved_for_are_no_proof_of_an_optimum(monkeypatch):
    monkeypatch.setattr(newton, "SOLVER_STEPS", 1)
    end = newton.minimise(Quadratic(), START, START, same, 1e-3, 3)
    assert not end.converged.all() and (end.iterations <= 3).all()


def test_a_step_too_far_is_halved_until_the_value_falls():
    end = newton.minimise(Quadratic(-0.9), START, START, same, 1e-12, 200)
    assert end.converged.all()
    np.testing.assert_allclose(end.loss.value, 1, rtol=1e-10)
