"""A published checkpoint → a folder of weights: sorted by name, checked against the architecture, read tensor by tensor."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.models.checkpoint_names import Contents, contents
from pathfm.models.naming import read_tensors
from pathfm.models.namings import NAMINGS, Naming, facts, facts_of, fitted, naming_of
from pathfm.models.zoo import ZOO, Known
from pathfm.weights.card import IMPORTED, Card
from pathfm.weights.folder import save_weights
from pathfm.weights.origin import Origin
from pathfm.weights.tensor_files import open_tensors
from pathfm.weights.tensors import TensorFile

EXACT = ("float32", "bfloat16", "float16")
"""Types whose values float32 keeps."""


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
    """The sorted tensors of a weight file, an index of shards or a folder; InputError when no ViT is in it."""
    file = open_tensors(path)
    with _said_of(file.path):
        sorted_names = contents(file)
        return Checkpoint(file, sorted_names, naming_of([*sorted_names.tower, *sorted_names.beside]))


def recognised(checkpoint: Checkpoint) -> Known:
    """The one model of the zoo that names and shapes fit; InputError lists the models when several do, or says what was found."""
    with _said_of(checkpoint.file.path):
        found = facts(checkpoint.naming, checkpoint.shapes)
        fitting = [model for model in ZOO.values() if facts_of(model.spec) == found]
        sized = [model for model in fitting if fitted(model.spec, checkpoint.naming, checkpoint.shapes).image_size == model.spec.image_size]
        named = [model for model in sized or fitting if NAMINGS[model.naming].said is checkpoint.naming.said]
        choice = named or sized or fitting
        if not choice:
            raise InputError(f"no model of the zoo has {_in_words(found)}; `pathfm zoo` lists them")
        if len(choice) > 1:
            names = ", ".join(model.name for model in choice)
            raise InputError(f"the tensors fit {names}, which names and shapes do not tell apart; say which it is with --arch")
    return choice[0]


def import_checkpoint(checkpoint: Checkpoint, out: str | Path, known: Known) -> Card:
    """Writes the checkpoint as weights of the model `known` to the folder `out`, in float32; returns its card.

    Raises InputError when the tensors are not those of the architecture (each missing, unused or misshapen one named), or not finite.
    """
    naming = checkpoint.naming
    types = {name: checkpoint.file.types[original] for name, original in checkpoint.contents.tower.items()}
    with _said_of(checkpoint.file.path):
        found, wanted = facts(naming, checkpoint.shapes), facts_of(known.spec)
        if any(found[name] != wanted[name] for name in ("width", "depth", "patch", "registers", "mlp_width", "gated")):
            raise InputError(
                f"the tensors are those of {_in_words(found)}, but {known.name} has {_in_words(wanted)}; --arch auto finds one that fits"
            )
        integers = sorted(name for name, kind in types.items() if not kind.startswith(("float", "bfloat")))
        if integers:
            raise InputError(f"the tensor {integers[0]} is of the type {types[integers[0]]}, which is no type of weights")
        spec = fitted(known.spec, naming, checkpoint.shapes)
        image = read_tensors(_Tower(checkpoint), spec, naming.rules(spec))
        beside = {name: checkpoint.file[original] for name, original in checkpoint.contents.beside.items()}
    origin = Origin(
        known.name,
        naming.name,
        checkpoint.contents.chunk,
        {name: kind for name, kind in types.items() if kind in EXACT and kind != "float32"},
        beside,
    )
    card = Card(name=known.name, objective=IMPORTED, architecture=spec, mean=known.mean, std=known.std, tile=known.tile, mpp=known.mpp)
    return save_weights(out, {"image": image}, card, origin=origin)


def _in_words(found: Mapping[str, Any]) -> str:
    """An architecture in words: `12 blocks of width 384, patch 16, no registers, GELU of 1536, no LayerScale`."""
    registers = f"{found['registers'] or 'no'} registers"
    mlp = f"{'SwiGLU' if found['gated'] else 'GELU'} of {found['mlp_width']}"
    scale = "LayerScale" if found["layer_scale"] else "no LayerScale"
    bias = "" if found["qkv_bias"] else ", no bias of query, key and value"
    return f"{found['depth']} blocks of width {found['width']}, patch {found['patch']}, {registers}, {mlp}, {scale}{bias}"
