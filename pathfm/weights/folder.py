"""A folder of weights: Orbax parameters, their card, the gene panel and the patients behind them; docs/formats.md describes it.

One format for the weights of a run (its folder `weights`) and for imported ones.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from pathfm.errors import InputError
from pathfm.files import quiet_abandoned_reads, read_json, reason, refuse_full_disk, write_json
from pathfm.modalities.panel import Panel
from pathfm.modalities.pathways import read_panel
from pathfm.models.vit import ViTSpec
from pathfm.settings.terms import EXPRESSION
from pathfm.weights.card import Card, check_parameters, read_card
from pathfm.weights.hashing import weight_hash
from pathfm.weights.origin import Origin
from pathfm.zoo.pretraining import pretrained_on

PANEL = "panel.parquet"  # of the paired matrix; that of another modality has its name before it


@dataclass(frozen=True)
class Weights:
    """What a folder of weights holds: `params` is the objective's pytree of numpy arrays, `params["image"]` the image tower.

    `origin` says as what the weights, or those they were started from, were imported; None where they began here.
    """

    path: Path
    card: Card
    params: dict[str, Any]
    panels: Mapping[str, Panel] = field(default_factory=dict)
    patients: frozenset[str] = frozenset()
    origin: Origin | None = None

    @property
    def spec(self) -> ViTSpec:
        return self.card.architecture

    @property
    def panel(self) -> Panel | None:
        """The genes of the paired matrix that training saw, and their scale."""
        return self.panels.get(EXPRESSION)


def save_weights(
    path: str | Path,
    params: Any,
    card: Card,
    panels: Mapping[str, Panel] | None = None,
    patients: Iterable[str] = (),
    origin: Origin | None = None,
) -> Card:
    """Writes a folder of weights, whole or not at all, in the place of an earlier one; returns its card, with its weight hash.

    `params` may be numpy or (sharded) jax arrays; with several processes all of them must call, on one file system.
    Raises InputError when the parameters do not fit the card, or the disk refuses.
    """
    path, panels = Path(path).absolute(), panels or {}
    if {name: panel.hash for name, panel in panels.items()} != {name: seen.panel_hash for name, seen in card.modalities.items()}:
        raise ValueError(f"the card of {path} names other panels than those given")
    card = replace(card, weight_hash=weight_hash(params["image"]))
    check_parameters(params["image"], card.architecture, path)
    refuse_full_disk(path, sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(params)))
    with _replacing_folder(path) as folder:
        _write_params(folder / "params", params)
        if jax.process_index() == 0:
            write_json(sorted(set(patients)), folder / "patients.json")
            for name, panel in panels.items():
                panel.write(folder / panel_file(name))
            if origin is not None:
                origin.write(folder)
            write_json(card.to_dict(), folder / "card.json")
    return card


def panel_file(modality: str) -> str:
    return PANEL if modality == EXPRESSION else f"{modality}.{PANEL}"


def open_weights(path: str | Path) -> Weights:
    """The weights of a finished run, or of a folder of weights, on the host.

    Raises InputError when there are none, the run is not finished, the card is broken, or the parameters do not fit the card.
    """
    folder = weights_folder(path)
    card = read_card(folder / "card.json")
    params = _read_params(folder / "params", lambda shapes: check_parameters(shapes.get("image"), card.architecture, folder))
    if weight_hash(params["image"]) != card.weight_hash:
        raise InputError(
            f"the parameters in {folder} are not those that its card was written for; the folder was changed or damaged, take a fresh copy"
        )
    if "pooling" in params and card.pooling == "mean":  # cards of format 1 did not say so
        card = replace(card, pooling="attention")
    panels = {name: read_panel(folder / panel_file(name)) for name in card.modalities}
    patients = read_json(folder / "patients.json")
    if not isinstance(patients, list) or not all(isinstance(patient, str) for patient in patients):
        raise InputError(f"{folder / 'patients.json'} is not a list of patients")
    origin = Origin.read(folder)
    if card.pretrained_on is None and origin is not None:  # earlier cards did not say so
        card = replace(card, pretrained_on=pretrained_on(origin.model))
    return Weights(folder, card, params, panels, frozenset(patients), origin)


def weights_folder(path: str | Path) -> Path:
    """The folder of weights that a user means by a run or by the folder itself; InputError when there is none."""
    path = Path(path)
    for folder in (path, path / "weights"):
        if (folder / "card.json").exists():
            return folder
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; give a finished training run or a folder of imported weights")
    if (path / "config.json").exists() or (path / "checkpoints").exists():
        raise InputError(f"the run {path} is not finished: it has no `weights` yet; run it to the end with the same command")
    raise InputError(f"{path} is neither a training run nor a folder of weights: it holds no card.json")


def _write_params(path: Path, params: Any) -> None:
    """The pytree by Orbax: arrays of devices as it does by itself, those of the host with neither a copy nor compression.

    Weights hardly compress, and Orbax's own way takes three times their size in memory and four times as long.
    """
    if not all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(params)):
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path, params)
        return
    handlers = ocp.type_handlers.create_type_handler_registry(
        (np.ndarray, ocp.type_handlers.NumpyHandler(deepcopy_host_arrays=False)), (jax.Array, ocp.type_handlers.ArrayHandler())
    )
    handler = ocp.PyTreeCheckpointHandler(type_handler_registry=handlers, use_compression=False)
    with ocp.Checkpointer(handler) as checkpointer:
        checkpointer.save(path, args=ocp.args.PyTreeSave(params))


def _read_params(path: Path, check) -> dict[str, Any]:
    """The pytree as numpy arrays; `check` sees its shapes before anything large is read."""
    if not path.is_dir():
        raise InputError(f"{path} is missing; the folder of weights is not whole, take a fresh copy")
    try:
        with quiet_abandoned_reads(), ocp.StandardCheckpointer() as checkpointer:
            metadata = checkpointer.metadata(path.absolute()).item_metadata
            if metadata is None:
                raise InputError(f"{path} holds no Orbax parameters; take a fresh copy")
            check(metadata.tree)
            return checkpointer.restore(path.absolute(), target=jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), metadata.tree))
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"the parameters in {path} cannot be read ({reason(error)}); take a fresh copy") from error


@contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `path`, the same one in every process, and renames it to `path` when all have written."""
    temporary, earlier = (path.with_name(f".{path.name}.{word}") for word in ("partial", "earlier"))
    first = jax.process_index() == 0
    try:
        if first:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        _wait_for_all("folder made")
        yield temporary
        _wait_for_all("folder filled")
        if first:
            _sync_folder(temporary)
            shutil.rmtree(earlier, ignore_errors=True)
            if path.exists():
                os.replace(path, earlier)
            os.replace(temporary, path)
            shutil.rmtree(earlier, ignore_errors=True)
        _wait_for_all("folder in place")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {path}: {reason(error)}; free some space or choose another folder") from error
    finally:
        if first:
            shutil.rmtree(temporary, ignore_errors=True)


def _wait_for_all(event: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(f"weights: {event}")


def _sync_folder(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
