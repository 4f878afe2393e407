"""Whether a published checkpoint is understood: it goes in and out bit for bit, and gives the features of its library's class."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from pathfm.models.applied import applied
from pathfm.models.precision import float32_products
from pathfm.models.vit import ViT
from pathfm.weights.export import export_weights
from pathfm.weights.folder import Weights, open_weights
from pathfm.weights.importing import Checkpoint, import_checkpoint
from pathfm.weights.stock import Absent, stock_features
from pathfm.weights.tensor_files import open_tensors
from pathfm.zoo.checkpoint import chunked
from pathfm.zoo.known import Known
from pathfm.zoo.rules import listed

TOLERANCE = 1e-4  # of the largest feature; float32 in another order of operations stays below 2e-5


@dataclass(frozen=True)
class Check:
    """One comparison: of what, what came of it in words, and whether it is the same (None: it could not be made)."""

    what: str
    said: str
    same: bool | None


def checks(checkpoint: Checkpoint, known: Known, scratch: Path) -> Iterator[Check]:
    """Imports the checkpoint as `known` below the folder `scratch`, writes it back, and compares: tensors, then features.

    Raises InputError where it is not that model.
    """
    import_checkpoint(checkpoint, scratch / "weights", known)
    weights = open_weights(scratch / "weights")
    export_weights(weights, scratch / "export", "original")
    yield _written_back(checkpoint, scratch / "export" / "model.safetensors")
    yield _features(checkpoint, weights, scratch / "export")


def _written_back(checkpoint: Checkpoint, written: Path) -> Check:
    """Whether the export holds each tensor of the tower and beside it, and no other, in name, type, shape and bits."""
    again, found = open_tensors(written), checkpoint.contents
    names = {chunked(name, found.chunk): original for name, original in found.tower.items()} | found.beside
    wrong = sorted(set(names) ^ set(again))
    for name in sorted(set(names) & set(again)):
        ours, theirs = again[name], checkpoint.file[names[name]]
        if (ours.dtype, ours.shape, ours.tobytes()) != (theirs.dtype, theirs.shape, theirs.tobytes()):
            wrong.append(name)
    if wrong:
        return Check("tensors", f"{len(wrong)} of {len(names)} do not come back as they were: {listed(wrong)}", False)
    return Check("tensors", f"all {len(names)} come back bit for bit", True)


def _features(checkpoint: Checkpoint, weights: Weights, exported_to: Path) -> Check:
    """Whether the stock class gives our features of an image of noise, at the size that nothing has to be resampled for."""
    spec = weights.spec if weights.spec.rope is None else replace(weights.spec, rope_type="float32")  # as the stock classes compute
    side = weights.card.tile if spec.rope is not None else spec.image_size
    images = np.random.default_rng(0).standard_normal((1, side, side, 3)).astype(np.float32)
    try:
        theirs, whose = stock_features(checkpoint, weights, exported_to, images)
    except Absent as reason:
        return Check("features", f"not compared: {reason}", None)
    except RuntimeError as error:  # what torch says of tensors that a class has no place for
        return Check("features", f"the stock class does not take the tensors: {' '.join(str(error).split())[:300]}", False)
    ours = np.asarray(jax.jit(float32_products(lambda params, images: applied(ViT(spec), params, images)))(weights.params["image"], images))
    difference = float(np.abs(ours - theirs).max())
    relative = difference / float(np.abs(theirs).max())
    said = f"{ours.shape[1]} of one image of {side} px against {whose}: largest difference {difference:.1e}, relative {relative:.1e}"
    return Check("features", f"{said} (at most {TOLERANCE:g})", relative <= TOLERANCE)
