"""`card.json`: what a folder of weights holds, and where it comes from; never a patient. docs/formats.md describes it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pathfm import __version__
from pathfm.errors import InputError
from pathfm.files import read_json
from pathfm.models.vit import ViTSpec, by_name, parameter_shapes
from pathfm.settings.terms import EXPRESSION
from pathfm.zoo.rules import listed

FORMAT = 2
IMPORTED = "imported"
POOLINGS = ("mean", "attention", "transformer")
REQUIRED = ("name", "objective", "architecture", "normalisation", "tile", "mpp", "weight_hash")


@dataclass(frozen=True, kw_only=True)
class Base:
    """What weights were tuned from."""

    name: str
    weight_hash: str


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Between which weights a blend lies: its tower is (1 − alpha) · base + alpha · the mean of `tuned`."""

    base: Base
    tuned: tuple[Base, ...]
    alpha: float
    by: str  # what chose alpha among those of the curve: "probe" or "loss"
    curve: tuple[Mapping[str, float | None], ...]  # on validation patients: alpha, loss, and the probe's r where there is one

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Blend":
        base, tuned = Base(**values["base"]), tuple(Base(**one) for one in values["tuned"])
        return cls(**{**values, "base": base, "tuned": tuned, "curve": tuple(values["curve"])})


@dataclass(frozen=True, kw_only=True)
class SeenModality:
    """How a modality was seen in training: which features by which choice, how many, the hash of their scale, and what was taken away."""

    choice: str
    features: int
    panel_hash: str
    residual: str = "none"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a folder of weights says of itself. What its maker did not know is None: imported weights lack most of it."""

    name: str
    objective: str  # the name of the objective, or "imported"
    architecture: ViTSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tile: int  # edge in pixels
    mpp: float | None  # µm per pixel
    settings: Mapping[str, Any] | None = None  # the objective with all its fields
    pooling: str = "mean"
    modalities: Mapping[str, SeenModality] = field(default_factory=dict)
    base: Base | None = None
    blend: Blend | None = None  # where the weights were not trained as they are, but blended
    pretrained_on: tuple[str, ...] | None = None  # public cohorts that the tower, or what it was started from, saw elsewhere
    split_hash: str | None = None
    fold: int | None = None
    pairing: str | None = None
    data_hash: str | None = None
    recipe_hash: str | None = None  # of what was trained, without the seed
    seed: int | None = None
    step: int = 0
    weight_hash: str = ""
    pathfm: str = __version__

    @property
    def paired(self) -> SeenModality | None:
        """How the expression of the cohort's pairs was seen; None where it was not."""
        return self.modalities.get(EXPRESSION)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of format 2."""
        values = dataclasses.asdict(self) | {"format": FORMAT, "normalisation": {"mean": list(self.mean), "std": list(self.std)}}
        values["architecture"] = self.architecture.to_dict()
        return {name: value for name, value in values.items() if name not in ("mean", "std")}

    @classmethod
    def from_dict(cls, values: Any, path: Path) -> "Card":
        """The card in JSON of format 1 or 2; InputError when a field is missing or makes no sense."""
        if not isinstance(values, dict) or values.get("format") not in (1, FORMAT):
            raise InputError(f"{path} is not a card of format 1 to {FORMAT}; write the weights again with this version of pathfm")
        if missing := [name for name in REQUIRED if name not in values]:
            raise InputError(f"{path} lacks {listed(missing)}")
        mean, std = _normalisation(values["normalisation"], path)
        composed = {"architecture", "mean", "std", "base", "blend", "modalities", "pretrained_on"}
        known = {field.name for field in dataclasses.fields(cls)} - composed
        if values.get("pooling", "mean") not in POOLINGS:
            raise InputError(f"{path} names the pooling {values['pooling']!r}; known are {', '.join(POOLINGS)}")
        try:
            return cls(
                architecture=_architecture(values["architecture"], path),
                mean=mean,
                std=std,
                base=Base(**values["base"]) if values.get("base") else None,
                blend=Blend.from_dict(values["blend"]) if values.get("blend") else None,
                modalities=_modalities(values),
                pretrained_on=tuple(values["pretrained_on"]) if values.get("pretrained_on") is not None else None,
                **{name: value for name, value in values.items() if name in known},
            )
        except (TypeError, AttributeError, KeyError) as error:
            raise InputError(f"{path} is not a card: {error}") from error


def read_card(path: Path) -> Card:
    """The card in a file; InputError when it is broken or of another format."""
    return Card.from_dict(read_json(path), path)


def _modalities(values: Mapping[str, Any]) -> dict[str, SeenModality]:
    if values["format"] == 1:  # which knew expression alone
        if not values.get("panel_hash"):
            return {}
        seen = SeenModality(choice=values.get("panel_choice") or "", features=values.get("genes") or 0, panel_hash=values["panel_hash"])
        return {EXPRESSION: seen}
    return {name: SeenModality(**seen) for name, seen in values.get("modalities", {}).items()}


def _architecture(fields: Any, path: Path) -> ViTSpec:
    if not isinstance(fields, dict):
        raise InputError(f"{path} has no architecture")
    try:
        return ViTSpec.from_dict(fields)
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error


def _normalisation(given: Any, path: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not isinstance(given, dict) or any(np.shape(given.get(name)) != (3,) for name in ("mean", "std")) or min(given["std"]) <= 0:
        raise InputError(f"{path} has no normalisation of three means and three standard deviations above 0")
    return tuple(given["mean"]), tuple(given["std"])


def check_parameters(image_params: Any, spec: ViTSpec, path: Path) -> None:
    """InputError when the image tower's leaves (anything with a shape) are not those of the architecture."""
    wanted = parameter_shapes(spec)
    found = {name: tuple(leaf.shape) for name, leaf in by_name(image_params).items()} if isinstance(image_params, dict) else {}
    problems = [f"missing {name}" for name in wanted if name not in found]
    problems += [f"unused {name}" for name in found if name not in wanted]
    problems += [f"{name} is {found[name]} instead of {shape}" for name, shape in wanted.items() if found.get(name, shape) != shape]
    if problems:
        raise InputError(f"the parameters in {path} do not fit the architecture of its card: {listed(problems)}")
