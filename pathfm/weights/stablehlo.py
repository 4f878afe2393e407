"""The image tower as a program in StableHLO, which `jax.export` loads and runs without pathfm (https://openxla.org/stablehlo).

The batch size is free. The parameters are an argument and lie in a safetensors file beside it, because the serialised form cannot
hold the gigabytes of the largest towers.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from pathfm.errors import InputError
from pathfm.files import replacing, write_json
from pathfm.models.images import normalised
from pathfm.models.vit import ViT, by_name, from_names
from pathfm.weights.export import exported_card
from pathfm.weights.folder import Weights
from pathfm.weights.model_card import about, header
from pathfm.weights.safetensors_files import write_safetensors

PROGRAM, PARAMETERS = "tower.stablehlo", "params.safetensors"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")

LOADING = """\
## Load it

```python
import jax
import safetensors.numpy

program = jax.export.deserialize(open("tower.stablehlo", "rb").read())
params = safetensors.numpy.load_file("params.safetensors")
features = program.call(params, images)
```"""


def export_stablehlo(weights: Weights, out: str | Path, with_ids: bool = False, evaluation: str = "") -> None:
    """Writes the program, its parameters (float32), the card and a model card to the folder `out`.

    The program takes the parameters by name and uint8 images [batch, tile, tile, 3], and gives float32 features [batch, features];
    it normalises. Raises InputError when flatbuffers, which the serialised form needs, is not installed.
    """
    out = Path(out)
    if out.suffix:
        raise InputError(f"StableHLO is written to a folder: give --out a name without {out.suffix}")
    tile, spec = weights.card.tile, weights.spec
    spec.grid(tile, tile)
    params = {name: np.asarray(leaf, np.float32) for name, leaf in by_name(weights.params["image"]).items()}
    program = serialised(weights, {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in params.items()}, tile)
    write_safetensors(params, out / PARAMETERS)
    with replacing(out / PROGRAM) as temporary:
        temporary.write_bytes(program)
    shape = f"`images` are uint8 [batch, {tile}, {tile}, 3], RGB, of any batch size; `features` are float32 [batch, {spec.features}]."
    parts = [
        header(weights, None),
        about(weights),
        LOADING,
        shape,
        *([f"## Evaluation\n\n{evaluation.strip()}"] if evaluation.strip() else []),
    ]
    with replacing(out / "README.md") as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    write_json(exported_card(weights, with_ids), out / "card.json")


def serialised(weights: Weights, params: dict[str, jax.ShapeDtypeStruct], tile: int) -> bytes:
    """The bytes of the exported program for tiles of that many pixels."""
    mean, std = weights.card.mean, weights.card.std

    def tower(params, images):
        return ViT(weights.spec).apply({"params": from_names(params)}, normalised(images, mean, std))

    images = jax.ShapeDtypeStruct((*jax_export.symbolic_shape("batch"), tile, tile, 3), jnp.uint8)
    try:
        return bytes(jax_export.export(jax.jit(tower), platforms=PLATFORMS)(params, images).serialize())
    except ImportError as error:
        raise InputError("StableHLO needs flatbuffers: `pip install 'pathfm[stablehlo]'`") from error
