"""The names, layouts and arguments of DINOv3 in the words of its hub code (facebookresearch/dinov3) and of timm's `Eva`, both ways.

Positions are rotary, so there is no position embedding. The key has no bias: the hub's files hold one and a mask of zeros over it, timm's
leave it out, and where the biases of query and value are zeros they have none at all.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.models.architecture import ViTSpec
from pathfm.zoo import timm
from pathfm.zoo.recast import check_rotary, swiglu_ratio
from pathfm.zoo.rules import Rule

EPSILON = 1e-5  # of DINOv3, in each of the libraries
HUB_NORMS = {1e-5: "layernormbf16", 1e-6: "layernorm"}
HUB_TYPES = {"float32": "fp32", "bfloat16": "bf16"}
PERIODS, MASK = "rope_embed.periods", "blocks.{i}.attn.qkv.bias_mask"  # buffers of the hub's class

_QKV_BIAS = "blocks_{i}/attention/qkv/bias"
_GATED_OF_HUB = {
    "blocks_{i}/mlp/in/kernel": ("blocks.{i}.mlp.w1.weight", "blocks.{i}.mlp.w2.weight"),
    "blocks_{i}/mlp/in/bias": ("blocks.{i}.mlp.w1.bias", "blocks.{i}.mlp.w2.bias"),
    "blocks_{i}/mlp/out/kernel": ("blocks.{i}.mlp.w3.weight",),
    "blocks_{i}/mlp/out/bias": ("blocks.{i}.mlp.w3.bias",),
}
_OF_EVA = {
    "blocks_{i}/attention_scale": ("blocks.{i}.gamma_1",),
    "blocks_{i}/mlp_scale": ("blocks.{i}.gamma_2",),
    _QKV_BIAS: ("blocks.{i}.attn.q_bias", "", "blocks.{i}.attn.v_bias"),
}


def _renamed(rules: tuple[Rule, ...], names: dict[str, tuple[str, ...]]) -> tuple[Rule, ...]:
    return tuple(replace(rule, theirs=names.get(rule.ours, rule.theirs)) for rule in rules if rule.ours != "position")


def hub_rules(spec: ViTSpec) -> tuple[Rule, ...]:
    """The table of names of DINOv3's hub code."""
    gated = _GATED_OF_HUB if spec.mlp != "gelu" else {}
    return _renamed(timm.TOWER + timm.BLOCK + timm.FIRST_LAYER, {"registers": ("storage_tokens",)} | gated)


def eva_rules(spec: ViTSpec) -> tuple[Rule, ...]:
    """The table of names of timm's `Eva`."""
    return _renamed(timm.TOWER + timm.BLOCK + (timm.FIRST_LAYER if spec.mlp == "gelu" else timm.FIRST_LAYER_SPLIT), _OF_EVA)


def hub_arguments(spec: ViTSpec) -> dict[str, Any]:
    """The arguments of `dinov3.models.vision_transformer.DinoVisionTransformer`; InputError names what it cannot say."""
    check_rotary(spec, "DINOv3's class")
    if spec.epsilon not in HUB_NORMS:
        raise InputError(f"DINOv3's class cannot say a LayerNorm epsilon of {spec.epsilon:g}; its own are 1e-05 and 1e-06")
    return {
        "img_size": spec.image_size,
        "patch_size": spec.patch,
        "in_chans": 3 // spec.passes,
        "pos_embed_rope_base": spec.rope,
        "pos_embed_rope_dtype": HUB_TYPES[spec.rope_type],
        "embed_dim": spec.width,
        "depth": spec.depth,
        "num_heads": spec.heads,
        "ffn_ratio": spec.mlp_width / spec.width if spec.mlp == "gelu" else swiglu_ratio(spec, "DINOv3's class"),
        "qkv_bias": spec.qkv_bias,
        "layerscale_init": spec.layer_scale,
        "norm_layer": HUB_NORMS[spec.epsilon],
        "ffn_layer": "mlp" if spec.mlp == "gelu" else "swiglu",
        "n_storage_tokens": spec.registers,
        "mask_k_bias": not spec.key_bias,
    }


def eva_arguments(spec: ViTSpec) -> dict[str, Any]:
    """The arguments of timm's `Eva`, as `pathfm.zoo.timm.timm_arguments` gives those of its `VisionTransformer`."""
    check_rotary(spec, "timm's Eva")
    if spec.qkv_bias and spec.key_bias:
        raise InputError("timm's Eva cannot say a bias of the key")
    arguments = {
        "img_size": spec.image_size,
        "patch_size": spec.patch,
        "in_chans": 3 // spec.passes,
        "num_classes": 0,
        "embed_dim": spec.width,
        "depth": spec.depth,
        "num_heads": spec.heads,
        "mlp_ratio": spec.mlp_width / spec.width,
        "qkv_bias": spec.qkv_bias,
        "init_values": spec.layer_scale,
        "num_reg_tokens": spec.registers,
        "use_abs_pos_emb": False,
        "use_rot_pos_emb": True,
        "rope_type": "dinov3",
        "rope_temperature": spec.rope,
        "rope_rotate_half": True,
        "use_fc_norm": False,
        "global_pool": "token",
        "dynamic_img_size": True,
    }
    gated = {"swiglu_mlp": True, "swiglu_align_to": 1} if spec.mlp != "gelu" else {}
    return arguments | gated | ({} if spec.epsilon == EPSILON else {"norm_layer": ["LayerNorm", {"eps": spec.epsilon}]})


def hub_beside(spec: ViTSpec) -> dict[str, np.ndarray]:
    """What the hub's class wants beside its parameters: the mask token, the periods, and the masks over the key's bias."""
    beside = {"mask_token": np.zeros((1, spec.width), np.float32), PERIODS: _periods(spec)}
    if spec.qkv_bias and not spec.key_bias:
        beside |= {MASK.format(i=i): _mask(spec) for i in range(spec.depth)}
    return beside


def hub_misfit(spec: ViTSpec, beside: dict[str, np.ndarray]) -> str:
    """What in the buffers of the hub's files is not the architecture's, in words, or "": periods (to the precision of bfloat16), masks."""
    periods = beside.get(PERIODS)
    if periods is not None and (periods.shape != (spec.width // spec.heads // 4,) or not np.allclose(periods, _periods(spec), rtol=0.01)):
        return f"{PERIODS} is not that of rotary position embeddings of {spec.heads} heads and base {spec.rope:g}"
    for i in range(spec.depth if spec.qkv_bias else 0):
        name = MASK.format(i=i)
        mask = beside.get(name, np.ones(3 * spec.width, np.float32))
        if mask.shape != (3 * spec.width,) or (np.asarray(mask, np.float32) != _mask(spec)).any():
            return f"{name} is not that of a key {'with' if spec.key_bias else 'without'} a bias"
    return ""


def _periods(spec: ViTSpec) -> np.ndarray:
    """The periods [width of a head / 4] of the rotation, in units of half the image's side."""
    quarter = spec.width // spec.heads // 4
    return np.float32(spec.rope or 1.0) ** (np.arange(quarter, dtype=np.float32) / np.float32(quarter))


def _mask(spec: ViTSpec) -> np.ndarray:
    """What the hub's class multiplies the bias of query, key and value with."""
    mask = np.ones(3 * spec.width, np.float32)
    if not spec.key_bias:
        mask[spec.width : 2 * spec.width] = 0.0
    return mask
