"""Attention over tiles: where few tiles of a patient tell its class it finds them, which the mean over the tiles does not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from pathfm.probes import driver
from pathfm.probes.bags import Bags, evenly
from pathfm.probes.divisions import Division
from pathfm.probes.logistic import Logistic
from pathfm.probes.mil import BATCH, AttentionHead, Mil, _class_weights
from pathfm.probes.rows import filled_up
from pathfm.probes.target import Classes
from pathfm.statistics.committees import mean_by_class
from pathfm.statistics.scores import balanced_accuracy

RNG = np.random.default_rng(0)
LABELS = np.arange(240) % 2
ROLES = np.repeat(["train", "val", "test"], [120, 40, 80])
TEST = ROLES == "test"
FEW = Mil(grid=np.array([1e-3, 3e-3]), seeds=2, epochs=30)


def patient(label):
    """Twenty to thirty tiles; in a patient of class 1 one of them lies far off, in either direction: the mean hardly moves."""
    tiles = RNG.normal(size=(RNG.integers(20, 31), 6)).astype(np.float32)
    tiles[RNG.integers(len(tiles)), 0] += 6.0 * label * RNG.choice([-1, 1])
    return tiles


TILES = [patient(label) for label in LABELS]
BAGS = Bags.of(TILES)
MEANS = np.stack([tiles.mean(axis=0) for tiles in TILES])


@pytest.fixture(scope="module")
def probed():
    return driver.run(FEW, BAGS, Classes(LABELS, 2), Division.by_roles(ROLES))


def test_it_finds_the_tile_that_tells_a_class_where_the_mean_of_tiles_does_not(probed):
    mean = driver.run(Logistic(), MEANS, Classes(LABELS, 2), Division.by_roles(ROLES))
    score = mean_by_class(LABELS[TEST], probed.ballots[""] == LABELS[TEST]).mean()
    assert score > 0.7 > 0.62 > balanced_accuracy(LABELS[TEST], mean.prediction.argmax(axis=1))


def test_it_is_a_committee_of_seeds_at_the_rate_that_validation_chose(probed):
    assert probed.ballots[""].shape == (2, TEST.sum()) and probed.chosen in FEW.grid and list(probed.ballots) == [""]
    np.testing.assert_allclose(probed.prediction.sum(axis=1), 1, atol=1e-6)


def test_the_rate_and_epoch_are_those_of_the_least_log_loss_on_validation(probed):
    val, train = ROLES == "val", ROLES == "train"
    fitted = next(FEW.fit(BAGS, Classes(LABELS, 2), train.astype(float)[None]))
    scores = fitted.scores(BAGS[val], Classes(LABELS[val], 2))
    for setting, score in enumerate(scores):
        logits = fitted._logits(BAGS[val], setting)
        losses = -np.log(np.asarray(jax.nn.softmax(logits, axis=-1)))[:, np.arange(val.sum()), LABELS[val]]
        assert losses.mean() == pytest.approx(-score, rel=1e-4)  # the classes are of one size
    assert probed.chosen == FEW.grid[scores.argmax()]
    np.testing.assert_array_equal(fitted.guesses(BAGS[TEST], int(scores.argmax())), probed.ballots[""])


def trained_alone(settings, labels, train, val):
    """By rate and seed (loss on validation, logits [n, 2] of all patients): each head a step after the other, on rows as they are."""
    tiles = np.concatenate([TILES[row] for row in np.flatnonzero(train)])
    share = np.repeat(1 / BAGS.counts[train], BAGS.counts[train])
    mean = np.average(tiles, axis=0, weights=share)
    sd = np.sqrt(np.average((tiles - mean) ** 2, axis=0, weights=share))
    given = jnp.asarray(np.where(BAGS.mask[..., None], (BAGS.tiles - mean) / sd, 0), jnp.float32), jnp.asarray(BAGS.mask)
    numbers, module = jnp.asarray(labels, jnp.int32), AttentionHead(2)
    weight = jnp.asarray(compute_class_weight("balanced", classes=np.arange(2), y=labels[train]), jnp.float32)[numbers]

    def loss(params, rows):
        logits = module.apply({"params": params}, given[0][rows], given[1][rows])
        each = optax.softmax_cross_entropy_with_integer_labels(logits, numbers[rows])
        return (weight[rows] * each).sum() / weight[rows].sum()

    @jax.jit
    def step(params, state, rows, rate):
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optax.adamw(rate, weight_decay=0.01).update(jax.grad(loss)(params, rows), state, params)
            return optax.apply_updates(params, updates), state

    def head(rate, key):
        params = module.init(key, given[0][:1], given[1][:1])["params"]
        state, best = optax.adamw(rate).init(params), (np.inf, None)
        for epoch in range(settings.epochs):
            length = len(filled_up(BAGS.tiles[train], labels[train], BATCH)[1])
            places = np.asarray(jax.random.uniform(jax.random.fold_in(key, epoch + 1), (length,)))[: train.sum()]
            order, speed = np.flatnonzero(train)[np.argsort(places)], rate / 2 * (1 + np.cos(np.pi * epoch / settings.epochs))
            for first in range(0, len(order), BATCH):
                params, state = step(params, state, order[first : first + BATCH], jnp.float32(speed))
            logits = np.asarray(module.apply({"params": params}, *given))
            found = log_loss(
                labels[val], softmax(logits[val].astype(float), axis=1), sample_weight=compute_sample_weight("balanced", labels[val])
            )
            best = (found, logits) if found < best[0] else best
        return best

    return [[head(float(rate), key) for key in jax.random.split(jax.random.key(0), settings.seeds)] for rate in settings.grid]


def test_every_head_is_the_one_that_is_trained_alone():
    """Two rates and two seeds on fifty patients of unequal classes, in batches of 32 and 18."""
    settings, labels = Mil(grid=np.array([1e-3, 3e-3]), seeds=2, epochs=5), (np.arange(240) % 3 == 0).astype(int)
    train, val = np.arange(240) < 50, (np.arange(240) >= 50) & (np.arange(240) < 75)
    fitted = next(settings.fit(BAGS, Classes(labels, 2), train.astype(float)[None]))
    scores = fitted.scores(BAGS[val], Classes(labels[val], 2))
    alone = trained_alone(settings, labels, train, val)
    np.testing.assert_allclose(scores, [-np.mean([loss for loss, _ in seeds]) for seeds in alone], rtol=1e-3)
    for setting, seeds in enumerate(alone):
        np.testing.assert_allclose(fitted._logits(BAGS, setting), np.stack([logits for _, logits in seeds]), atol=3e-3)


def test_classes_weigh_alike_only_where_that_is_asked():
    assert _class_weights(Classes(np.array([0, 0, 0, 1]), 2)).tolist() == pytest.approx([2 / 3, 2.0])
    assert _class_weights(Classes(np.array([0, 0, 0, 1]), 2, balanced=False)).tolist() == [1.0, 1.0]


def test_places_without_a_tile_and_the_order_of_tiles_play_no_part():
    params = AttentionHead(2).init(jax.random.key(0), BAGS.tiles[:1], BAGS.mask[:1])["params"]
    logits = AttentionHead(2).apply({"params": params}, BAGS.tiles, BAGS.mask)
    other = np.where(BAGS.mask[..., None], BAGS.tiles, 1e3).astype(np.float32)
    np.testing.assert_allclose(AttentionHead(2).apply({"params": params}, other, BAGS.mask), logits, atol=1e-5)
    turned = Bags.of([tiles[::-1] for tiles in TILES])
    np.testing.assert_allclose(AttentionHead(2).apply({"params": params}, turned.tiles, turned.mask), logits, atol=1e-5)


def test_bags_are_rows_that_can_be_taken_and_tiles_are_thinned_evenly():
    some = BAGS[np.array([3, 1])]
    assert len(some) == 2 and some.counts.tolist() == [len(TILES[3]), len(TILES[1])]
    np.testing.assert_array_equal(some.tiles[1][some.mask[1]], TILES[1])
    np.testing.assert_array_equal(evenly(TILES[0], 3), TILES[0][[0, round((len(TILES[0]) - 1) / 2), len(TILES[0]) - 1]])
    np.testing.assert_array_equal(evenly(TILES[0], 1000), TILES[0])
