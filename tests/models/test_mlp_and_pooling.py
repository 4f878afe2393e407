"""The vector tower and the pooling of bags."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.models.mlp import VectorTower
from pathfm.models.pooling import GatedAttentionPooling, masked_mean


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


RNGS = {"dropout": jax.random.key(1), "masking": jax.random.key(2)}


def test_a_vector_tower_is_a_function_when_deterministic_and_random_in_training():
    tower = VectorTower(hidden=16, out=8, masking=0.3)
    vectors = jax.random.normal(jax.random.key(0), (4, 20))
    params = tower.init(jax.random.key(0), vectors)
    assert (tower.apply(params, vectors) == tower.apply(params, vectors, deterministic=True)).all()
    assert tower.apply(params, vectors).shape == (4, 8)
    assert (tower.apply(params, vectors, deterministic=False, rngs=RNGS) != tower.apply(params, vectors)).any()
    narrow = VectorTower(hidden=16, out=8, dtype=jnp.bfloat16).apply(params, vectors)
    assert narrow.dtype == jnp.float32


def test_masking_sets_its_share_of_genes_to_the_mean_anew_for_every_patient():
    genes = 400
    tower = VectorTower(hidden=genes, out=genes, masking=0.25, dropout=0.0)
    params = tower.init(jax.random.key(0), jnp.ones((1, genes)))
    kernel = params["params"]["in"]["kernel"]
    seen = {}

    def first_layer(vectors):
        _, state = tower.apply(params, vectors, deterministic=False, rngs=RNGS, capture_intermediates=True, mutable=["intermediates"])
        seen["in"] = state["intermediates"]["in"]["__call__"][0]

    first_layer(jnp.ones((3, genes)))
    kept = np.linalg.solve(np.asarray(kernel, np.float64).T, np.asarray(seen["in"], np.float64).T).T.round(2)
    assert set(np.unique(np.abs(kept))) <= {0.0, 1.0}
    assert 0.7 < kept.mean() < 0.8
    assert (kept[0] != kept[1]).any()


def bag():
    features = jax.random.normal(jax.random.key(3), (3, 5, 6))
    mask = jnp.array([[True] * 5, [True, True, False, False, False], [False] * 5])
    return features, mask


def test_the_masked_mean_sees_the_tiles_kept_alone():
    features, mask = bag()
    mean = masked_mean(features, mask)
    np.testing.assert_allclose(mean[0], features[0].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(mean[1], features[1, :2].mean(axis=0), rtol=1e-5)
    assert (mean[2] == 0).all()


def test_attention_follows_the_formula_and_ignores_masked_tiles_and_their_order():
    features, mask = bag()
    pooling = GatedAttentionPooling(hidden=4)
    params = pooling.init(jax.random.key(0), features, mask)
    pooled = pooling.apply(params, features, mask)
    leaves = jax.tree.map(np.asarray, params["params"])
    tiles = np.asarray(features[1, :2])
    gate = 1 / (1 + np.exp(-(tiles @ leaves["gate"]["kernel"] + leaves["gate"]["bias"])))
    scores = (np.tanh(tiles @ leaves["value"]["kernel"] + leaves["value"]["bias"]) * gate) @ leaves["score"]["kernel"]
    weights = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(pooled[1], (weights * tiles).sum(axis=0), rtol=1e-4, atol=1e-6)
    assert (pooled[2] == 0).all()
    order = jnp.array([4, 2, 0, 3, 1])
    np.testing.assert_allclose(pooling.apply(params, features[:, order], mask[:, order]), pooled, atol=1e-6)
    weights = pooling.apply(params, features, mask, method="attention")
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 0], atol=1e-6)


def test_an_empty_bag_leaves_the_gradient_finite():
    features, mask = bag()
    pooling = GatedAttentionPooling(hidden=4)
    params = pooling.init(jax.random.key(0), features, mask)
    gradient = jax.grad(lambda params: pooling.apply(params, features, mask).sum())(params)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
