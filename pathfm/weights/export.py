"""Weights out to PyTorch users and in from them: timm's names in a safetensors file, a JSON card beside it."""

from pathlib import Path
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.files import write_json
from pathfm.models.timm_names import from_timm, timm_arguments, to_timm
from pathfm.models.vit import by_name, from_names
from pathfm.models.zoo import Known
from pathfm.weights.folder import Weights, save_weights
from pathfm.weights.safetensors_files import read_safetensors, write_safetensors


def export_timm(weights: Weights, out: str | Path, with_ids: bool = False) -> Path:
    """Writes the image tower as float32 in timm's names to `out` (`*.safetensors`) and its card to `*.json`; returns the card's path.

    Patients are named in the card only on request (`with_ids`).
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise InputError(f"the name of the export must end in .safetensors, not as {out.name} does")
    image = from_names({name: np.asarray(leaf, np.float32) for name, leaf in by_name(weights.params["image"]).items()})
    tensors = to_timm(image, weights.spec)
    card_path = out.with_suffix(".json")
    write_safetensors(tensors, out)
    write_json(exported_card(weights, with_ids), card_path)
    return card_path


def exported_card(weights: Weights, with_ids: bool = False) -> dict[str, Any]:
    """The folder's card with timm's arguments, the genes (id, symbol) of its panel and, on request, the patients."""
    card = weights.card | {"timm": timm_arguments(weights.spec)}
    panel = weights.panel
    card["panel"] = [list(gene) for gene in zip(panel.genes, panel.symbols, strict=True)] if panel is not None else None
    return card | ({"patients": sorted(weights.patients)} if with_ids else {})


def import_timm(path: str | Path, out: str | Path, known: Known) -> dict[str, Any]:
    """A safetensors file of the model `known` in timm's names → a folder of weights at `out`, in float32; returns its card.

    Raises InputError when the file cannot be read or its tensors are not those of the architecture, each missing or unused one named.
    """
    tensors = read_safetensors(path)
    try:
        image = from_timm({name: tensor.astype(np.float32, copy=False) for name, tensor in tensors.items()}, known.spec)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    card = {
        "name": known.name,
        "objective": "imported",
        "architecture": known.spec.to_dict(),
        "normalisation": {"mean": list(known.mean), "std": list(known.std)},
        "tile": known.tile,
        "mpp": known.mpp,
    }
    return save_weights(out, {"image": image}, card)
