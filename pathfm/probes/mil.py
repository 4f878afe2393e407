"""Gated attention over the tiles of a patient (Ilse et al. 2018): many heads in one compiled program."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from pathfm.models.pooling import GatedAttentionPooling
from pathfm.models.precision import float32_products
from pathfm.probes.bags import Bags, OfTiles
from pathfm.probes.committee import Committee
from pathfm.probes.rows import filled_up, rows_of
from pathfm.probes.target import Classes, Target

RATES = (1e-4, 3e-4, 1e-3, 3e-3)
SEEDS = 5
WIDTH = 64
BATCH = 32  # patients
EPOCHS = 60
WEIGHT_DECAY = 1e-2
BAGS_AT_ONCE = 64


@dataclass(frozen=True)
class Mil(OfTiles):
    """Heads of each learning rate and seed; validation chooses each head's epoch and the rate, and the score is the mean over seeds."""

    grid: np.ndarray = field(default_factory=lambda: np.array(RATES))
    seeds: int = SEEDS
    epochs: int = EPOCHS
    seed: int = 0
    name: str = "mil"
    setting: str = "learning rate"
    takes: tuple[type[Target], ...] = (Classes,)

    def fit(self, features: Bags, target: Classes, weights: np.ndarray) -> Iterator["MilHeads"]:
        for times in weights:
            rows = rows_of(times)
            yield MilHeads(features[rows], target.take(rows), self)


class AttentionHead(nn.Module):
    """Tiles [batch, tiles, features] and mask [batch, tiles] → logits [batch, classes]: projection, gated attention, linear layer."""

    classes: int
    width: int = WIDTH

    @nn.compact
    def __call__(self, tiles: jax.Array, mask: jax.Array) -> jax.Array:
        projected = nn.relu(nn.Dense(self.width, name="project")(tiles))
        return nn.Dense(self.classes, name="classify")(GatedAttentionPooling(self.width, name="pool")(projected, mask))


