"""The names and layouts of DINOv2's hub code (facebookresearch/dinov2, `DinoVisionTransformer`), both ways.

It is timm's naming but for the registers and the SwiGLU; the blocks may lie in chunks (`blocks.{chunk}.{i}`), which
`pathfm.zoo.checkpoint` undoes. Its position embedding always owns a slot for the class token and none for the registers.
"""

from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec
from pathfm.zoo.recast import check_learned, swiglu_ratio
from pathfm.zoo.rules import Rule
from pathfm.zoo.timm import BLOCK, FIRST_LAYER, TOWER

EPSILON = 1e-6  # fixed in the class

_RENAMED = {
    "registers": ("register_tokens",),
    "blocks_{i}/mlp/in/kernel": ("blocks.{i}.mlp.w12.weight",),
    "blocks_{i}/mlp/in/bias": ("blocks.{i}.mlp.w12.bias",),
    "blocks_{i}/mlp/out/kernel": ("blocks.{i}.mlp.w3.weight",),
    "blocks_{i}/mlp/out/bias": ("blocks.{i}.mlp.w3.bias",),
}


def hub_rules(spec: ViTSpec) -> tuple[Rule, ...]:
    """The table of names of DINOv2's hub code for an architecture whose class token alone owns a slot."""
    renamed = _RENAMED if spec.mlp != "gelu" else {"registers": _RENAMED["registers"]}
    return tuple(Rule(rule.ours, renamed.get(rule.ours, rule.theirs), rule.layout) for rule in TOWER + BLOCK + FIRST_LAYER)


def hub_arguments(spec: ViTSpec) -> dict[str, Any]:
    """The arguments of `dinov2.models.vision_transformer.DinoVisionTransformer`; InputError names what it cannot say."""
    check_learned(spec, "DINOv2's class")
    if spec.epsilon != EPSILON:
        raise InputError(f"DINOv2's class cannot say a LayerNorm epsilon of {spec.epsilon:g}; its own is {EPSILON:g}")
    return {
        "img_size": spec.image_size,
        "patch_size": spec.patch,
        "embed_dim": spec.width,
        "depth": spec.depth,
        "num_heads": spec.heads,
        "mlp_ratio": spec.mlp_width / spec.width if spec.mlp == "gelu" else swiglu_ratio(spec, "DINOv2's class"),
        "ffn_layer": "mlp" if spec.mlp == "gelu" else "swiglufused",
        "qkv_bias": spec.qkv_bias,
        "init_values": spec.layer_scale,
        "num_register_tokens": spec.registers,
        "interpolate_antialias": spec.interpolation == "antialias",
        "interpolate_offset": 0.1 if spec.interpolation == "bicubic_offset" else 0.0,
        "block_chunks": 0,
    }


def hub_beside(spec: ViTSpec) -> dict[str, np.ndarray]:
    """What DINOv2's class wants beside its parameters: the mask token, on which no feature depends."""
    return {"mask_token": np.zeros((1, spec.width), np.float32)}
