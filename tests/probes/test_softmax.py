"""The loss of logistic regression: its derivatives against finite differences, its value against scikit-learn's."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.metrics import log_loss

from pathfm.probes.softmax import Softmax

RNG = np.random.default_rng(0)


def posed(classes: int, rows: int = 40, features: int = 3, sets: int = 2) -> tuple[Softmax, np.ndarray]:
    design = np.concatenate([RNG.normal(size=(features, rows)), np.ones((1, rows))])
    weights = RNG.dirichlet(np.ones(rows), sets)
    ratio, penalty = RNG.uniform(0.5, 2, (2, sets, features + 1))
    problem = Softmax(design, np.arange(rows) % classes, classes, weights, ratio, penalty)
    return problem, RNG.normal(size=(sets, problem.columns, features + 1))


def value_of(problem: Softmax, params: np.ndarray, one: int) -> float:
    return float(problem.loss(params, problem.outputs(params)).value[one])


@pytest.mark.parametrize("classes", [2, 4])
def test_the_value_is_scikit_learns_cross_entropy_and_the_penalty(classes):
    problem, params = posed(classes)
    logits = problem.outputs(params)
    for one in range(2):
        odds = np.exp(logits[one]).T
        entropy = log_loss(problem.targets, odds / odds.sum(axis=1, keepdims=True), sample_weight=problem.weights[one])
        penalty = 0.5 * (problem.penalty[one] * params[one] ** 2).sum()
        np.testing.assert_allclose(value_of(problem, params, one), entropy + penalty)


@pytest.mark.parametrize("classes", [2, 4])
def test_gradient_and_curvature_are_those_of_the_value(classes):
    problem, params = posed(classes)
    loss = problem.loss(params, problem.outputs(params))
    gradient, direction = problem.gradient(loss, params), RNG.normal(size=params.shape)
    for one in range(2):

        def along(flat, one=one):
            moved = params.copy()
            moved[one] = flat.reshape(params[one].shape)
            return value_of(problem, moved, one)

        np.testing.assert_allclose(gradient[one].ravel(), approx_fprime(params[one].ravel(), along), atol=1e-6)
    further = params + 1e-6 * direction
    difference = problem.gradient(problem.loss(further, problem.outputs(further)), further) - gradient
    np.testing.assert_allclose(problem.curvature(loss)(direction), difference / 1e-6, rtol=1e-4, atol=1e-5)


def test_a_row_that_is_nearly_sure_keeps_its_digits():
    design = np.array([[40.0, -40.0], [1.0, 1.0]])
    problem = Softmax(design, np.array([1, 0]), 2, np.full((1, 2), 0.5), np.ones((1, 2)), np.zeros((1, 2)))
    params = np.array([[[1.0, 0.0]]])
    loss = problem.loss(params, problem.outputs(params))
    tiny = np.exp(-40.0)
    np.testing.assert_allclose(loss.value, tiny, rtol=1e-12)
    np.testing.assert_allclose(problem.gradient(loss, params)[0, 0, 0], -40 * tiny, rtol=1e-12)
    np.testing.assert_allclose(problem.curvature(loss)(params)[0, 0, 0], 1600 * tiny, rtol=1e-5)


def test_the_rough_hessian_of_two_classes_is_the_hessian_and_few_rows_come_near_it():
    problem, params = posed(2, rows=4000, sets=1)
    problem = Softmax(problem.design, problem.targets, 2, problem.weights, np.ones_like(problem.ratio), 0 * problem.penalty)
    loss = problem.loss(params, problem.outputs(params))
    columns = [problem.curvature(loss)(unit.reshape(1, 1, -1)).ravel() for unit in np.eye(4)]
    assert 4000 > 32 * 4
    np.testing.assert_allclose(problem.rough_hessian(loss), columns, atol=0.3 * np.abs(columns).max())
    few = Softmax(problem.design[:, :100], problem.targets[:100], 2, problem.weights[:, :100], problem.ratio, problem.penalty)
    loss = few.loss(params, few.outputs(params))
    columns = [few.curvature(loss)(unit.reshape(1, 1, -1)).ravel() for unit in np.eye(4)]
    np.testing.assert_allclose(few.rough_hessian(loss), columns, rtol=1e-4, atol=1e-7)
