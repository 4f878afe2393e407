"""The image tower in the words of somebody else's class: which naming, its tensors, and what its user should know."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pathfm.models.vit import ViTSpec, by_name, from_names
from pathfm.weights.card import IMPORTED
from pathfm.weights.folder import Weights
from pathfm.weights.origin import Origin
from pathfm.zoo.checkpoint import chunked
from pathfm.zoo.namings import DINOV3, NAMINGS, Naming, naming_for, recast
from pathfm.zoo.rules import write_tensors


@dataclass(frozen=True)
class Exported:
    """The tower in the words of a naming: its tensors, the architecture as that class has it, and what the class's user should know."""

    naming: Naming
    spec: ViTSpec
    tensors: dict[str, np.ndarray]
    notes: list[str]

    @property
    def said(self) -> dict[str, Any]:
        """The arguments or the config of the stock class; a head that came with the weights counts its classes."""
        said = self.naming.said(self.spec)
        head = self.tensors.get("head.weight")
        return said | {"num_classes": len(head)} if self.naming.library == "timm" and head is not None else said


def exported(weights: Weights, target: str) -> Exported:
    """The image tower in the naming `target`: "original" is that of the import (timm's for weights that began here); "timm", "hub" and "hf"
    are the classes of timm, of DINOv2's or DINOv3's hub code and of Hugging Face that can say it.

    Weights that were only imported keep their types in their own naming; all others are float32. InputError names what cannot be said.
    """
    origin = weights.origin
    naming = _naming(weights.spec, target, origin)
    params = from_names({name: np.asarray(leaf, np.float32) for name, leaf in by_name(weights.params["image"]).items()})
    returning = origin is not None and origin.naming == naming.name
    params, spec = (params, weights.spec) if returning else recast(params, weights.spec, naming)
    tensors = write_tensors(params, spec, naming.rules(spec))
    if returning:
        types = origin.types if weights.card.objective == IMPORTED else {}
        tensors = {chunked(name, origin.chunk): _cast(tensor, types.get(name, "float32")) for name, tensor in tensors.items()}
        tensors |= origin.beside
    else:
        tensors |= {name: _mask_token(origin, tensor) if "mask_token" in name else tensor for name, tensor in naming.beside(spec).items()}
    notes = []
    if spec.rope_type == "bfloat16" and naming is not DINOV3:
        notes.append(
            f"{naming.title} computes the angles of rotary position embeddings in float32, the publisher of these weights in bfloat16: its "
            "features differ slightly."
        )
    if not naming.rotary and spec.interpolation not in naming.interpolations(spec):
        notes.append(
            f"{naming.title} resamples position embeddings by another rule than these weights were published with: its features are the "
            f"same at {spec.image_size} px, and differ slightly at other sizes."
        )
    return Exported(naming, spec, tensors, notes)


def _naming(spec: ViTSpec, target: str, origin: Origin | None) -> Naming:
    if target == "original":
        return NAMINGS[origin.naming] if origin else naming_for("timm", spec)
    if target == "hf" and origin and origin.naming.startswith("hf-"):
        return NAMINGS[origin.naming]
    return naming_for(target, spec)


def _mask_token(origin: Origin | None, wanted: np.ndarray) -> np.ndarray:
    """The mask token that came with the weights under another name, in the shape of `wanted`, or `wanted` itself: zeros."""
    found = [tensor for name, tensor in (origin.beside if origin else {}).items() if name.endswith("mask_token")]
    return np.asarray(found[0], np.float32).reshape(wanted.shape) if found else wanted


def _cast(tensor: np.ndarray, kind: str) -> np.ndarray:
    if kind == "bfloat16":
        import ml_dtypes

        return tensor.astype(ml_dtypes.bfloat16)
    return tensor.astype(kind, copy=False)
