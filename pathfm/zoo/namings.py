"""The namings in which towers are published, by name: their tables, what their classes can say, and how to tell them apart."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

from pathfm.errors import InputError
from pathfm.models.positions import Interpolation
from pathfm.models.vit import Slots, ViTSpec
from pathfm.zoo.dinov2 import hub_arguments, hub_rules
from pathfm.zoo.hugging_face import dinov2_config, dinov2_rules, in_memory, vit_config, vit_rules
from pathfm.zoo.recast import with_layer_scale, with_mlp, with_slots
from pathfm.zoo.rules import Rule, Shapes, listed
from pathfm.zoo.timm import timm_arguments, timm_rules

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Naming:
    """One publisher's words for a tower, which classes of `library` (timm, dinov2 or transformers) read.

    `rules(spec)` is the table, `said(spec)` the arguments or config of the stock class (InputError names what it cannot say). The class
    resamples position embeddings by one of `interpolations`. `mask_token` is a parameter that the class wants and no feature depends on.
    """

    name: str
    library: str
    title: str
    rules: Callable[[ViTSpec], tuple[Rule, ...]]
    said: Callable[[ViTSpec], dict[str, Any]]
    interpolations: Callable[[ViTSpec], tuple[Interpolation, ...]]
    mask_token: str | None = None


def _of_hub(spec: ViTSpec) -> tuple[Interpolation, ...]:
    return ("antialias", "bicubic", "bicubic_offset")


def _of_dinov2(spec: ViTSpec) -> tuple[Interpolation, ...]:
    return ("antialias",) if spec.registers else ("bicubic",)


TIMM = Naming("timm", "timm", "timm's VisionTransformer", timm_rules, timm_arguments, lambda spec: ("antialias",))
HUB = Naming("hub", "dinov2", "DINOv2's DinoVisionTransformer", hub_rules, hub_arguments, _of_hub, "mask_token")
HF_VIT = Naming("hf-vit", "transformers", "Hugging Face's ViTModel", vit_rules, vit_config, lambda spec: ("bicubic",))
HF_DINOV2 = Naming(
    "hf-dinov2", "transformers", "Hugging Face's Dinov2Model", dinov2_rules, dinov2_config, _of_dinov2, "embeddings.mask_token"
)
HF_VIT_5 = replace(HF_VIT, name="hf-vit-5", rules=lambda spec: in_memory(vit_rules(spec)))
HF_DINOV2_5 = replace(HF_DINOV2, name="hf-dinov2-5", rules=lambda spec: in_memory(dinov2_rules(spec)))

NAMINGS = {naming.name: naming for naming in (TIMM, HUB, HF_VIT, HF_DINOV2, HF_VIT_5, HF_DINOV2_5)}


def naming_of(names: Iterable[str]) -> Naming:
    """The naming of a tower's tensors, without prefixes and chunks; InputError shows some names when it is none that is known."""
    names = set(names)
    if "encoder.layer.0.layernorm_before.weight" in names:
        return HF_VIT
    if "layers.0.layernorm_before.weight" in names:
        return HF_VIT_5
    if "encoder.layer.0.norm1.weight" in names:
        return HF_DINOV2_5 if "encoder.layer.0.attention.q_proj.weight" in names else HF_DINOV2
    if "blocks.0.norm1.weight" in names:
        return HUB if names & {"register_tokens", "mask_token", "blocks.0.mlp.w12.weight"} else TIMM
    raise InputError(
        f"the names of the tensors are neither timm's nor DINOv2's nor Hugging Face's for a ViT; the first are {listed(sorted(names))}"
    )


def hugging_face(spec: ViTSpec) -> Naming:
    """The Hugging Face class for an architecture: ViT where it can say it, else DINOv2."""
    return HF_VIT if not spec.registers and spec.layer_scale is None and spec.mlp == "gelu" else HF_DINOV2


def recast(params: Params, spec: ViTSpec, naming: Naming) -> tuple[dict[str, Any], ViTSpec]:
    """The same function in the words of a naming's class; InputError names what the class cannot say."""
    params, spec = with_slots(params, spec if naming is TIMM else with_mlp(spec, "swiglu_packed"), slots_in(naming, spec))
    if naming.said is dinov2_config:
        params, spec = with_layer_scale(params, spec)
    naming.said(spec)
    return params, spec


def slots_in(naming: Naming, spec: ViTSpec) -> Slots:
    """Which tokens own a position embedding when weights of the architecture go over into a naming."""
    if naming is TIMM:
        return "patches" if spec.registers and spec.slots == "class" else spec.slots
    return "class"


def fitted(spec: ViTSpec, naming: Naming, shapes: Shapes) -> ViTSpec:
    """The architecture with what the tensors themselves decide: the size that the position embeddings were learned at, their slots,
    and the form of SwiGLU; and with the naming's rule of interpolation, where its class does not know that of the architecture.

    InputError when the position embeddings are no square grid.
    """
    if naming is TIMM and spec.mlp != "gelu":
        spec = replace(spec, mlp="swiglu" if "blocks.0.mlp.fc1_g.weight" in shapes else "swiglu_packed")
    elif spec.mlp != "gelu":
        spec = replace(spec, mlp="swiglu_packed")
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
    forms = [replace(spec, mlp=mlp) for mlp in ("gelu", "swiglu_packed", "swiglu")]
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
        "qkv_bias": _theirs(naming, spec, "blocks_0/attention/qkv/bias")[0] in shapes,
    }


def facts_of(spec: ViTSpec) -> dict[str, Any]:
    """What `facts` would tell of the weights of an architecture."""
    same = {name: getattr(spec, name) for name in ("width", "depth", "patch", "registers", "mlp_width", "qkv_bias")}
    return same | {"gated": spec.mlp != "gelu", "layer_scale": spec.layer_scale is not None}


def _theirs(naming: Naming, spec: ViTSpec, ours: str) -> tuple[str, ...]:
    """The names of one of our parameters, in block 0 where it belongs to blocks."""
    rule = next(rule for rule in naming.rules(spec) if rule.ours.format(i=0) == ours)
    return tuple(name.format(i=0) for name in rule.theirs)
