"""The linear head of kaiko-eva, trained as its configs say, so that scores can be laid beside its leaderboard."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pathfm.models.precision import float32_products
from pathfm.probes.committee import Committee
from pathfm.probes.rows import filled_up, rows_of
from pathfm.probes.target import Classes, Target

LEARNING_RATE = 3e-4
BATCH = 256
MOST_STEPS = 12_500
PATIENCE = 0.2  # of the most epochs
RUNS = 5
SLOW_EPOCHS, SLOW = 5, 1 / 3  # the first epochs go at a third of the rate
ROUNDING = 1e-6  # of a balanced accuracy in float32: a score that is better by less is the same


@dataclass(frozen=True)
class Eva:
    """Runs of different seeds, whose score is the mean over the runs; what validation chooses is when each run stops."""

    grid: np.ndarray = field(default_factory=lambda: np.array([LEARNING_RATE]))
    runs: int = RUNS
    most_steps: int = MOST_STEPS
    seed: int = 0
    name: str = "eva"
    setting: str = "learning rate"
    takes: tuple[type[Target], ...] = (Classes,)

    def fit(self, features: np.ndarray, target: Classes, weights: np.ndarray) -> Iterator["EvaRuns"]:
        for times in weights:
            rows = rows_of(times)
            yield EvaRuns(features[rows], target.take(rows), self)


class EvaRuns(Committee):
    """The runs on one training set. They are trained when validation rows are there, since these stop them."""

    def __init__(self, features: np.ndarray, target: Classes, settings: Eva):
        self.features, self.target, self.settings, self.count = features, target, settings, target.count
        self.converged = np.ones(1, bool)
        self.heads: Head | None = None

    def scores(self, features: np.ndarray, target: Classes) -> np.ndarray:
        """Trains, and gives the mean over runs of the best balanced accuracy on these rows."""
        settings = self.settings
        self.heads, best = train_heads(self.features, self.target.numbers, features, target.numbers, target.count, settings)
        return np.array([np.mean(best, dtype=np.float64)])

    def guesses(self, features: np.ndarray, setting: int) -> np.ndarray:
        return np.asarray(_logits(self.heads, np.float32(features))).argmax(axis=-1).astype(np.int16)

    def predict(self, features: np.ndarray, setting: int) -> np.ndarray:
        """The mean over runs of the probabilities."""
        return np.asarray(jax.nn.softmax(_logits(self.heads, np.float32(features)), axis=-1)).mean(axis=0, dtype=np.float64)


class Head(NamedTuple):
    """A linear layer, or with a leading axis one of each run; two classes have a single output, the second's logit."""

    kernel: jax.Array  # [..., features, outputs]
    bias: jax.Array  # [..., outputs]


class _Run(NamedTuple):
    head: Head
    optimizer: Any
    step: jax.Array
    epoch: jax.Array
    best: jax.Array  # balanced accuracy on validation
    best_head: Head
    waited: jax.Array  # epochs since then


def train_heads(
    features: np.ndarray, numbers: np.ndarray, val_features: np.ndarray, val_numbers: np.ndarray, classes: int, settings: Eva
) -> tuple[Head, np.ndarray]:
    """(the best head of each run, its balanced accuracy on validation [runs]); all runs in one compiled program, in float32.

    features [n, d], numbers [n] classes; val_features, val_numbers alike. As kaiko-eva 0.4.5 trains by the configs of its offline
    classification tasks: `torch.nn.Linear` as torch starts it, features as they are, cross-entropy without class weights, AdamW at 3e-4
    (weight decay 0.01) at a constant rate but for the first five epochs (its head's default scheduler, torch's ConstantLR), batches of 256
    in new order each epoch, the last one smaller, 12,500 steps at most; validated after each epoch, the first best head is kept, and
    a run stops after a fifth of the most epochs without a better one.
    """
    epochs = math.ceil(settings.most_steps / math.ceil(len(features) / BATCH))
    data = (*filled_up(features, numbers, BATCH), len(features), *filled_up(val_features, val_numbers, BATCH))
    keys = jax.random.split(jax.random.key(settings.seed), settings.runs)
    limits = settings.most_steps, math.ceil(PATIENCE * epochs)
    heads, best = _train(keys, *data, *limits, jnp.float32(settings.grid[0]), classes=classes)
    return heads, np.asarray(best)


