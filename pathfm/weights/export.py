"""Weights out to PyTorch users, in the words of a class that they have: tensors in a safetensors file, its config, a card for people."""

from pathlib import Path
from typing import Any

from pathfm.errors import InputError
from pathfm.files import replacing, write_json
from pathfm.weights.exported import Exported, exported
from pathfm.weights.folder import Weights
from pathfm.weights.model_card import model_card
from pathfm.weights.safetensors_files import write_safetensors
from pathfm.zoo.timm import timm_entry

OTHER_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".npz", ".onnx", ".json")


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
    card = weights.card.to_dict()
    card["panel"] = [list(gene) for gene in zip(panel.genes, panel.symbols, strict=True)] if panel is not None else None
    return card | ({"patients": sorted(weights.patients)} if with_ids else {})


def configs(result: Exported, weights: Weights) -> dict[str, dict[str, Any]]:
    """The config files by which a library loads the folder with no other code, by name; none where JSON cannot say the class."""
    mean, std, tile = list(weights.card.mean), list(weights.card.std), weights.card.tile
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
    if result.naming.library != "timm" or "norm_layer" in result.said or result.said.get("mlp_layer") == "SwiGLU":
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
