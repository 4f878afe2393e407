"""The image towers that pathfm knows by name: architecture, how their images were prepared, and where their user gets them."""

from dataclasses import dataclass

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec

Triple = tuple[float, float, float]

# (mean, std) by channel
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LUNIT = ((0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464))


@dataclass(frozen=True)
class Known:
    """A model of the zoo; it sees (image - mean) / std of RGB values in 0..1.

    `tile` (px) and `mpp` (µm/px, None where several were mixed) are what it was trained at.
    """

    name: str
    spec: ViTSpec
    mean: Triple
    std: Triple
    tile: int
    mpp: float | None
    licence: str
    source: str


OWN = "Apache-2.0"
SCRATCH = "trained from scratch by pathfm"

_SMALL_16 = ViTSpec(width=384, depth=12, heads=6, mlp_width=1536)

_KNOWN = (
    Known("demo", ViTSpec(width=128, depth=2, heads=4, mlp_width=512, image_size=96), *HALF, 96, 0.5, OWN, SCRATCH),
    Known("tiny", ViTSpec(width=192, depth=12, heads=3, mlp_width=768), *HALF, 224, 0.5, OWN, SCRATCH),
    Known("small", _SMALL_16, *HALF, 224, 0.5, OWN, SCRATCH),
    Known("kaiko_vits16", _SMALL_16, *HALF, 224, None, "see its publisher", "https://github.com/kaiko-ai/towards_large_pathology_fms"),
    Known("lunit_vits16", _SMALL_16, *LUNIT, 224, 0.5, "Lunit, research only", "https://github.com/lunit-io/benchmark-ssl-pathology"),
    Known(
        "uni",
        ViTSpec(width=1024, depth=24, heads=16, mlp_width=4096, layer_scale=1e-5),
        *IMAGENET,
        224,
        0.5,
        "CC-BY-NC-ND-4.0",
        "https://huggingface.co/MahmoodLab/UNI",
    ),
)

ZOO = {known.name: known for known in _KNOWN}


def known(name: str) -> Known:
    """The model of that name; InputError lists the names there are."""
    if name not in ZOO:
        raise InputError(f"the zoo has no model {name!r}; it has {', '.join(ZOO)}")
    return ZOO[name]