@partial(jax.jit, static_argnames="classes")
@float32_products
def _train(keys, features, numbers, count, val_features, val_numbers, most_steps, patience, rate, classes: int):
    """Rows of padding have the number −1; `count` rows are real."""
    optimizer = optax.adamw(1.0, weight_decay=0.01)
    width, slots = features.shape[1], jnp.arange(BATCH)
    outputs = 1 if classes == 2 else classes

    def loss(head: Head, rows, real):
        log_probability = jax.nn.log_softmax(_logits(head, features[rows]), axis=-1)
        true = jnp.take_along_axis(log_probability, numbers[rows][:, None], axis=1)[:, 0]
        return -jnp.where(real, true, 0.0).sum() / real.sum().astype(jnp.float32)

    def start(key) -> _Run:
        kernel, bias = jax.random.split(key)
        bound = width**-0.5
        shapes = (kernel, (width, outputs)), (bias, (outputs,))
        head = Head(*(jax.random.uniform(one, shape, minval=-bound, maxval=bound) for one, shape in shapes))
        zero = jnp.int32(0)
        return _Run(head, optimizer.init(head), zero, zero, jnp.float32(-1), head, zero)

    def epoch(run: _Run, key) -> _Run:
        keys = jax.random.uniform(jax.random.fold_in(key, run.epoch + 1), (len(features),))
        order = jnp.argsort(jnp.where(jnp.arange(len(features)) < count, keys, 2.0))
        speed = jnp.where(run.epoch < SLOW_EPOCHS, SLOW, 1.0) * rate

        def step(number, carry):
            head, state = carry
            places = number * BATCH + slots
            gradient = jax.grad(loss)(head, order[places], places < count)
            with jax.numpy_dtype_promotion("standard"):  # optax counts in integers and multiplies with floats
                updates, state = optimizer.update(gradient, state, head)
            return optax.apply_updates(head, jax.tree.map(lambda one: speed * one, updates)), state

        steps = jnp.minimum(-(-count // BATCH), most_steps - run.step)
        head, state = jax.lax.fori_loop(0, steps, step, (run.head, run.optimizer))
        score = _balanced_accuracy(_logits(head, val_features).argmax(axis=-1), val_numbers, classes)
        better = score > run.best + ROUNDING
        best_head = jax.tree.map(lambda new, old: jnp.where(better, new, old), head, run.best_head)
        waited = jnp.where(better, 0, run.waited + 1)
        return _Run(head, state, run.step + steps, run.epoch + 1, jnp.maximum(score, run.best), best_head, waited)

    def one(key):
        proceed = lambda run: (run.step < most_steps) & (run.waited < patience)  # noqa: E731
        run = jax.lax.while_loop(proceed, lambda run: epoch(run, key), start(key))
        return run.best_head, run.best

    return jax.vmap(one)(keys)


@jax.jit
@float32_products
def _logits(head: Head, features):
    """[..., n, classes] from features [n, features]."""
    logits = jnp.einsum("nf,...fo->...no", features, head.kernel) + head.bias[..., None, :]
    return jnp.concatenate([jnp.zeros_like(logits), logits], axis=-1) if logits.shape[-1] == 1 else logits


def _balanced_accuracy(guesses, numbers, classes: int):
    """Over the classes that have a row; −1 marks none."""
    members = numbers[None] == jnp.arange(classes)[:, None]
    rows = members.sum(axis=1)
    recalls = (members & (guesses == numbers)[None]).sum(axis=1) / jnp.maximum(rows, 1)
    return jnp.where(rows > 0, recalls, 0.0).sum() / (rows > 0).sum().astype(recalls.dtype)
