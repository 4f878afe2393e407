"""L2-regularised multinomial logistic regression: one compiled program fits all strengths at once, for any training set of the rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from pathfm.probes import lbfgs
from pathfm.probes.device import float64
from pathfm.probes.protocol import Fitted
from pathfm.probes.standard import standardisation
from pathfm.probes.strength import STRENGTHS
from pathfm.probes.target import Classes, Target

TOLERANCE = 1e-10
STAGE = 12
STAGES = 40
ROWS_OF_ROUGH_HESSIAN = 4096


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
    stages: int = STAGES
    name: str = "logistic"
    setting: str = "strength"
    takes: tuple[type[Target], ...] = (Classes,)

    def fit(self, features: np.ndarray, target: Classes, weights: np.ndarray) -> Iterator["LogisticFit"]:
        used = np.flatnonzero(weights.any(axis=0))
        present, numbers = np.unique(target.numbers[used], return_inverse=True)
        path = fit_path(features[used], numbers, weights[:, used], len(present), self.grid, target.balanced, self.stages)
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
    stages: int = STAGES,
) -> LogisticPath:
    """Minimises Σᵢ wᵢ · cross-entropy(i) + strength/2 · ‖W‖² for every training set and strength.

    features [n, d], targets [n] integers below `classes`, weights [sets, n]: how often a row stands in each training set (0: not at
    all), strengths [s]. `balanced` also weighs a row by n / (classes · rows of its class), as scikit-learn's class_weight does.
    This is scikit-learn's LogisticRegression(C=1/strength); the intercept is not penalised, and two classes have one vector of
    coefficients. In float64, because weak penalties on features of unequal scale are beyond float32. A fit that has not converged
    after `stages` times STAGE steps stops there, and `converged` says so.
    """
    padding = _padded(len(features)) - len(features)
    truth = np.eye(classes)[np.asarray(targets)]
    fitted = []
    for times in np.asarray(weights, np.float64):
        mean, scale = standardisation(features, times)
        if balanced:
            times = times * (truth @ (times.sum() / (classes * np.maximum(times @ truth, 1e-30))))
        design = np.concatenate([(features - mean) * scale, np.ones((len(features), 1))], axis=1)
        rows = (np.pad(design, ((0, padding), (0, 0))), np.pad(truth, ((0, padding), (0, 0))), np.pad(times, (0, padding)))
        with float64():
            given = (*map(jnp.asarray, rows), jnp.asarray(strengths, jnp.float64), jnp.int32(stages))
            fitted.append((mean, scale, *map(np.asarray, _fit(*given))))
    return LogisticPath(*map(np.stack, zip(*fitted, strict=True)))


def _padded(rows: int) -> int:
    """The next of few lengths (at most an eighth longer), so that tasks of like size share one compiled program."""
    step = max(256, 1 << max(0, rows.bit_length() - 4))
    return -(-rows // step) * step


@jax.jit
def _fit(design, truth, weights, strengths, most_stages):
    """One training set at all strengths: design [n, d + 1], its last column 1, truth [n, classes] one-hot, weights [n]."""
    classes = truth.shape[1]
    total = weights.sum()
    weights = weights / total
    stride = -(-len(design) // ROWS_OF_ROUGH_HESSIAN)

    def problem(strength):
        penalty = jnp.full(design.shape[1], strength / total).at[-1].set(0)
        return _problem(design, truth, weights, penalty[:, None], classes)

    def rough_inverse(one):
        """The inverse of the Hessian here, averaged over classes and taken over a part of the rows."""
        strength, outputs = one
        share = jax.nn.softmax(outputs[::stride], axis=1)
        spread = stride * weights[::stride] * (share * (1 - share)).mean(axis=1)
        rough = (design[::stride] * spread[:, None]).T @ design[::stride] + jnp.diag(problem(strength).penalty[:, 0])
        identity = jnp.eye(len(rough), dtype=rough.dtype)
        jitter = 1e-12 * jnp.trace(rough) / len(rough)
        root = jax.lax.linalg.triangular_solve(jnp.linalg.cholesky(rough + jitter * identity), identity, left_side=True, lower=True)
        return root.T @ root

    def stage(strength, state, inverse):
        return lbfgs.minimise(problem(strength), state, lambda columns: inverse @ columns, TOLERANCE, STAGE)

    def proceed(carry):
        states, stages = carry
        return jnp.any(~states.converged(TOLERANCE)) & (stages < most_stages)

    def advance(carry):
        states, stages = carry
        inverses = jax.lax.map(rough_inverse, (strengths, states.outputs))
        return jax.vmap(stage)(strengths, states, inverses), stages + 1

    start = jnp.zeros((design.shape[1], 1 if classes == 2 else classes), design.dtype)
    states = jax.vmap(lambda strength: lbfgs.begin(problem(strength), start))(strengths)
    states, _ = jax.lax.while_loop(proceed, advance, (states, jnp.int32(0)))
    params = _all_classes(states.params, classes)
    return params[:, :-1], params[:, -1], states.iteration, states.converged(TOLERANCE)


def _all_classes(values, classes: int):
    """Two classes have one column, the second's; the first's is zero."""
    return jnp.concatenate([jnp.zeros_like(values), values], axis=-1) if classes == 2 else values


def _problem(design, truth, weights, penalty, classes: int) -> lbfgs.Problem:
    """Params [d + 1, columns], the last row the intercept; outputs are logits [n, classes]."""

    def apply(params):
        return _all_classes(design @ params, classes)

    def pull_back(residual):
        return design.T @ (residual[:, 1:] if classes == 2 else residual)

    def loss(logits):
        """In terms of how far the other classes together lie above the true one: precise however well the classes are told apart."""
        others = jnp.where(truth > 0, -jnp.inf, logits)
        together = jax.nn.logsumexp(others, axis=1)
        above = together - (logits * truth).sum(axis=1)
        wrong = jax.nn.sigmoid(above)[:, None]
        shares = jnp.exp(others - together[:, None])
        residual = (shares - truth) * wrong * weights[:, None]

        def curvature(change):
            probability = shares * wrong + truth * (1 - wrong)
            centred = change - (probability * change).sum(axis=1, keepdims=True)
            return weights @ (probability * centred * centred).sum(axis=1)

        return weights @ jax.nn.softplus(above), residual, curvature

    return lbfgs.Problem(apply, pull_back, loss, penalty)
