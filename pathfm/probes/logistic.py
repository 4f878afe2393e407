"""L2-regularised multinomial logistic regression: one path from the strongest penalty to the weakest, for all training sets of the rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import solve_triangular

from pathfm.probes import newton
from pathfm.probes.protocol import Fitted
from pathfm.probes.softmax import Softmax
from pathfm.probes.standard import standardisation
from pathfm.probes.strength import STRENGTHS
from pathfm.probes.target import Classes, Target

TOLERANCE = 1e-8  # of the loss, for what the last step was expected to gain
STEPS = 60  # of Newton's method, a strength
TOGETHER = 8  # training sets
HARD = 12  # conjugate gradients that a rough Hessian may cost before it is made anew


@dataclass(frozen=True)
class LogisticPath:
    """Models of `sets` training sets at `strengths` strengths each, on features standardised by the training set's mean and sd."""

    mean: np.ndarray  # [sets, features]
    scale: np.ndarray  # [sets, features]: 1 / sd, 0 where the feature is constant
    coefficients: np.ndarray  # [sets, strengths, features, classes]
    intercepts: np.ndarray  # [sets, strengths, classes]
    iterations: np.ndarray  # [sets, strengths]
    converged: np.ndarray  # [sets, strengths]

    def logits(self, features: np.ndarray, member: int = 0, strength: int | slice = slice(None)) -> np.ndarray:
        """[strengths, n, classes] of one training set, or [n, classes] at one strength, from features [n, features]."""
        standard = (features - self.mean[member]) * self.scale[member]
        return standard @ self.coefficients[member, strength] + self.intercepts[member, strength][..., None, :]

    def probabilities(self, features: np.ndarray, member: int, strength: int | slice = slice(None)) -> np.ndarray:
        """[strengths, n, classes] of one training set, or [n, classes] at one strength."""
        logits = self.logits(features, member, strength)
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return odds / odds.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Logistic:
    """Logistic regression as a probe of classes; the setting is the strength of its penalty."""

    grid: np.ndarray = field(default_factory=lambda: STRENGTHS)
    steps: int = STEPS
    name: str = "logistic"
    setting: str = "strength"
    takes: tuple[type[Target], ...] = (Classes,)

    def fit(self, features: np.ndarray, target: Classes, weights: np.ndarray) -> Iterator["LogisticFit"]:
        used = np.flatnonzero(weights.any(axis=0))
        present, numbers = np.unique(target.numbers[used], return_inverse=True)
        path = fit_path(features[used], numbers, weights[:, used], len(present), self.grid, target.balanced, self.steps)
        return (LogisticFit(path, member, present, target.count) for member in range(len(weights)))


@dataclass(frozen=True)
class LogisticFit(Fitted):
    """The models of one training set; a class that no training row has gets probability 0."""

    path: LogisticPath
    member: int
    present: np.ndarray  # the fitted classes among all
    count: int

    @property
    def converged(self) -> np.ndarray:
        return self.path.converged[self.member]

    def predict(self, features: np.ndarray, setting: int) -> np.ndarray:
        return self._of_all_classes(self.path.probabilities(features, self.member, setting))

    def scores(self, features: np.ndarray, target: Classes) -> np.ndarray:
        """By the probabilities of all strengths at once."""
        return np.array([target.measure(one) for one in self._of_all_classes(self.path.probabilities(features, self.member))])

    def _of_all_classes(self, fitted: np.ndarray) -> np.ndarray:
        """[…, count] from the probabilities of the fitted classes."""
        probabilities = np.zeros((*fitted.shape[:-1], self.count))
        probabilities[..., self.present] = fitted
        return probabilities


def fit_path(
    features: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    classes: int,
    strengths: np.ndarray,
    balanced: bool = True,
    steps: int = STEPS,
) -> LogisticPath:
    """Minimises Σᵢ wᵢ · cross-entropy(i) + strength/2 · ‖W‖² for every training set and strength.

    features [n, d], targets [n] integers below `classes`, weights [sets, n]: how often a row stands in each training set (0: not at
    all), strengths [s] above 0. `balanced` also weighs a row by n / (classes · rows of its class), as scikit-learn's class_weight does.
    This is scikit-learn's LogisticRegression(C=1/strength); the intercept is not penalised, and two classes have one vector of
    coefficients. Losses and gradients are float64, because weak penalties on features of unequal scale are beyond float32; the curvature,
    which only says where to go, is float32. A fit that has not converged after `steps` steps stops there, and `converged` says so.
    """
    groups = [weights[first : first + TOGETHER] for first in range(0, len(weights), TOGETHER)]
    return LogisticPath(
        *map(np.concatenate, zip(*(_fit(features, targets, sets, classes, strengths, balanced, steps) for sets in groups), strict=True))
    )


