"""Dense, LayerNorm and attention with their gradients written out; values and parameters are those of the usual formulas.

The derivative that jax finds by itself is the same, but XLA on a CPU then turns large activations round in memory, pads the gradients of
query, key and value to three times their size and passes over LayerNorm's input many times: a training step took a quarter longer
(`docs/performance.md`). Statistics, logits and the gradients of parameters are float32 whatever the type of the activations.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike

from pathfm.models.precision import FLOAT32

FIRST_AXES = (((0,), (0,)), ((), ()))
einsum = partial(jnp.einsum, precision=FLOAT32)


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x [..., rows] @ kernel float32 [rows, columns] in the type of `x`."""
    return jnp.matmul(x, kernel.astype(x.dtype), precision=FLOAT32)


def _product(x, kernel):
    return product(x, kernel), (x, kernel)


def _product_gradients(kept, slope):
    x, kernel = kept
    flat, flat_slope = (values.reshape(-1, values.shape[-1]) for values in (x, slope))
    of_kernel = jax.lax.dot_general(flat, flat_slope, FIRST_AXES, precision=FLOAT32, preferred_element_type=kernel.dtype)
    return jnp.matmul(slope, kernel.astype(slope.dtype).T, precision=FLOAT32), of_kernel


product.defvjp(_product, _product_gradients)


class Dense(nn.Module):
    """Tokens [batch, tokens, rows] → [batch, tokens, features] in `dtype`; `kernel` [rows, features] and `bias` [features].

    The bias of the features from `without[0]` to `without[1]` counts as zero, and no gradient reaches it.
    """

    features: int
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32
    without: tuple[int, int] | None = None

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (tokens.shape[-1], self.features))
        result = product(tokens.astype(self.dtype), kernel)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            bias = bias if self.without is None else bias.at[slice(*self.without)].set(0.0)
            result = result + bias.astype(self.dtype).reshape(1, 1, -1)
        return result


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def layer_norm(x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float) -> jax.Array:
    """(x − mean) / √(variance + epsilon) · scale + bias over the last axis; all float32, scale and bias of the rank of `x`."""
    return _layer_norm(x, scale, bias, epsilon)[0]


def _layer_norm(x, scale, bias, epsilon):
    mean = x.mean(axis=-1, keepdims=True)
    centred = x - mean
    inverse = jax.lax.rsqrt((centred * centred).mean(axis=-1, keepdims=True) + epsilon)
    return centred * inverse * scale + bias, (x, mean, inverse, scale)


def _layer_norm_gradients(epsilon, kept, slope):
    del epsilon
    x, mean, inverse, scale = kept
    normal, inner = (x - mean) * inverse, slope * scale
    of_x = inverse * (inner - inner.mean(axis=-1, keepdims=True) - normal * (inner * normal).mean(axis=-1, keepdims=True))
    rows = tuple(range(x.ndim - 1))
    return of_x, (slope * normal).sum(axis=rows, keepdims=True), slope.sum(axis=rows, keepdims=True)


layer_norm.defvjp(_layer_norm, _layer_norm_gradients)


class LayerNorm(nn.Module):
    """LayerNorm over the last axis in float32, whatever the type of its input; `scale` and `bias` [width]."""

    epsilon: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (1,) * (x.ndim - 1) + (x.shape[-1],)
        scale, bias = (
            self.param(name, initial, (x.shape[-1],)).reshape(shape)
            for name, initial in (("scale", nn.initializers.ones), ("bias", nn.initializers.zeros))
        )
        return layer_norm(x.astype(jnp.float32), scale, bias, self.epsilon)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def attention(qkv: jax.Array, scale: float) -> jax.Array:
    """softmax(scale · query keyᵀ) value, [batch, heads, tokens, depth], of `qkv` [3, batch, heads, tokens, depth].

    The sum of each row divides the result, which is smaller than the weights.
    """
    return _attention(qkv, scale)[0]


def _attention(qkv, scale):
    query, key, value = qkv
    logits = einsum("bhqd,bhkd->bhqk", query, key, preferred_element_type=jnp.float32)
    weights = jnp.exp(scale * (logits - logits.max(axis=-1, keepdims=True)))
    total = weights.sum(axis=-1, keepdims=True)
    weights = weights.astype(qkv.dtype)
    mixed = einsum("bhqk,bhkd->bhqd", weights, value, preferred_element_type=jnp.float32) / total
    mixed = checkpoint_name(mixed.astype(qkv.dtype), "attention")
    return mixed, (qkv, weights, total, mixed)


def _attention_gradients(scale, kept, slope):
    (query, key, value), weights, total, mixed = kept
    slope = slope.astype(jnp.float32) / total
    along = (slope * mixed.astype(jnp.float32)).sum(axis=-1, keepdims=True)
    slope = slope.astype(weights.dtype)
    of_value = einsum("bhqk,bhqd->bhkd", weights, slope)
    of_weights = einsum("bhqd,bhkd->bhqk", slope, value, preferred_element_type=jnp.float32)
    of_logits = (scale * weights.astype(jnp.float32) * (of_weights - along)).astype(weights.dtype)
    of_query = einsum("bhqk,bhkd->bhqd", of_logits, key)
    of_key = einsum("bhqk,bhqd->bhkd", of_logits, query)
    return (jnp.stack([of_query, of_key, of_value]),)


attention.defvjp(_attention, _attention_gradients)
