"""The Vision Transformer as pathology publishes it: class token, registers, learned or rotary positions, LayerScale, GELU or SwiGLU.

Dosovitskiy et al. 2021 (https://arxiv.org/abs/2010.11929); registers: Darcet et al. 2024 (https://arxiv.org/abs/2309.16588);
LayerScale: Touvron et al. 2021 (https://arxiv.org/abs/2103.17239); SwiGLU: Shazeer 2020 (https://arxiv.org/abs/2002.05202);
rotary positions: Siméoni et al. 2025 (DINOv3, https://arxiv.org/abs/2508.10104).
"""

from functools import lru_cache
from typing import Any, Literal, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike

from pathfm.models.architecture import ViTSpec
from pathfm.models.layers import Dense, LayerNorm, attention, product
from pathfm.models.positions import resize_grid
from pathfm.models.rotary import rotation, turned

Remat = Literal["none", "cheap", "blocks"]

# What a block keeps for its gradient under `remat="cheap"`, besides its input.
KEPT = ("qkv", "attention", "after_attention", "hidden")


class ViT(nn.Module):
    """Normalised images [batch, height, width, 3] → features [batch, spec.features] in float32.

    `dtype` is what the products are computed in (float32 or bfloat16); parameters, LayerNorm and softmax are float32. `remat` says
    what the backward pass computes again instead of keeping it: "none", "cheap" (LayerNorm, the weights of attention and the MLP's
    activation, which halves the memory) or the whole "blocks". On a CPU it takes `pathfm.training.step.compiler_options`.
    """

    spec: ViTSpec
    dtype: DTypeLike = jnp.float32
    remat: Remat = "none"

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        spec, batch = self.spec, images.shape[0]
        if spec.per_channel:
            images = images.transpose(0, 3, 1, 2).reshape(-1, *images.shape[1:3], 1)
        rows, columns = spec.grid(images.shape[1], images.shape[2])
        patches = PatchEmbedding(spec.width, spec.patch, self.dtype, name="patch_embedding")(images)
        position, turn = self._position(rows, columns), None
        prefix = [self.param("class_token", _token, (1, 1, spec.width))]
        if spec.registers:
            prefix.append(self.param("registers", _token, (1, spec.registers, spec.width)))
        prefix = jnp.concatenate(prefix, axis=1).astype(self.dtype)
        if position is not None:
            with_slot = prefix[:, : spec.prefix_slots] + position[:, : spec.prefix_slots]
            prefix = jnp.concatenate([with_slot, prefix[:, spec.prefix_slots :]], axis=1)
            patches = patches + jnp.broadcast_to(position[:, spec.prefix_slots :], patches.shape)
        if spec.rope is not None:
            turn = jnp.asarray(rotation(spec.rope, spec.width // spec.heads, spec.prefix, (rows, columns), spec.rope_type))
        tokens = jnp.concatenate([jnp.broadcast_to(prefix, (patches.shape[0], *prefix.shape[1:])), patches], axis=1)
        block = rematerialised(self.remat)
        for index in range(spec.depth):
            tokens = block(spec, self.dtype, name=f"blocks_{index}")(tokens, turn)
        norm = LayerNorm(spec.epsilon, name="norm")
        if spec.output == "class":
            return norm(tokens[:, 0]).reshape(batch, -1)
        tokens = norm(tokens)
        return jnp.concatenate([tokens[:, 0], tokens[:, spec.prefix :].mean(axis=1)], axis=-1).reshape(batch, -1)

    def _position(self, rows: int, columns: int) -> jax.Array | None:
        """Learned position embeddings [1, slots + rows × columns, width]; None where positions are rotary."""
        spec, side = self.spec, self.spec.image_size // self.spec.patch
        if spec.rope is not None:
            return None
        position = self.param("position", _token, (1, spec.prefix_slots + side * side, spec.width))
        return resize_grid(position, spec.prefix_slots, (side, side), (rows, columns), spec.interpolation).astype(self.dtype)


def rematerialised(remat: Remat) -> type[nn.Module]:
    """`Block`, with what it computes again in the backward pass."""
    if remat == "none":
        return Block
    return nn.remat(Block, policy=jax.checkpoint_policies.save_only_these_names(*KEPT) if remat == "cheap" else None)


class PatchEmbedding(nn.Module):
    """Images [batch, height, width, channels] → patch tokens [batch, patches, width]; the convolution as one matrix product."""

    width: int
    patch: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        batch, height, width, channels = images.shape
        rows, columns, size = height // self.patch, width // self.patch, self.patch
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (size, size, channels, self.width))
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        pixels = images.astype(self.dtype).reshape(batch, rows, size, columns, size, channels)
        pixels = pixels.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * columns, size * size * channels)
        tokens = product(pixels, kernel.reshape(-1, self.width))
        return tokens + bias.astype(self.dtype).reshape(1, 1, -1)


