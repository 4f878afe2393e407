"""The layers with written-out gradients against flax's and jax's own, values and gradients, in float32 and in bfloat16."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.models.layers import Dense, LayerNorm, attention

TYPES = [(jnp.float32, 2e-6), (jnp.bfloat16, 2e-2)]


def tokens(dtype, spread=1.0):
    return (spread * jax.random.normal(jax.random.key(0), (3, 7, 24))).astype(dtype)


def values_and_gradients(function, *inputs):
    """The result, and the gradients of its product with fixed random numbers by each input, all as float32."""
    result, back = jax.vjp(function, *inputs)
    slope = jax.random.normal(jax.random.key(9), result.shape).astype(result.dtype)
    return [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves((result, back(slope)))]


def assert_close(ours, theirs, tolerance):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= tolerance * np.abs(other).max()


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_flaxs(dtype, tolerance, bias):
    ours, theirs = Dense(10, bias, dtype), nn.Dense(10, use_bias=bias, dtype=dtype)
    params = theirs.init(jax.random.key(1), tokens(dtype))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, ours.init(jax.random.key(1), tokens(dtype)))
    results = (values_and_gradients(layer.apply, params, tokens(dtype)) for layer in (ours, theirs))
    assert_close(*results, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("spread", [1.0, 100.0])
def test_layer_norm_is_flaxs(dtype, tolerance, spread):
    ours, theirs = LayerNorm(1e-5), nn.LayerNorm(epsilon=1e-5, dtype=jnp.float32, use_fast_variance=False)
    x = tokens(dtype, spread) + jnp.asarray(3 * spread, dtype)
    params = theirs.init(jax.random.key(1), x.astype(jnp.float32))
    params = jax.tree.map(lambda leaf: leaf + jax.random.normal(jax.random.key(2), leaf.shape), params)
    found = values_and_gradients(ours.apply, params, x)
    wanted = values_and_gradients(lambda params, x: theirs.apply(params, x.astype(jnp.float32)), params, x)
    assert_close(found, wanted, max(tolerance, 1e-5))


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("spread", [1.0, 30.0])  # the second makes weights of nearly 0 and 1
def test_attention_is_jaxs(dtype, tolerance, spread):
    qkv = (spread**0.5 * jax.random.normal(jax.random.key(0), (3, 2, 4, 9, 8))).astype(dtype)

    def theirs(qkv):
        query, key, value = qkv.astype(jnp.float32).transpose(0, 1, 3, 2, 4)
        return jax.nn.dot_product_attention(query, key, value, scale=0.3).transpose(0, 2, 1, 3).astype(dtype)

    results = (values_and_gradients(function, qkv) for function in (lambda qkv: attention(qkv, 0.3), theirs))
    assert_close(*results, max(2e-5, 2 * tolerance))


def test_gradients_of_parameters_are_float32():
    layer = Dense(10, dtype=jnp.bfloat16)
    params = layer.init(jax.random.key(1), tokens(jnp.bfloat16))
    slopes = jax.grad(lambda params: layer.apply(params, tokens(jnp.bfloat16)).astype(jnp.float32).sum())(params)
    exact = jax.grad(lambda params: nn.Dense(10).apply(params, tokens(jnp.bfloat16).astype(jnp.float32)).sum())(params)
    kernel, truth = slopes["params"]["kernel"], exact["params"]["kernel"]
    assert kernel.dtype == jnp.float32
    assert jnp.abs(kernel - truth).max() <= 1e-6 * jnp.abs(truth).max()
