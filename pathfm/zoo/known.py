"""The image towers that pathfm knows by name: architecture, how their images were prepared, and where their user gets them.

Architectures, normalisation and interpolation were read in the publishers' code, in timm and in transformers. Where `reported` says
so, the width of the MLP, the tile's resolution or the licence is as others report it and was not read at the source. A licence is a
reminder, not advice: the text that counts is the publisher's.
"""

from dataclasses import dataclass, replace

from pathfm.errors import InputError
from pathfm.models.architecture import ViTSpec

Triple = tuple[float, float, float]

# (mean, std) by channel
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LUNIT = ((0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464))
BIOPTIMUS = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
GENBIO = ((0.697, 0.575, 0.728), (0.188, 0.240, 0.187))
HIBOU = ((0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816))


@dataclass(frozen=True)
class Known:
    """A model of the zoo; it sees (image - mean) / std of RGB values in 0..1.

    `tile` (px) and `mpp` (µm/px, None where several were mixed or none is stated) are what it was trained at. `naming` is that of
    the publisher's weights (`pathfm.zoo.namings`), `source` where its user gets them. `reported` names what was not checked.
    """

    name: str
    spec: ViTSpec
    mean: Triple
    std: Triple
    tile: int
    mpp: float | None
    licence: str
    source: str
    naming: str = "timm"
    reported: str = ""


OWN = "Apache-2.0"
SCRATCH = "trained from scratch by pathfm"
KAIKO = ("Kaiko Non-Commercial Public License", "https://github.com/kaiko-ai/towards_large_pathology_fms")
LUNIT_TERMS = ("Lunit, non-commercial", "https://github.com/lunit-io/benchmark-ssl-pathology")
OWKIN = "Owkin, non-commercial"
NC_ND = "CC-BY-NC-ND-4.0"
APACHE = "Apache-2.0"
DINOV2 = (APACHE, "https://github.com/facebookresearch/dinov2")

_SMALL = ViTSpec(width=384, depth=12, heads=6, mlp_width=1536)
_BASE = ViTSpec(width=768, depth=12, heads=12, mlp_width=3072)
_LARGE = ViTSpec(width=1024, depth=24, heads=16, mlp_width=4096)
_HUGE = ViTSpec(width=1280, depth=32, heads=16, mlp_width=3416, patch=14, mlp="swiglu_packed", layer_scale=1e-5, output="class+mean")
_GIANT = ViTSpec(width=1536, depth=40, heads=24, mlp_width=4096, patch=14, mlp="swiglu_packed", layer_scale=1e-5)


def _hub(spec: ViTSpec, registers: int) -> ViTSpec:
    """A DINOv2 of Meta's hub: patch 14, learned at 518 px, LayerScale; with registers it is resampled by another rule."""
    rule = "antialias" if registers else "bicubic_offset"
    return replace(spec, patch=14, image_size=518, layer_scale=1.0, registers=registers, interpolation=rule)


def _rotary(spec: ViTSpec) -> ViTSpec:
    """A DINOv3: patch 16, four registers, LayerScale, rotary positions, no bias of the key."""
    spec = replace(spec, patch=16, registers=4, slots="patches", layer_scale=1e-5, epsilon=1e-5, rope=100.0, key_bias=False)
    return replace(spec, mlp_width=4 * spec.width)


_DINOV2 = {"vits14": _SMALL, "vitb14": _BASE, "vitl14": _LARGE, "vitg14": _GIANT}
_DINOV3 = {
    "vits16": _SMALL,
    "vits16plus": replace(_SMALL, mlp="swiglu_packed"),
    "vitb16": _BASE,
    "vitl16": _LARGE,
    "vith16plus": replace(_HUGE, heads=20, output="class"),
}