class Block(nn.Module):
    """One pre-norm transformer block on tokens [batch, tokens, width]; `turn` is that of `pathfm.models.rotary.rotation`, if any."""

    spec: ViTSpec
    dtype: DTypeLike

    @nn.compact
    def __call__(self, tokens: jax.Array, turn: jax.Array | None = None) -> jax.Array:
        attend = Attention(self.spec, self.dtype, name="attention")
        for name, branch in (("attention", lambda tokens: attend(tokens, turn)), ("mlp", MLP(self.spec, self.dtype, name="mlp"))):
            norm = LayerNorm(self.spec.epsilon, name=f"{name}_norm")
            update = branch(norm(tokens).astype(self.dtype))
            if self.spec.layer_scale is not None:
                scale = self.param(f"{name}_scale", nn.initializers.constant(self.spec.layer_scale), (self.spec.width,))
                update = update * scale.astype(self.dtype).reshape(1, 1, -1)
            tokens = checkpoint_name(tokens + update, f"after_{name}")
        return tokens


class Attention(nn.Module):
    """Multi-head self-attention; query, key and value come from one product with columns ordered (3, heads, depth)."""

    spec: ViTSpec
    dtype: DTypeLike

    @nn.compact
    def __call__(self, tokens: jax.Array, turn: jax.Array | None = None) -> jax.Array:
        spec, (batch, length, width) = self.spec, tokens.shape
        depth = spec.width // spec.heads
        without = None if spec.key_bias else (width, 2 * width)
        qkv = Dense(3 * width, spec.qkv_bias, self.dtype, without, name="qkv")(tokens)
        qkv = qkv.reshape(batch, length, 3, spec.heads, depth).transpose(2, 0, 3, 1, 4)
        qkv = checkpoint_name(qkv if turn is None else turned(qkv, *turn), "qkv")
        mixed = cast(jax.Array, attention(qkv, depth**-0.5))  # `partial` hides from types what custom_vjp returns
        return Dense(width, dtype=self.dtype, name="projection")(mixed.transpose(0, 2, 1, 3).reshape(batch, length, width))


class MLP(nn.Module):
    """Two layers with exact GELU between them, or with a SiLU gate (columns of the first layer: gate, then value)."""

    spec: ViTSpec
    dtype: DTypeLike

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        spec = self.spec
        gated = spec.mlp != "gelu"
        hidden = checkpoint_name(Dense(spec.mlp_width * (2 if gated else 1), dtype=self.dtype, name="in")(tokens), "hidden")
        if gated:
            gate, value = jnp.split(hidden, 2, axis=-1)
            hidden = nn.silu(gate) * value
        else:
            hidden = exact_gelu(hidden)
        return Dense(spec.width, dtype=self.dtype, name="out")(hidden)


def exact_gelu(x: jax.Array) -> jax.Array:
    """x Φ(x) through erf, computed in float32: the form of torch, and on a CPU less than half the work of `jax.nn.gelu`'s erfc."""
    wide = x.astype(jnp.float32)
    return (0.5 * wide * (1.0 + jax.lax.erf(wide * 0.5**0.5))).astype(x.dtype)


_token = nn.initializers.truncated_normal(0.02)


@lru_cache(maxsize=64)
def parameter_shapes(spec: ViTSpec) -> dict[str, tuple[int, ...]]:
    """The name ("blocks_0/attention/qkv/kernel") and shape of every parameter of the tower; all are float32."""
    images = jax.ShapeDtypeStruct((1, spec.image_size, spec.image_size, 3), jnp.float32)
    shapes = jax.eval_shape(ViT(spec).init, jax.random.key(0), images)["params"]
    return {name: leaf.shape for name, leaf in sorted(by_name(shapes).items())}


def by_name(params: Any) -> dict[str, Any]:
    """The leaves of a pytree of nested dicts under names like "blocks_0/mlp/in/kernel"."""
    return flatten_dict(params, sep="/")


def from_names(leaves: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `by_name`."""
    return unflatten_dict(leaves, sep="/")
