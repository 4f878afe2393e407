"""What the names and shapes of a tower's tensors tell of its architecture, in any naming."""

from collections.abc import Mapping
from dataclasses import replace
from math import isqrt
from typing import Any

from pathfm.errors import InputError
from pathfm.models.architecture import Slots, ViTSpec
from pathfm.zoo.namings import DINOV3, EVA, TIMM, Naming
from pathfm.zoo.rules import Shapes, listed

QKV_BIAS = "blocks_0/attention/qkv/bias"


def fitted(spec: ViTSpec, naming: Naming, shapes: Shapes) -> ViTSpec:
    """The architecture with what the tensors themselves decide: the size that the position embeddings were learned at, their slots,
    and the form of SwiGLU; and with the naming's rule of interpolation, where its class does not know that of the architecture. In timm's
    words for DINOv3 biases of query and value that are all zero are left out; and the hub's code alone computes angles in bfloat16.

    InputError when the position embeddings are no square grid.
    """
    if naming is TIMM and spec.mlp != "gelu":
        spec = replace(spec, mlp="swiglu" if "blocks.0.mlp.fc1_g.weight" in shapes else "swiglu_packed")
    elif spec.mlp != "gelu":
        spec = replace(spec, mlp="swiglu_packed")
    if naming.rotary:
        spec = spec if naming is DINOV3 else replace(spec, rope_type="float32")
        return replace(spec, qkv_bias=spec.qkv_bias and (naming is not EVA or _theirs(naming, spec, QKV_BIAS)[0] in shapes))
    if spec.interpolation not in naming.interpolations(spec):
        spec = replace(spec, interpolation=naming.interpolations(spec)[0])
    choices = _slots_of(naming, spec)
    spec = replace(spec, slots=choices[0])
    name = _theirs(naming, spec, "position")[0]
    if name not in shapes:
        return spec
    count = shapes[name][1] if len(shapes[name]) == 3 else 0
    for slots in choices:
        patches = count - replace(spec, slots=slots).prefix_slots
        if patches > 0 and isqrt(patches) ** 2 == patches:
            return replace(spec, slots=slots, image_size=isqrt(patches) * spec.patch)
    raise InputError(f"the tensor {name} of shape {shapes[name]} holds no square grid of position embeddings")


def _slots_of(naming: Naming, spec: ViTSpec) -> list[Slots]:
    """The slots that a naming's class can say, those of the architecture first: timm gives registers one only beside the class token."""
    if naming is not TIMM:
        return ["class"]
    choices: tuple[Slots, ...] = ("patches", "all") if spec.registers else ("patches", "class", "all")
    return sorted(choices, key=lambda slots: slots != spec.slots)


def facts(naming: Naming, shapes: Shapes) -> dict[str, Any]:
    """What names and shapes tell of an architecture: all but the heads, the epsilon and the use that is made of it.

    InputError when the tensors that tell it are missing.
    """
    spec = ViTSpec(width=1, depth=1, heads=1, mlp_width=1, registers=1, slots="all", layer_scale=1.0)
    forms = [replace(spec, mlp=mlp) for mlp in ("swiglu_packed", "swiglu", "gelu")]
    spec = next((form for form in forms if _theirs(naming, form, "blocks_0/mlp/in/kernel")[0] in shapes), spec)
    theirs = {ours: _theirs(naming, spec, ours) for ours in ("patch_embedding/kernel", "blocks_0/mlp/in/kernel", "blocks_0/mlp/out/kernel")}
    missing = sorted(name for names in theirs.values() for name in names if name not in shapes)
    if missing:
        raise InputError(f"the tensors are not those of a ViT; missing: {listed(missing)}")
    kernel, out = (shapes[theirs[ours][0]] for ours in ("patch_embedding/kernel", "blocks_0/mlp/out/kernel"))
    if len(kernel) != 4 or len(out) != 2:
        raise InputError(f"the tensors are not those of a ViT: patch embedding {kernel}, second layer of the MLP {out}")
    registers = shapes.get(_theirs(naming, spec, "registers")[0])
    scale = _theirs(naming, spec, "norm/scale")[0]
    depth = 0
    while _theirs(naming, spec, "blocks_0/attention_norm/scale")[0].replace(".0.", f".{depth}.", 1) in shapes:
        depth += 1
    return {
        "width": shapes[scale][0] if scale in shapes else kernel[0],
        "depth": depth,
        "patch": kernel[2],
        "registers": registers[1] if registers is not None and len(registers) == 3 else 0,
        "mlp_width": out[1],
        "gated": sum(shapes[name][0] for name in theirs["blocks_0/mlp/in/kernel"]) == 2 * out[1],
        "layer_scale": _theirs(naming, spec, "blocks_0/attention_scale")[0] in shapes,
        "qkv_bias": _theirs(naming, spec, QKV_BIAS)[0] in shapes,
        "rotary": naming.rotary,
        "per_channel": kernel[1] == 1,
    }


def facts_of(spec: ViTSpec) -> dict[str, Any]:
    """What `facts` would tell of the weights of an architecture."""
    same = {name: getattr(spec, name) for name in ("width", "depth", "patch", "registers", "mlp_width", "qkv_bias", "per_channel")}
    return same | {"gated": spec.mlp != "gelu", "layer_scale": spec.layer_scale is not None, "rotary": spec.rope is not None}


def are_facts_of(spec: ViTSpec, naming: Naming, found: Mapping[str, Any]) -> bool:
    """Whether `found`, the facts of a tower in the naming, are those of an architecture, whose biases timm's files of DINOv3 may lack."""
    wanted = facts_of(spec)
    return found == wanted or (naming is EVA and found == wanted | {"qkv_bias": False})


def _theirs(naming: Naming, spec: ViTSpec, ours: str) -> tuple[str, ...]:
    """The names of one of our parameters, in block 0 where it belongs to blocks."""
    rule = next(rule for rule in naming.rules(spec) if rule.ours.format(i=0) == ours)
    return tuple(name.format(i=0) for name in rule.theirs)
