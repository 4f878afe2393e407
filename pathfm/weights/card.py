"""`card.json`: what a folder of weights holds, and where it comes from; never a patient."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.files import read_json
from pathfm.models.naming import listed
from pathfm.models.vit import ViTSpec, by_name, parameter_shapes

FORMAT = 1
OBJECTIVES = ("views", "direct", "contrastive", "imported")

ABSENT = {
    "base": None,
    "split_hash": None,
    "fold": None,
    "pairing": None,
    "panel_hash": None,
    "genes": None,
    "panel_choice": None,
    "data_hash": None,
    "recipe_hash": None,
    "step": 0,
}
"""What a card says where its maker knows nothing: the fields that imported weights lack."""

REQUIRED = ("name", "objective", "architecture", "normalisation", "tile", "mpp", "weight_hash")


def read_card(path: Path) -> dict[str, Any]:
    """The card in a file, with every field present; InputError when it is broken or of another format."""
    card = read_json(path)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"{path} is not a card of format {FORMAT}; write the weights again with this version of pathfm")
    check_card(card, path)
    return ABSENT | card


def check_card(card: Mapping[str, Any], path: Path) -> None:
    """InputError when a field is missing or makes no sense."""
    missing = [name for name in REQUIRED if name not in card]
    if missing:
        raise InputError(f"{path} lacks {listed(missing)}")
    if card["objective"] not in OBJECTIVES:
        raise InputError(f"{path} names the objective {card['objective']!r}; known are {', '.join(OBJECTIVES)}")
    if not isinstance(card["architecture"], dict):
        raise InputError(f"{path} has no architecture")
    spec_of(card, path)
    normalisation = card["normalisation"]
    if (
        not isinstance(normalisation, dict)
        or any(np.shape(normalisation.get(name)) != (3,) for name in ("mean", "std"))
        or min(normalisation["std"]) <= 0
    ):
        raise InputError(f"{path} has no normalisation of three means and three standard deviations above 0")


def spec_of(card: Mapping[str, Any], path: Path) -> ViTSpec:
    """The architecture that the card names."""
    try:
        return ViTSpec.from_dict(card["architecture"])
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error


def check_parameters(image_params: Any, spec: ViTSpec, path: Path) -> None:
    """InputError when the image tower's leaves (anything with a shape) are not those of the architecture."""
    wanted = parameter_shapes(spec)
    found = {name: tuple(leaf.shape) for name, leaf in by_name(image_params).items()} if isinstance(image_params, dict) else {}
    problems = [f"missing {name}" for name in wanted if name not in found]
    problems += [f"unused {name}" for name in found if name not in wanted]
    problems += [f"{name} is {found[name]} instead of {shape}" for name, shape in wanted.items() if found.get(name, shape) != shape]
    if problems:
        raise InputError(f"the parameters in {path} do not fit the architecture of its card: {listed(problems)}")