_HUGGING_FACE = "https://huggingface.co"
_KNOWN = (
    Known("demo", ViTSpec(width=128, depth=2, heads=4, mlp_width=512, image_size=96), *HALF, 96, 0.5, OWN, SCRATCH),
    Known("tiny", ViTSpec(width=192, depth=12, heads=3, mlp_width=768), *HALF, 224, 0.5, OWN, SCRATCH),
    Known("small", _SMALL, *HALF, 224, 0.5, OWN, SCRATCH),
    Known("kaiko_vits8", replace(_SMALL, patch=8), *HALF, 224, None, *KAIKO),
    Known("kaiko_vits16", _SMALL, *HALF, 224, None, *KAIKO),
    Known("kaiko_vitb8", replace(_BASE, patch=8), *HALF, 224, None, *KAIKO),
    Known("kaiko_vitb16", _BASE, *HALF, 224, None, *KAIKO),
    Known("kaiko_vitl14", replace(_hub(_LARGE, 4), layer_scale=1e-5), *HALF, 224, None, *KAIKO, "hub"),
    Known("lunit_vits8", replace(_SMALL, patch=8), *LUNIT, 224, None, *LUNIT_TERMS, reported="licence, mpp"),
    Known("lunit_vits16", _SMALL, *LUNIT, 224, None, *LUNIT_TERMS, reported="licence, mpp"),
    Known("uni", replace(_LARGE, layer_scale=1e-5), *IMAGENET, 224, 0.5, NC_ND, f"{_HUGGING_FACE}/MahmoodLab/UNI", reported="licence"),
    Known(
        "uni2_h",
        replace(_GIANT, depth=24, registers=8, slots="patches"),
        *IMAGENET,
        224,
        0.5,
        NC_ND,
        f"{_HUGGING_FACE}/MahmoodLab/UNI2-h",
        reported="licence, mpp",
    ),
    Known("virchow", _HUGE, *IMAGENET, 224, 0.5, APACHE, f"{_HUGGING_FACE}/paige-ai/Virchow", reported="licence"),
    Known(
        "virchow2",
        replace(_HUGE, registers=4, slots="all"),
        *IMAGENET,
        224,
        None,
        NC_ND,
        f"{_HUGGING_FACE}/paige-ai/Virchow2",
        reported="licence",
    ),
    Known(
        "h_optimus_0",
        replace(_GIANT, registers=4, slots="patches"),
        *BIOPTIMUS,
        224,
        0.5,
        APACHE,
        f"{_HUGGING_FACE}/bioptimus/H-optimus-0",
        reported="licence",
    ),
    Known(
        "h_optimus_1",
        replace(_GIANT, registers=4, slots="patches"),
        *BIOPTIMUS,
        224,
        0.5,
        NC_ND,
        f"{_HUGGING_FACE}/bioptimus/H-optimus-1",
        reported="licence",
    ),
    Known(
        "h0_mini",
        replace(_BASE, patch=14, mlp="swiglu_packed", mlp_width=2048, layer_scale=1e-5, registers=4, slots="patches"),
        *BIOPTIMUS,
        224,
        0.5,
        NC_ND,
        f"{_HUGGING_FACE}/bioptimus/H0-mini",
        reported="MLP width, licence",
    ),
    Known(
        "prov_gigapath",
        replace(_GIANT, patch=16),
        *IMAGENET,
        224,
        0.5,
        APACHE,
        f"{_HUGGING_FACE}/prov-gigapath/prov-gigapath",
        reported="licence",
    ),
    Known(
        "phikon",
        replace(_BASE, epsilon=1e-12, interpolation="bicubic"),
        *IMAGENET,
        224,
        0.5,
        OWKIN,
        f"{_HUGGING_FACE}/owkin/phikon",
        "hf-vit",
        reported="licence",
    ),
    Known(
        "phikon_v2",
        replace(_LARGE, layer_scale=1.0, interpolation="bicubic"),
        *IMAGENET,
        224,
        0.5,
        OWKIN,
        f"{_HUGGING_FACE}/owkin/phikon-v2",
        "hf-dinov2",
        reported="licence",
    ),
    Known(
        "hibou_b",
        replace(_BASE, patch=14, mlp="swiglu_packed", mlp_width=2048, layer_scale=1.0, registers=4),
        *HIBOU,
        224,
        None,
        APACHE,
        f"{_HUGGING_FACE}/histai/hibou-b",
        "hf-dinov2",
    ),
    Known(
        "hibou_l",
        replace(_LARGE, patch=14, mlp="swiglu_packed", mlp_width=2736, layer_scale=1.0, registers=4),
        *HIBOU,
        224,
        None,
        APACHE,
        f"{_HUGGING_FACE}/histai/hibou-L",
        "hf-dinov2",
        reported="MLP width, licence",
    ),
    Known(
        "midnight_12k",
        replace(_GIANT, layer_scale=1.0, interpolation="bicubic", output="class+mean"),
        *HALF,
        224,
        None,
        "MIT",
        f"{_HUGGING_FACE}/kaiko-ai/midnight",
        "hf-dinov2",
        reported="licence",
    ),
    Known(
        "openmidnight",
        replace(_hub(_GIANT, 4), image_size=224, layer_scale=1e-5),
        *IMAGENET,
        224,
        None,
        APACHE,
        f"{_HUGGING_FACE}/SophontAI/OpenMidnight",
        "hub",
    ),
    Known(
        "gpfm",
        replace(_hub(_LARGE, 0), image_size=224, layer_scale=1e-5),
        *IMAGENET,
        224,
        None,
        "CC-BY-NC-4.0, elsewhere MIT",
        f"{_HUGGING_FACE}/majiabo/GPFM",
        "hub",
        reported="licence",
    ),
    Known(
        "genbio_pathfm",
        replace(_rotary(_GIANT), mlp_width=4096, epsilon=1e-6, qkv_bias=False, key_bias=True, rope_type="bfloat16", per_channel=True),
        *GENBIO,
        224,
        None,
        "GenBio AI Community License",
        f"{_HUGGING_FACE}/genbio-ai/genbio-pathfm",
        "dinov3",
    ),
    *(
        Known(f"dinov2_{name}{suffix}", _hub(spec, registers), *IMAGENET, 518, None, *DINOV2, "hub")
        for suffix, registers in (("", 0), ("_reg", 4))
        for name, spec in _DINOV2.items()
    ),
    *(
        Known(
            f"dinov3_{name}",
            _rotary(spec),
            *IMAGENET,
            224,
            None,
            "DINOv3 License",
            f"{_HUGGING_FACE}/facebook/dinov3-{name}-pretrain-lvd1689m",
            "hf-dinov3",
        )
        for name, spec in _DINOV3.items()
    ),
)

ZOO = {known.name: known for known in _KNOWN}

OUT_OF_SCOPE = {
    "conch": "an image–text model whose image tower ends in attention pooling and a projection, which the ViT here does not have",
    "ctranspath": "a Swin transformer with a convolutional stem, not a ViT",
}


def known(name: str) -> Known:
    """The model of that name; InputError lists the names there are, or says why a model is out of scope."""
    if name in OUT_OF_SCOPE:
        raise InputError(f"{name} is out of scope: {OUT_OF_SCOPE[name]}; the zoo has {', '.join(ZOO)}")
    if name not in ZOO:
        raise InputError(f"the zoo has no model {name!r}; it has {', '.join(ZOO)}")
    return ZOO[name]
