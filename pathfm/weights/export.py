"""Weights out to PyTorch users, in the words of a class that they have: tensors in a safetensors file, its config, a card for people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.files import replacing, write_json
from pathfm.models.checkpoint_names import chunked
from pathfm.models.naming import write_tensors
from pathfm.models.namings import NAMINGS, TIMM, Naming, hugging_face, recast
from pathfm.models.timm_names import EPSILON, timm_entry
from pathfm.models.vit import ViTSpec, by_name, from_names
from pathfm.weights.folder import Weights
from pathfm.weights.model_card import model_card
from pathfm.weights.origin import Origin
from pathfm.weights.safetensors_files import write_safetensors

TARGETS = ("original", "timm", "hub", "hf")
OTHER_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".npz", ".onnx", ".json")


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
        return said | {"num_classes": len(head)} if self.naming is TIMM and head is not None else said


def exported(weights: Weights, target: str) -> Exported:
    """The image tower in the naming `target`: "original" is that of the import (timm's for weights that began here), "hf" the class of
    Hugging Face that can say it.

    Weights that were only imported keep their types in their own naming; all others are float32. InputError names what cannot be said.
    """
    origin = weights.origin
    naming = _naming(weights.spec, target, origin)
    params = from_names({name: np.asarray(leaf, np.float32) for name, leaf in by_name(weights.params["image"]).items()})
    returning = origin is not None and origin.naming == naming.name
    params, spec = (params, weights.spec) if returning else recast(params, weights.spec, naming)
    tensors = write_tensors(params, spec, naming.rules(spec))
    if returning:
        types = origin.types if weights.card["objective"] == "imported" else {}
        tensors = {chunked(name, origin.chunk): _cast(tensor, types.get(name, "float32")) for name, tensor in tensors.items()}
        tensors |= origin.beside
    elif naming.mask_token:
        tensors[naming.mask_token] = _mask_token(origin, spec)
    notes = []
    if spec.interpolation not in naming.interpolations(spec):
        notes.append(
            f"{naming.title} resamples position embeddings by another rule than these weights were published with: its features are the "
            f"same at {spec.image_size} px, and differ slightly at other sizes."
        )
    return Exported(naming, spec, tensors, notes)


def export_weights(weights: Weights, out: str | Path, target: str, with_ids: bool = False, evaluation: str = "") -> Exported:
    """Writes the image tower to `out`: a file `*.safetensors` with its cards `*.json` and `*.md` beside it, or a folder that the
    library loads as a whole.

    The folder holds `model.safetensors`, `card.json`, `README.md` and, where the class has one, `config.json`. Patients are named in
    the card only on request (`with_ids`). `evaluation` is a table in Markdown for the model card. Raises InputError.
    """
    out = Path(out)
    if out.suffix in OTHER_SUFFIXES:
        raise InputError(f"the name of the export must end in .safetensors or be that of a folder, not as {out.name} does")
    result = exported(weights, target)
    card = exported_card(weights, with_ids) | {result.naming.name: result.said}
    if out.suffix == ".safetensors":
        if result.naming.library == "transformers":
            raise InputError(f"Hugging Face loads a folder, with its config: give --out a folder, not {out.name}")
        files = (out, out.with_suffix(".json"), out.with_suffix(".md"))
    else:
        files = (out / "model.safetensors", out / "card.json", out / "README.md")
        for name, config in configs(result, weights).items():
            write_json(config, out / name)
    write_safetensors(result.tensors, files[0])
    write_json(card, files[1])
    with replacing(files[2]) as temporary:
        temporary.write_text(model_card(weights, result, files[0].name, evaluation), encoding="utf-8")
    return result


def exported_card(weights: Weights, with_ids: bool = False) -> dict[str, Any]:
    """The folder's card with the genes (id, symbol) of its panel and, on request, the patients."""
    panel = weights.panel
    card = dict(weights.card)
    card["panel"] = [list(gene) for gene in zip(panel.genes, panel.symbols, strict=True)] if panel is not None else None
    return card | ({"patients": sorted(weights.patients)} if with_ids else {})


def configs(result: Exported, weights: Weights) -> dict[str, dict[str, Any]]:
    """The config files by which a library loads the folder with no other code, by name; none where JSON cannot say the class."""
    mean, std = (weights.card["normalisation"][name] for name in ("mean", "std"))
    tile = weights.card["tile"]
    if result.naming.library == "transformers":
        images = {
            "image_processor_type": "BitImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": tile},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": tile, "width": tile},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": mean,
            "image_std": std,
            "do_convert_rgb": True,
        }
        kind = next(iter(result.tensors.values())).dtype.name
        return {"config.json": result.said | {"dtype": kind}, "preprocessor_config.json": images}
    if result.naming is not TIMM or result.spec.mlp == "swiglu" or result.spec.epsilon != EPSILON:
        return {}
    arguments = {name: value for name, value in result.said.items() if name not in ("mlp_layer", "act_layer", "num_classes")}
    classes = result.said["num_classes"]
    images = {
        "input_size": [3, tile, tile],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "mean": mean,
        "std": std,
    }
    return {
        "config.json": {
            "architecture": timm_entry(result.spec),
            "num_classes": classes,
            "num_features": result.spec.width,
            "model_args": arguments,
            "pretrained_cfg": images | {"num_classes": classes, "first_conv": "patch_embed.proj", "classifier": "head"},
        }
    }


def _naming(spec: ViTSpec, target: str, origin: Origin | None) -> Naming:
    if target == "original":
        return NAMINGS[origin.naming] if origin else TIMM
    if target == "hf":
        return NAMINGS[origin.naming] if origin and origin.naming.startswith("hf-") else hugging_face(spec)
    return NAMINGS[target]


def _mask_token(origin: Origin | None, spec: ViTSpec) -> np.ndarray:
    """The mask token that came with the weights under another name, or zeros: the class wants one, and no feature depends on it."""
    found = [tensor for name, tensor in (origin.beside if origin else {}).items() if name.endswith("mask_token")]
    return np.asarray(found[0], np.float32).reshape(1, spec.width) if found else np.zeros((1, spec.width), np.float32)


def _cast(tensor: np.ndarray, kind: str) -> np.ndarray:
    if kind == "bfloat16":
        import ml_dtypes

        return tensor.astype(ml_dtypes.bfloat16)
    return tensor.astype(kind, copy=False)
