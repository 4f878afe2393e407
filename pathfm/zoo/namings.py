"""The namings in which towers are published, by name: their tables, what their classes can say, and how to tell them apart."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.models.architecture import Slots, ViTSpec
from pathfm.models.positions import Interpolation
from pathfm.zoo import dinov2, dinov3
from pathfm.zoo import hugging_face as hf
from pathfm.zoo.recast import with_layer_scale, with_mlp, with_slots
from pathfm.zoo.rules import Rule, listed
from pathfm.zoo.timm import timm_arguments, timm_rules

Params = Mapping[str, Any]


def _nothing(spec: ViTSpec) -> dict[str, np.ndarray]:
    return {}


def _antialias(spec: ViTSpec) -> tuple[Interpolation, ...]:
    return ("antialias",)


def _of_hub(spec: ViTSpec) -> tuple[Interpolation, ...]:
    return ("antialias", "bicubic", "bicubic_offset")


def _of_dinov2(spec: ViTSpec) -> tuple[Interpolation, ...]:
    return ("antialias",) if spec.registers else ("bicubic",)


@dataclass(frozen=True)
class Naming:
    """One publisher's words for a tower, which classes of `library` (timm, dinov2, dinov3 or transformers) read.

    `rules(spec)` is the table, `said(spec)` the arguments or config of the stock class (InputError names what it cannot say). The class
    resamples position embeddings by one of `interpolations`, or is `rotary`. `beside(spec)` are tensors that the class wants and no
    parameter holds, such as a mask token, where the weights did not bring them.
    """

    name: str
    library: str
    title: str
    rules: Callable[[ViTSpec], tuple[Rule, ...]]
    said: Callable[[ViTSpec], dict[str, Any]]
    interpolations: Callable[[ViTSpec], tuple[Interpolation, ...]] = _antialias
    beside: Callable[[ViTSpec], dict[str, np.ndarray]] = _nothing
    rotary: bool = False


TIMM = Naming("timm", "timm", "timm's VisionTransformer", timm_rules, timm_arguments)
EVA = Naming("timm-eva", "timm", "timm's Eva", dinov3.eva_rules, dinov3.eva_arguments, rotary=True)
HUB = Naming("hub", "dinov2", "DINOv2's DinoVisionTransformer", dinov2.hub_rules, dinov2.hub_arguments, _of_hub, dinov2.hub_beside)
DINOV3 = Naming(
    "dinov3",
    "dinov3",
    "DINOv3's DinoVisionTransformer",
    dinov3.hub_rules,
    dinov3.hub_arguments,
    beside=dinov3.hub_beside,
    rotary=True,
)
HF_VIT = Naming("hf-vit", "transformers", "Hugging Face's ViTModel", hf.vit_rules, hf.vit_config, lambda spec: ("bicubic",))
HF_DINOV2 = Naming(
    "hf-dinov2", "transformers", "Hugging Face's Dinov2Model", hf.dinov2_rules, hf.dinov2_config, _of_dinov2, hf.dinov2_beside
)
HF_DINOV3 = Naming(
    "hf-dinov3",
    "transformers",
    "Hugging Face's DINOv3ViTModel",
    hf.dinov3_rules,
    hf.dinov3_config,
    beside=hf.dinov3_beside,
    rotary=True,
)
HF_VIT_5 = replace(HF_VIT, name="hf-vit-5", rules=lambda spec: hf.in_memory(hf.vit_rules(spec)))
HF_DINOV2_5 = replace(HF_DINOV2, name="hf-dinov2-5", rules=lambda spec: hf.in_memory(hf.dinov2_rules(spec)))
HF_DINOV3_5 = replace(HF_DINOV3, name="hf-dinov3-5", rules=lambda spec: hf.dinov3_rules(spec, "model.layer"))

NAMINGS = {naming.name: naming for naming in (TIMM, EVA, HUB, DINOV3, HF_VIT, HF_DINOV2, HF_DINOV3, HF_VIT_5, HF_DINOV2_5, HF_DINOV3_5)}


def naming_of(names: Iterable[str]) -> Naming:
    """The naming of a tower's tensors, without prefixes and chunks; InputError shows some names when it is none that is known."""
    names = set(names)
    if "encoder.layer.0.layernorm_before.weight" in names:
        return HF_VIT
    if "layers.0.layernorm_before.weight" in names:
        return HF_VIT_5
    if "encoder.layer.0.norm1.weight" in names:
        return HF_DINOV2_5 if "encoder.layer.0.attention.q_proj.weight" in names else HF_DINOV2
    if "layer.0.norm1.weight" in names:
        return HF_DINOV3
    if "model.layer.0.norm1.weight" in names:
        return HF_DINOV3_5
    if "blocks.0.norm1.weight" in names:
        if names & {"storage_tokens", dinov3.PERIODS}:
            return DINOV3
        if "blocks.0.gamma_1" in names:
            return EVA
        return HUB if names & {"register_tokens", "mask_token", "blocks.0.mlp.w12.weight"} else TIMM
    raise InputError(
        f"the names of the tensors are neither timm's nor DINOv2's, DINOv3's or Hugging Face's for a ViT; the first are "
        f"{listed(sorted(names))}"
    )


def naming_for(library: str, spec: ViTSpec) -> Naming:
    """The naming in which users of timm, of the hub code ("hub") or of Hugging Face ("hf") have the architecture."""
    if library == "hf" and spec.rope is None:
        return HF_VIT if not spec.registers and spec.layer_scale is None and spec.mlp == "gelu" else HF_DINOV2
    learned, rotary = {"timm": (TIMM, EVA), "hub": (HUB, DINOV3), "hf": (HF_DINOV2, HF_DINOV3)}[library]
    return learned if spec.rope is None else rotary


def recast(params: Params, spec: ViTSpec, naming: Naming) -> tuple[dict[str, Any], ViTSpec]:
    """The same function in the words of a naming's class; InputError names what the class cannot say."""
    params, spec = with_slots(params, spec if naming is TIMM else with_mlp(spec, "swiglu_packed"), slots_in(naming, spec))
    if naming.said in (hf.dinov2_config, hf.dinov3_config):
        params, spec = with_layer_scale(params, spec)
    naming.said(spec)
    return params, spec


def slots_in(naming: Naming, spec: ViTSpec) -> Slots:
    """Which tokens own a position embedding when weights of the architecture go over into a naming."""
    if spec.rope is not None:
        return spec.slots
    if naming is TIMM:
        return "patches" if spec.registers and spec.slots == "class" else spec.slots
    return "class"
