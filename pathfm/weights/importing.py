"""A published checkpoint → a folder of weights: sorted by name, checked against the architecture, read tensor by tensor."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec
from pathfm.weights.card import IMPORTED, Card
from pathfm.weights.folder import save_weights
from pathfm.weights.origin import Origin
from pathfm.weights.tensor_files import open_tensors
from pathfm.weights.tensors import TensorFile
from pathfm.zoo.checkpoint import Contents, contents
from pathfm.zoo.dinov3 import hub_misfit
from pathfm.zoo.facts import are_facts_of, facts, facts_of, fitted
from pathfm.zoo.known import SCRATCH, ZOO, Known
from pathfm.zoo.namings import DINOV3, NAMINGS, TIMM, Naming, naming_of, slots_in
from pathfm.zoo.pretraining import pretrained_on
from pathfm.zoo.rules import misfit, read_tensors

EXACT = ("float32", "bfloat16", "float16")
"""Types whose values float32 keeps."""
FLOATS = frozenset((*EXACT, "float64"))
TOLD_FIRST = ("width", "depth", "patch", "registers", "mlp_width", "gated", "rotary", "per_channel")
"""Facts of an architecture in which another model differs as a whole."""
INTEGERS = frozenset(f"{kind}{bits}" for kind in ("int", "uint", "i", "u") for bits in (8, 16, 32, 64)) | {"bool"}


@dataclass(frozen=True)
class Checkpoint:
    """A weight file whose tensors are sorted: `contents` by their use, `naming` in whose words the tower is."""

    file: TensorFile
    contents: Contents
    naming: Naming

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tower's tensors, under their names without prefix and chunks."""
        return {name: self.file.shapes[original] for name, original in self.contents.tower.items()}