class MilHeads(Committee):
    """The heads on one training set, each at its best epoch. They are trained when validation rows are there."""

    def __init__(self, bags: Bags, target: Classes, settings: Mil):
        self.bags, self.target, self.settings, self.count = bags, target, settings, target.count
        self.converged = np.ones(len(settings.grid), bool)
        self.mean, self.scale = _standard_tiles(bags)
        self.heads: Any = None

    def scores(self, features: Bags, target: Classes) -> np.ndarray:
        """Trains; by learning rate, minus the mean over seeds of the class-weighted log-loss of these rows at each head's best epoch."""
        keys = jax.random.split(jax.random.key(self.settings.seed), self.settings.seeds)
        rows = (self._given(self.bags, self.target.numbers, BATCH), self._given(features, target.numbers, BATCH))
        weights = (_class_weights(self.target), _class_weights(target, always=True))
        rates = jnp.asarray(self.settings.grid, jnp.float32)
        self.heads, losses = _train(
            rates, keys, *rows, *weights, np.int32(len(self.bags)), np.int32(self.settings.epochs), classes=self.count
        )
        return -np.asarray(losses, np.float64).mean(axis=1)

    def guesses(self, features: Bags, setting: int) -> np.ndarray:
        return self._logits(features, setting).argmax(axis=-1).astype(np.int16)

    def predict(self, features: Bags, setting: int) -> np.ndarray:
        """The mean over seeds of the probabilities."""
        return np.asarray(jax.nn.softmax(self._logits(features, setting), axis=-1)).mean(axis=0, dtype=np.float64)

    def _logits(self, bags: Bags, setting: int) -> np.ndarray:
        """[seeds, n, classes]."""
        heads = jax.tree.map(lambda leaf: leaf[setting], self.heads)
        tiles, mask, _ = self._given(bags, np.zeros(len(bags), int), BAGS_AT_ONCE)
        apply = partial(_apply, heads, classes=self.count)
        parts = [
            apply(tiles[start : start + BAGS_AT_ONCE], mask[start : start + BAGS_AT_ONCE]) for start in range(0, len(tiles), BAGS_AT_ONCE)
        ]
        return np.concatenate([np.asarray(part) for part in parts], axis=1)[:, : len(bags)]

    def _given(self, bags: Bags, numbers: np.ndarray, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standardised tiles, mask and classes, filled up; the tiles are copied once."""
        tiles, filled = filled_up(bags.tiles, numbers, batch)
        mask = np.pad(bags.mask, ((0, len(tiles) - len(bags)), (0, 0)))
        tiles -= self.mean
        tiles *= self.scale
        tiles[~mask] = 0
        return tiles, mask, filled


def _standard_tiles(bags: Bags) -> tuple[np.ndarray, np.ndarray]:
    """(mean, 1 / sd) of the tiles' features, each bag weighing alike; 0 where a feature is constant."""
    share = bags.mask / bags.counts[:, None] / len(bags)
    mean = np.einsum("nt,ntf->f", share, bags.tiles)
    sd = np.sqrt(np.maximum(np.einsum("nt,ntf,ntf->f", share, bags.tiles, bags.tiles) - mean**2, 0))
    varies = sd > 1e-6 * np.maximum(np.abs(mean), 1e-30)
    return mean.astype(np.float32), np.where(varies, 1 / np.where(varies, sd, 1), 0).astype(np.float32)


def _class_weights(target: Classes, always: bool = False) -> np.ndarray:
    """float32 [classes]: n / (classes · rows of the class), or 1 where classes do not weigh alike."""
    rows = np.bincount(target.numbers, minlength=target.count)
    alike = len(target.numbers) / (np.count_nonzero(rows) * np.maximum(rows, 1))
    return (alike if target.balanced or always else np.ones(target.count)).astype(np.float32)


class _Best(NamedTuple):
    loss: jax.Array
    params: Any


@partial(jax.jit, static_argnames="classes")
@float32_products
def _apply(heads, tiles, mask, classes: int):
    """Logits [seeds, n, classes] of every head."""
    return jax.vmap(lambda params: AttentionHead(classes).apply({"params": params}, tiles, mask))(heads)


@partial(jax.jit, static_argnames="classes")
@float32_products
def _train(rates, keys, rows, val_rows, weights, val_weights, count, epochs, classes: int):
    """(params, validation loss), both [rates, seeds, …], of each head at its best epoch; AdamW, the rate falls to 0 by a cosine."""
    module, (tiles, mask, numbers) = AttentionHead(classes), rows
    optimizer, slots = optax.adamw(1.0, weight_decay=WEIGHT_DECAY), jnp.arange(BATCH)

    def parts(params, some, of_class):
        """(sum of weighted log-losses, sum of weights) of rows (tiles, mask, numbers); the number −1 marks none."""
        some_tiles, some_mask, some_numbers = some
        logits: Any = module.apply({"params": params}, some_tiles, some_mask)
        probability = jax.nn.log_softmax(logits, axis=-1)
        weight = jnp.where(some_numbers >= 0, of_class[some_numbers], 0.0)
        true = jnp.take_along_axis(probability, jnp.maximum(some_numbers, 0)[:, None], axis=1)[:, 0]
        return -(weight * true).sum(), weight.sum()

    def loss(params, some):
        total, weight = parts(params, some, weights)
        return total / jnp.maximum(weight, 1e-9)

    def val_loss(params):
        """A batch after the other: the attention of all heads over all tiles at once would not fit."""
        batches = jax.tree.map(lambda leaf: leaf.reshape(-1, BATCH, *leaf.shape[1:]), val_rows)
        total, weight = jax.lax.map(lambda some: parts(params, some, val_weights), batches)
        return total.sum() / weight.sum()

    def one(rate, key):
        def epoch(number, carry):
            params, state, best = carry
            places = jax.random.uniform(jax.random.fold_in(key, number + 1), (len(tiles),))
            order = jnp.argsort(jnp.where(jnp.arange(len(tiles)) < count, places, 2.0))
            speed = rate * 0.5 * (1 + jnp.cos(jnp.pi * number.astype(jnp.float32) / epochs.astype(jnp.float32)))

            def step(batch, inner):
                params, state = inner
                chosen = order[batch * BATCH + slots]
                gradient = jax.grad(loss)(params, (tiles[chosen], mask[chosen], numbers[chosen]))
                with jax.numpy_dtype_promotion("standard"):  # optax counts in integers and multiplies with floats
                    updates, state = optimizer.update(gradient, state, params)
                return optax.apply_updates(params, jax.tree.map(lambda leaf: speed * leaf, updates)), state

            params, state = jax.lax.fori_loop(0, -(-count // BATCH), step, (params, state))
            found = val_loss(params)
            keep = lambda new, old: jnp.where(found < best.loss, new, old)  # noqa: E731
            return params, state, _Best(jnp.minimum(found, best.loss), jax.tree.map(keep, params, best.params))

        params = module.init(key, tiles[:1], mask[:1])["params"]
        return jax.lax.fori_loop(0, epochs, epoch, (params, optimizer.init(params), _Best(jnp.float32(jnp.inf), params)))[2]

    best = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(rates, keys)
    return best.params, best.loss
