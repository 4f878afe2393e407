"""The Vision Transformer as pathology publishes it: patches, class token, registers, LayerScale, GELU or SwiGLU.

Dosovitskiy et al. 2021 (https://arxiv.org/abs/2010.11929); registers: Darcet et al. 2024 (https://arxiv.org/abs/2309.16588);
LayerScale: Touvron et al. 2021 (https://arxiv.org/abs/2103.17239); SwiGLU: Shazeer 2020 (https://arxiv.org/abs/2002.05202).
"""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike

from pathfm.errors import InputError
from pathfm.models.layers import Dense, LayerNorm, attention, product
from pathfm.models.positions import Interpolation, resize_grid

Mlp = Literal["gelu", "swiglu", "swiglu_packed"]
Slots = Literal["patches", "class", "all"]
Output = Literal["class", "class+mean"]
Remat = Literal["none", "cheap", "blocks"]

# What a block keeps for its gradient under `remat="cheap"`, besides its input.
KEPT = ("qkv", "attention", "after_attention", "hidden")


@dataclass(frozen=True)
class ViTSpec:
    """The architecture of an image tower; it holds everything that decides the shapes and the function.

    `slots` says which tokens own a position embedding: the patches alone, the class token too, or the registers as well (then the
    registers stand before the position embedding is added). `mlp_width` is the width between the two MLP layers (after the gate).
    "swiglu" and "swiglu_packed" are one function: packed, timm's files hold gate and value in one tensor. `interpolation` is the rule
    by which the position embeddings of `image_size` are resampled for images of another size.
    """

    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int = 16
    image_size: int = 224
    registers: int = 0
    slots: Slots = "class"
    mlp: Mlp = "gelu"
    qkv_bias: bool = True
    layer_scale: float | None = None
    epsilon: float = 1e-6
    output: Output = "class"
    interpolation: Interpolation = "antialias"

    def __post_init__(self):
        for name in ("width", "depth", "heads", "mlp_width", "patch", "image_size"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise InputError(f"the architecture's {name} is {getattr(self, name)!r}; it must be a whole number above 0")
        if self.registers < 0 or self.width % self.heads or self.image_size % self.patch:
            raise InputError(
                "the architecture does not fit together: heads must divide width, patch must divide image_size, registers must be 0 or more"
            )
        for name, choices in (("slots", Slots), ("mlp", Mlp), ("output", Output), ("interpolation", Interpolation)):
            if getattr(self, name) not in get_args(choices):
                raise InputError(f"the architecture's {name} is {getattr(self, name)!r}; it must be one of {', '.join(get_args(choices))}")

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "ViTSpec":
        """The spec that `to_dict` wrote; fields it lacks take their defaults, InputError for unknown or missing ones."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise InputError(f"the architecture has the unknown field {unknown[0]!r}; known are {', '.join(known)}")
        missing = sorted(name for name, field in known.items() if field.default is dataclasses.MISSING and name not in fields)
        if missing:
            raise InputError(f"the architecture lacks the field {missing[0]!r}")
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def features(self) -> int:
        """The width of the tower's output."""
        return 2 * self.width if self.output == "class+mean" else self.width

    @property
    def prefix(self) -> int:
        """How many tokens stand before the patches: the class token and the registers."""
        return 1 + self.registers

    @property
    def prefix_slots(self) -> int:
        """How many of the prefix tokens own a position embedding."""
        return {"patches": 0, "class": 1, "all": self.prefix}[self.slots]

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """The patches down and across an image; InputError when the patch does not divide it."""
        if height % self.patch or width % self.patch or min(height, width) < self.patch:
            raise InputError(
                f"an image of {height} x {width} px has no whole patches of {self.patch} px; choose a tile size that {self.patch} divides"
            )
        return height // self.patch, width // self.patch

    def tokens(self, image_size: int | None = None) -> int:
        """The tokens of one image, those before the patches included."""
        rows, columns = self.grid(image_size or self.image_size, image_size or self.image_size)
        return self.prefix + rows * columns

    def flops(self, image_size: int | None = None) -> int:
        """Floating-point operations of one image's forward pass: two for each multiply-add of its matrix products."""
        tokens = self.tokens(image_size)
        embedding = (tokens - self.prefix) * self.patch**2 * 3 * self.width
        attention = tokens * self.width * 4 * self.width + 2 * tokens**2 * self.width
        mlp = tokens * self.width * self.mlp_width * (2 if self.mlp == "gelu" else 3)
        return 2 * (embedding + self.depth * (attention + mlp))


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
        spec = self.spec
        rows, columns = spec.grid(images.shape[1], images.shape[2])
        patches = PatchEmbedding(spec.width, spec.patch, self.dtype, name="patch_embedding")(images)
        side = spec.image_size // spec.patch
        position = self.param("position", _token, (1, spec.prefix_slots + side * side, spec.width))
        position = resize_grid(position, spec.prefix_slots, (side, side), (rows, columns), spec.interpolation).astype(self.dtype)
        prefix = [self.param("class_token", _token, (1, 1, spec.width))]
        if spec.registers:
            prefix.append(self.param("registers", _token, (1, spec.registers, spec.width)))
        prefix = jnp.concatenate(prefix, axis=1).astype(self.dtype)
        with_slot = prefix[:, : spec.prefix_slots] + position[:, : spec.prefix_slots]
        prefix = jnp.concatenate([with_slot, prefix[:, spec.prefix_slots :]], axis=1)
        patches = patches + jnp.broadcast_to(position[:, spec.prefix_slots :], patches.shape)
        tokens = jnp.concatenate([jnp.broadcast_to(prefix, (patches.shape[0], *prefix.shape[1:])), patches], axis=1)
        block = rematerialised(self.remat)
        for index in range(spec.depth):
            tokens = block(spec, self.dtype, name=f"blocks_{index}")(tokens)
        norm = LayerNorm(spec.epsilon, name="norm")
        if spec.output == "class":
            return norm(tokens[:, 0])
        tokens = norm(tokens)
        return jnp.concatenate([tokens[:, 0], tokens[:, spec.prefix :].mean(axis=1)], axis=-1)


def rematerialised(remat: Remat) -> type[nn.Module]:
    """`Block`, with what it computes again in the backward pass."""
    if remat == "none":
        return Block
    return nn.remat(Block, policy=jax.checkpoint_policies.save_only_these_names(*KEPT) if remat == "cheap" else None)


class PatchEmbedding(nn.Module):
    """Images [batch, height, width, 3] → patch tokens [batch, patches, width]; the convolution as one matrix product."""

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
    """One pre-norm transformer block on tokens [batch, tokens, width]."""

    spec: ViTSpec
    dtype: DTypeLike

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        for name, branch in (("attention", Attention), ("mlp", MLP)):
            norm = LayerNorm(self.spec.epsilon, name=f"{name}_norm")
            update = branch(self.spec, self.dtype, name=name)(norm(tokens).astype(self.dtype))
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
    def __call__(self, tokens: jax.Array) -> jax.Array:
        spec, (batch, length, width) = self.spec, tokens.shape
        depth = spec.width // spec.heads
        qkv = Dense(3 * width, spec.qkv_bias, self.dtype, name="qkv")(tokens)
        qkv = checkpoint_name(qkv.reshape(batch, length, 3, spec.heads, depth).transpose(2, 0, 3, 1, 4), "qkv")
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