class _Tower(Mapping[str, np.ndarray]):
    """The tensors of the tower as float32, each read when it is asked for."""

    def __init__(self, checkpoint: Checkpoint):
        self._file, self._names = checkpoint.file, checkpoint.contents.tower

    def __getitem__(self, name: str) -> np.ndarray:
        return self._file[self._names[name]].astype(np.float32, copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Names the file in the errors of what looks at its tensors."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def open_checkpoint(path: str | Path) -> Checkpoint:
    """The sorted tensors of a weight file, an index of shards or a folder; InputError when no ViT is in it, or one of quantised or
    absent values.
    """
    file = open_tensors(path)
    with _said_of(file.path):
        sorted_names = contents(file)
        _check_values(file, sorted_names)
        return Checkpoint(file, sorted_names, naming_of([*sorted_names.tower, *sorted_names.beside]))


def _check_values(file: TensorFile, found: Contents) -> None:
    """InputError for tensors whose type is not that of weights, and for those that are empty."""
    for names, known in ((found.tower.values(), FLOATS), (found.beside.values(), FLOATS | INTEGERS)):
        wrong = sorted(name for name in names if file.types[name] not in known)
        if wrong:
            raise InputError(
                f"the tensor {wrong[0]} is of the type {file.types[wrong[0]]}, which is no type of weights; if they are quantised, import "
                "those in float32, float16 or bfloat16 that they were made from"
            )
    empty = sorted(name for name in found.tower.values() if 0 in file.shapes[name])
    if empty:
        raise InputError(
            f"{len(empty)} tensors are empty, such as {empty[0]}: a part of a model that several processes hold together; gather it first "
            "(DeepSpeed: zero_to_fp32.py)"
        )


def fitting(checkpoint: Checkpoint) -> list[Known]:
    """The models of the zoo that the tower fits with every tensor, by name and shape; InputError when it is no ViT at all."""
    found = facts(checkpoint.naming, checkpoint.shapes)
    alike = [model for model in ZOO.values() if are_facts_of(model.spec, checkpoint.naming, found)]
    return [model for model in alike if not _problem(checkpoint, model)]


def _problem(checkpoint: Checkpoint, model: Known) -> str:
    """What keeps the tower's tensors from being those of the model, in words, or ""."""
    spec = fitted(model.spec, checkpoint.naming, checkpoint.shapes)
    return misfit(checkpoint.shapes, spec, checkpoint.naming.rules(spec))


def recognised(checkpoint: Checkpoint) -> Known:
    """The one model of the zoo that names and shapes fit; InputError lists the models when several do, or says what was found.

    Of several that fit, those learned at the size of the position embeddings come first, and of them those that are published in this
    naming. But timm's naming is that of everybody's copies: there, the others must see images as the one does.
    """
    naming, shapes = checkpoint.naming, checkpoint.shapes
    with _said_of(checkpoint.file.path):
        specs = {model: fitted(model.spec, naming, shapes) for model in fitting(checkpoint)}
        models = [model for model, spec in specs.items() if spec.slots == slots_in(naming, model.spec)]
        if not models:
            raise InputError(_unknown(checkpoint))
        choice = [model for model in models if specs[model].image_size == model.spec.image_size] or models
        named = [model for model in choice if NAMINGS[model.naming].said is naming.said]
        if named and (naming is not TIMM or len({_use(model, specs[model]) for model in choice}) == 1):
            choice = named
        if len(choice) > 1:
            names = ", ".join(model.name for model in choice)
            raise InputError(f"the tensors fit {names}, which names and shapes do not tell apart; say which it is with --arch")
        if choice[0].source == SCRATCH:
            raise InputError(
                f"the tensors fit no published model, but {choice[0].name}, which pathfm trains from scratch; say so with --arch "
                f"{choice[0].name} if they are that"
            )
    return choice[0]


def _unknown(checkpoint: Checkpoint) -> str:
    """What a tower is that no model of the zoo fits, in words."""
    found = facts(checkpoint.naming, checkpoint.shapes)
    alike = [model for model in ZOO.values() if are_facts_of(model.spec, checkpoint.naming, found)]
    problem = next((problem for model in alike if (problem := _problem(checkpoint, model))), "")
    if problem:
        return f"{problem}; no model of the zoo fits"
    slots = ", and position embeddings of other tokens than they" if alike else ""
    return f"no model of the zoo has {_in_words(found)}{slots}; `pathfm zoo` lists them"


def _use(model: Known, spec: ViTSpec) -> tuple:
    """What of a model changes its features, where the tensors are the same."""
    return model.mean, model.std, spec.heads, spec.epsilon, spec.output, spec.interpolation


def import_checkpoint(checkpoint: Checkpoint, out: str | Path, known: Known) -> Card:
    """Writes the checkpoint as weights of the model `known` to the folder `out`, in float32; returns its card.

    Raises InputError when the tensors are not those of the architecture (each missing, unused or misshapen one named), or not finite.
    """
    naming, shapes = checkpoint.naming, checkpoint.shapes
    types = {name: checkpoint.file.types[original] for name, original in checkpoint.contents.tower.items()}
    with _said_of(checkpoint.file.path):
        found, wanted = facts(naming, shapes), facts_of(known.spec)
        if any(found[name] != wanted[name] for name in TOLD_FIRST):
            models = ", ".join(model.name for model in fitting(checkpoint)) or "no model of the zoo"
            raise InputError(f"the tensors are those of {_in_words(found)}, but {known.name} has {_in_words(wanted)}; they fit {models}")
        if problem := _problem(checkpoint, known):
            raise InputError(problem)
        spec = fitted(known.spec, naming, shapes)
        image = read_tensors(_Tower(checkpoint), spec, naming.rules(spec))
        beside = {name: checkpoint.file[original] for name, original in checkpoint.contents.beside.items()}
        if naming is DINOV3 and (problem := hub_misfit(spec, beside)):
            raise InputError(problem)
    origin = Origin(
        known.name,
        naming.name,
        checkpoint.contents.chunk,
        {name: kind for name, kind in types.items() if kind in EXACT and kind != "float32"},
        beside,
    )
    look = {"architecture": spec, "mean": known.mean, "std": known.std, "tile": known.tile, "mpp": known.mpp}
    card = Card(name=known.name, objective=IMPORTED, pretrained_on=pretrained_on(known.name), **look)
    return save_weights(out, {"image": image}, card, origin=origin)


def _in_words(found: Mapping[str, Any]) -> str:
    """An architecture in words: `12 blocks of width 384, patch 16, no registers, GELU of 1536, no LayerScale`."""
    registers = f"{found['registers'] or 'no'} registers"
    mlp = f"{'SwiGLU' if found['gated'] else 'GELU'} of {found['mlp_width']}"
    scale = "LayerScale" if found["layer_scale"] else "no LayerScale"
    bias = "" if found["qkv_bias"] else ", no bias of query, key and value"
    more = (", rotary positions" if found["rotary"] else "") + (", one channel at a time" if found["per_channel"] else "")
    return f"{found['depth']} blocks of width {found['width']}, patch {found['patch']}, {registers}, {mlp}, {scale}{bias}{more}"
