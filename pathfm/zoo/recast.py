"""The same function in another architecture's words: where position embeddings have a slot, LayerScale or none, the form of SwiGLU.

A published class fixes such choices. Adding a position embedding to the token that it belongs to, a slot of zeros, and a LayerScale of
ones change no feature, so weights can move between classes that choose differently.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.models.architecture import Mlp, Slots, ViTSpec
from pathfm.models.vit import by_name, from_names


def with_slots(params: Mapping[str, Any], spec: ViTSpec, slots: Slots) -> tuple[dict[str, Any], ViTSpec]:
    """The parameters and architecture with position embeddings for those tokens alone; features stay as they are.

    A slot that goes is added to its token; a class token that gains one gets zeros. Registers cannot gain slots.
    """
    if slots == spec.slots or (not spec.registers and {slots, spec.slots} <= {"class", "all"}):
        return dict(params), replace(spec, slots=slots)
    if slots == "all":
        raise ValueError("registers are given no slots: nothing asks for them")
    leaves = by_name(params)
    position = np.asarray(leaves["position"])
    prefix, patches = position[:, : spec.prefix_slots], position[:, spec.prefix_slots :]
    if spec.slots == "all":
        leaves["registers"] = np.asarray(leaves["registers"]) + prefix[:, 1:]
    if slots == "patches":
        leaves["class_token"] = np.asarray(leaves["class_token"]) + prefix[:, :1]
        leaves["position"] = np.ascontiguousarray(patches)
    else:
        leaves["position"] = np.concatenate([prefix[:, :1] if spec.slots == "all" else np.zeros_like(patches[:, :1]), patches], axis=1)
    return from_names(leaves), replace(spec, slots=slots)


def check_learned(spec: ViTSpec, of: str) -> None:
    """InputError where a class with learned position embeddings, which sees all channels at once, cannot say the architecture."""
    if spec.rope is not None or spec.per_channel:
        raise InputError(f"{of} cannot say {'rotary position embeddings' if spec.rope is not None else 'one channel at a time'}")


def check_rotary(spec: ViTSpec, of: str) -> None:
    """InputError where a class with rotary position embeddings cannot say the architecture."""
    if spec.rope is None:
        raise InputError(f"{of} cannot say learned position embeddings")


def with_layer_scale(params: Mapping[str, Any], spec: ViTSpec) -> tuple[dict[str, Any], ViTSpec]:
    """The parameters and architecture with a LayerScale, of ones where there was none."""
    if spec.layer_scale is not None:
        return dict(params), spec
    leaves = by_name(params)
    ones = {f"blocks_{i}/{branch}_scale": np.ones(spec.width, np.float32) for i in range(spec.depth) for branch in ("attention", "mlp")}
    return from_names(leaves | ones), replace(spec, layer_scale=1.0)


def with_mlp(spec: ViTSpec, packed: Mlp) -> ViTSpec:
    """The architecture with SwiGLU in the form `packed`; GELU stays. Both forms hold the same parameters here."""
    return spec if spec.mlp == "gelu" else replace(spec, mlp=packed)


def swiglu_ratio(spec: ViTSpec, of: str) -> float | int:
    """The `mlp_ratio` that makes DINOv2's SwiGLU as wide as `spec.mlp_width`; InputError when none does, which names the class `of`.

    DINOv2 takes two thirds of ratio × width and rounds up to a multiple of 8.
    """
    for hidden in (4 * spec.width, *range(spec.mlp_width, 2 * spec.mlp_width)):
        if (int(hidden * 2 / 3) + 7) // 8 * 8 == spec.mlp_width and int(spec.width * (hidden / spec.width)) == hidden:
            return hidden // spec.width if hidden % spec.width == 0 else hidden / spec.width
    raise InputError(f"{of} cannot say a SwiGLU of width {spec.mlp_width}: its widths are multiples of 8")