def _fit(features, targets, times, classes: int, strengths, balanced: bool, steps: int) -> tuple[np.ndarray, ...]:
    """The members of LogisticPath for few training sets, fitted side by side on rows that they share."""
    used = np.flatnonzero(times.any(axis=0))
    features, targets, times = features[used], np.asarray(targets)[used], np.asarray(times, np.float64)[:, used]
    mean, scale = map(np.stack, zip(*(standardisation(features, one) for one in times), strict=True))
    centre, unit = standardisation(features)
    design = np.concatenate([((features - centre) * unit).T, np.ones((1, len(features)))])
    ratio = np.where(unit > 0, scale / np.where(unit > 0, unit, 1), 0)
    if balanced:
        truth = np.eye(classes)[targets]
        counts = np.maximum(times @ truth, 1e-30)
        times = times * (times.sum(axis=1, keepdims=True) / (classes * counts))[:, targets]
    total = times.sum(axis=1)
    ones = np.ones((len(times), 1))
    problem = Softmax(
        design, targets, classes, times / total[:, None], np.concatenate([ratio, ones], axis=1), np.zeros((len(times), len(design)))
    )
    found = _follow(problem, np.asarray(strengths, np.float64), total, steps)
    params, iterations, converged = (np.stack(one, axis=1) for one in zip(*found, strict=True))
    offset = ((mean - centre) * scale)[:, None, None]
    coefficients, intercepts = params[..., :-1], params[..., -1] + (params[..., :-1] * offset).sum(axis=-1)
    if classes == 2:
        coefficients, intercepts = (np.concatenate([np.zeros_like(values), values], axis=2) for values in (coefficients, intercepts))
    return mean, scale, coefficients.swapaxes(2, 3), intercepts, iterations, converged


def _follow(problem: Softmax, strengths: np.ndarray, total: np.ndarray, steps: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(params, steps, whether converged) of each strength: from the strongest on, each begun where the last ones point to."""
    penalised = np.append(np.ones(len(problem.design) - 1), 0) / total[:, None]
    params = np.zeros((len(total), problem.columns, len(problem.design)))
    outputs, behind, rough, found = problem.outputs(params), [], None, {}
    for strength in np.unique(strengths)[::-1]:
        posed = problem.with_penalty(strength * penalised)
        params, outputs = _begun(posed, behind, np.log(strength), params, outputs)
        if rough is None:
            rough = posed.rough_hessian(posed.loss(params, outputs))
        end = newton.minimise(posed, params, outputs, _inverse(rough + np.diag(posed.penalty.mean(axis=0))), TOLERANCE, steps)
        params, outputs = end.params, end.outputs
        rough = None if end.effort > HARD else rough
        behind = [*behind, (np.log(strength), params, outputs)][-3:]
        found[strength] = (params, end.iterations, end.converged)
    return [found[strength] for strength in strengths]


def _begun(problem: Softmax, behind: list, where: float, params: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parabola through the last three optima, along the logarithm of the strength, where that is better than the last one itself."""
    if len(behind) < 2:
        return params, outputs
    places = np.array([place for place, _, _ in behind])
    shares = [np.prod([(where - other) / (place - other) for other in places if other != place]) for place in places]
    guess, led = (np.tensordot(shares, np.stack(those), axes=1) for those in list(zip(*behind, strict=True))[1:])
    better = (problem.loss(guess, led).value < problem.loss(params, outputs).value)[:, None, None]
    return np.where(better, guess, params), np.where(better, led, outputs)


def _inverse(matrix: np.ndarray):
    """A function that applies the inverse of a positive matrix [d + 1, d + 1] to params."""
    matrix = matrix + 1e-12 * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
    root = solve_triangular(np.linalg.cholesky(matrix), np.eye(len(matrix)), lower=True)
    return lambda params: (params.reshape(-1, len(root)) @ root.T @ root).reshape(params.shape)
