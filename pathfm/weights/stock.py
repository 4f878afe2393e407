"""A checkpoint in the stock class of timm or transformers: what its users see, to compare ours with."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pathfm.weights.exported import exported
from pathfm.weights.folder import Weights
from pathfm.weights.importing import Checkpoint
from pathfm.weights.tensor_files import IN_FOLDERS
from pathfm.zoo.timm import timm_entry

HOMES = {"mlp_layer": "timm.layers", "act_layer": "torch.nn"}
"""Where the classes live that arguments of timm's model name."""


class Absent(Exception):
    """The library of the stock class is not installed, or does not work here."""


def stock_features(checkpoint: Checkpoint, weights: Weights, exported_to: Path, images: np.ndarray) -> tuple[np.ndarray, str]:
    """The features [batch, features] of normalised images [batch, height, width, 3] by the stock class, and whose that is.

    timm is given the checkpoint's own tensors, through its own filter where they are in the words of hub code. transformers opens the
    checkpoint's folder where its `config.json` asks for no code of its own, else the folder `exported_to`, which was written in its words.
    Raises Absent.
    """
    torch = _imported("torch")
    spec = weights.spec
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    pixels = pixels.flatten(0, 1).unsqueeze(1) if spec.per_channel else pixels
    make = _of_transformers if checkpoint.naming.library == "transformers" else _of_timm
    tokens_of, whose = make(checkpoint, weights, exported_to)
    with torch.inference_mode():
        tokens = tokens_of(pixels).float()
        features = tokens[:, 0]
        if spec.output == "class+mean":
            features = torch.cat([features, tokens[:, spec.prefix :].mean(1)], dim=-1)
        return features.reshape(len(images), -1).numpy(), whose


def _of_transformers(checkpoint: Checkpoint, weights: Weights, exported_to: Path) -> tuple[Callable[[Any], Any], str]:
    torch, transformers = _imported("torch"), _imported("transformers")
    folder, file = checkpoint.file.path.parent, checkpoint.file.path.name
    theirs = _config(folder / "config.json") if file in IN_FOLDERS else {}
    own = "model_type" in theirs and "auto_map" not in theirs
    model = transformers.AutoModel.from_pretrained(folder if own else exported_to, dtype=torch.float32).eval()
    more = {"interpolate_pos_encoding": True} if type(model).__name__ == "ViTModel" else {}
    whose = f"transformers' {type(model).__name__} with {'the config beside the weights' if own else 'the config of an export'}"
    return lambda pixels: model(pixel_values=pixels, **more).last_hidden_state, whose


def _of_timm(checkpoint: Checkpoint, weights: Weights, exported_to: Path) -> tuple[Callable[[Any], Any], str]:
    torch, timm = _imported("torch"), _imported("timm")
    inside = exported(weights, "timm")
    model = timm.create_model(timm_entry(inside.spec), **timm_classes(inside.said))
    names = checkpoint.contents.tower | checkpoint.contents.beside
    state = {name: torch.from_numpy(checkpoint.file[original].astype(np.float32)) for name, original in names.items()}
    if checkpoint.naming.library != "timm":
        home = timm.models.vision_transformer if inside.spec.rope is None else timm.models.eva
        state = home.checkpoint_filter_fn(state, model)
    wanted = set(model.state_dict())
    model.load_state_dict({name: tensor for name, tensor in state.items() if name in wanted or name in checkpoint.contents.tower})
    return model.eval().forward_features, f"timm's {type(model).__name__}"


def timm_classes(said: dict[str, Any]) -> dict[str, Any]:
    """The arguments of timm's model with classes in the place of their names."""
    from functools import partial

    arguments = {name: getattr(importlib.import_module(HOMES[name]), value) if name in HOMES else value for name, value in said.items()}
    if "norm_layer" in arguments:
        name, more = arguments["norm_layer"]
        arguments["norm_layer"] = partial(getattr(importlib.import_module("torch.nn"), name), **more)
    return arguments


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # a torchvision that does not fit its torch raises the second
        raise Absent(f"{name} is not installed, or does not work here ({str(error).splitlines()[0]})") from error


def _config(path: Path) -> dict[str, Any]:
    """The publisher's config, or {} where there is none that is JSON."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
