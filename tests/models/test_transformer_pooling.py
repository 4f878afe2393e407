"""The transformer over a bag: it starts as the mean, sees the tiles that are kept alone, and is what its formula says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, softmax

from pathfm.models.pooling import TransformerPooling, masked_mean

WIDTH, HEADS = 12, 2
POOLING = TransformerPooling(hidden=8, tokens=3, heads=HEADS)


@pytest.fixture(scope="module")
def bag():
    features = jax.random.normal(jax.random.key(3), (3, 5, WIDTH))
    return features, jnp.array([[True] * 5, [True, True, False, False, False], [False] * 5])


@pytest.fixture(scope="module")
def start(bag):
    return POOLING.init(jax.random.key(0), *bag)


@pytest.fixture(scope="module")
def moved(start):
    """Parameters away from their start, none of them zero."""
    return jax.tree.map(lambda leaf: leaf + 0.3 * jnp.cos(jnp.arange(leaf.size, dtype=jnp.float32)).reshape(leaf.shape), start)


def test_it_starts_as_the_mean(bag, start):
    np.testing.assert_array_equal(POOLING.apply(start, *bag), masked_mean(*bag))


def norm(x, one):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) * one["scale"] + one["bias"]


def dense(x, one):
    return x @ one["kernel"] + one["bias"]


def attended(queries, keys, one):
    """Attention of queries [q, width] to keys [k, width], head by head."""
    result = one["out"]["bias"].copy()[None].repeat(len(queries), axis=0)
    for head in range(HEADS):
        query, key, value = (
            x @ one[name]["kernel"][:, head] + one[name]["bias"][head] for name, x in (("query", queries), ("key", keys), ("value", keys))
        )
        weights = softmax(query @ key.T / np.sqrt(query.shape[1]), axis=1)
        result += weights @ value @ one["out"]["kernel"][head]
    return result


def test_it_is_a_transformer_of_learned_tokens_over_the_tiles_that_are_kept(bag, moved):
    features, mask = (np.asarray(values, np.float64) for values in bag)
    one = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), moved["params"])
    for row, expected in enumerate(np.asarray(POOLING.apply(moved, *bag))[:2]):
        kept = features[row][mask[row] > 0]
        tiles = norm(dense(norm(kept, one["features_norm"]), one["tiles"]), one["tiles_norm"])
        tokens = one["class_token"][0]
        tokens = tokens + attended(norm(tokens, one["read_norm"]), tiles, one["read"])
        normal = norm(tokens, one["mix_norm"])
        tokens = tokens + attended(normal, normal, one["mix"])
        inner = dense(norm(tokens, one["mlp_norm"]), one["mlp_in"])
        tokens = tokens + dense(inner * 0.5 * (1 + erf(inner / np.sqrt(2))), one["mlp_out"])
        found = kept.mean(axis=0) + dense(norm(tokens, one["norm"]).mean(axis=0), one["out"])
        np.testing.assert_allclose(expected, found, rtol=1e-4, atol=1e-5)


def test_neither_the_order_of_tiles_nor_what_is_masked_counts(bag, moved):
    features, mask = bag
    pooled = POOLING.apply(moved, features, mask)
    order = jnp.array([4, 2, 0, 3, 1])
    np.testing.assert_allclose(POOLING.apply(moved, features[:, order], mask[:, order]), pooled, atol=1e-5)
    np.testing.assert_allclose(POOLING.apply(moved, jnp.where(mask[..., None], features, 99.0), mask), pooled, atol=1e-5)
    assert jnp.abs(pooled - masked_mean(features, mask))[:2].max() > 0.1


def test_an_empty_bag_gives_zero_and_a_finite_gradient(bag, moved):
    assert (POOLING.apply(moved, *bag)[2] == 0).all()
    gradient = jax.grad(lambda params: POOLING.apply(params, *bag).sum())(moved)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
