"""Each model of the zoo as its publisher builds it with timm or transformers, at full width, with random weights.

It has one block; the smallest of each kind has two, and meets images of two sizes. With PATHFM_FULL_SIZE=1 in the environment it has
all of its blocks and its published grid; the largest then take 23 GB of memory, each test in a process of its own.

The arguments are those of the publishers' own instructions, written down here apart from pathfm's registry. DINOv2's hub code is not
installed: its weights go through timm's own filter, and its resampling of position embeddings is written out below. So do those in the
words of DINOv3's hub code, with angles computed in bfloat16 as GenBio's code does; their products with query and key stay in float32.
"""

import math
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pathfm.zoo.known import Known, known
from tests.parity import drawn, import_timm, import_transformers, timm_classes, torch_features, torch_loader, unfilled

FULL_SIZE = os.environ.get("PATHFM_FULL_SIZE") == "1"
PACKED = {"mlp_layer": "SwiGLUPacked", "act_layer": "SiLU"}
UNI2 = {"img_size": 224, "patch_size": 14, "num_heads": 24, "init_values": 1e-5, "embed_dim": 1536, "mlp_ratio": 2.66667 * 2}

TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "kaiko_vits8": ("vit_small_patch8_224", {}),
    "kaiko_vits16": ("vit_small_patch16_224", {}),
    "kaiko_vitb8": ("vit_base_patch8_224", {}),
    "kaiko_vitb16": ("vit_base_patch16_224", {}),
    "lunit_vits8": ("vit_small_patch8_224", {}),
    "lunit_vits16": ("vit_small_patch16_224", {}),
    "uni": ("vit_large_patch16_224", {"init_values": 1e-5}),
    "uni2_h": ("vit_giant_patch14_224", UNI2 | PACKED | {"no_embed_class": True, "reg_tokens": 8}),
    "virchow": ("vit_huge_patch14_224", {"init_values": 1e-5, "mlp_ratio": 5.3375} | PACKED),
    "virchow2": ("vit_huge_patch14_224", {"init_values": 1e-5, "mlp_ratio": 5.3375, "reg_tokens": 4} | PACKED),
    "h_optimus_0": ("vit_giant_patch14_reg4_dinov2", {"img_size": 224, "init_values": 1e-5}),
    "h_optimus_1": ("vit_giant_patch14_reg4_dinov2", {"img_size": 224, "init_values": 1e-5}),
    "h0_mini": ("vit_base_patch14_reg4_dinov2", {"img_size": 224, "mlp_ratio": 5.33334} | PACKED),
    "prov_gigapath": ("vit_giant_patch14_dinov2", {"img_size": 224, "patch_size": 16, "init_values": 1e-5, "mlp_ratio": 5.33334}),
}

HUB = {
    "kaiko_vitl14": "vit_large_patch14_reg4_dinov2",
    "openmidnight": "vit_giant_patch14_reg4_dinov2",
    "gpfm": "vit_large_patch14_dinov2",
    **{f"dinov2_vit{size[0]}14": f"vit_{size}_patch14_dinov2" for size in ("small", "base", "large", "giant")},
    **{f"dinov2_vit{size[0]}14_reg": f"vit_{size}_patch14_reg4_dinov2" for size in ("small", "base", "large", "giant")},
}

_LARGE = {"hidden_size": 1024, "num_attention_heads": 16}
_DINOV3_GATED = {"num_register_tokens": 4, "use_gated_mlp": True, "hidden_act": "silu"}
_DINOV2 = {"image_size": 224, "patch_size": 14, "mlp_ratio": 4}
HUGGING_FACE = {
    "phikon": ("ViT", {"image_size": 224}),
    "phikon_v2": ("Dinov2", _DINOV2 | _LARGE | {"patch_size": 16}),
    "hibou_b": ("Dinov2WithRegisters", _DINOV2 | {"use_swiglu_ffn": True}),
    "hibou_l": ("Dinov2WithRegisters", _DINOV2 | _LARGE | {"use_swiglu_ffn": True}),
    "midnight_12k": ("Dinov2", _DINOV2 | {"hidden_size": 1536, "num_attention_heads": 24, "use_swiglu_ffn": True}),
    "dinov3_vits16": ("DINOv3ViT", {"num_register_tokens": 4}),
    "dinov3_vits16plus": ("DINOv3ViT", _DINOV3_GATED),
    "dinov3_vitb16": ("DINOv3ViT", {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072, "num_register_tokens": 4}),
    "dinov3_vitl16": ("DINOv3ViT", _LARGE | {"intermediate_size": 4096, "num_register_tokens": 4}),
    "dinov3_vith16plus": ("DINOv3ViT", _DINOV3_GATED | {"hidden_size": 1280, "num_attention_heads": 20, "intermediate_size": 5120}),
}

_GENBIO = {
    "in_chans": 1,
    "embed_dim": 1536,
    "num_heads": 24,
    "mlp_ratio": 4096 / 1536,
    "swiglu_mlp": True,
    "swiglu_align_to": 64,
    "norm_layer": ("LayerNorm", {"eps": 1e-6}),
}
DINOV3 = {"genbio_pathfm": ("vit_small_patch16_dinov3", _GENBIO)}

PUBLISHED = (*TIMM, *HUB, *HUGGING_FACE, *DINOV3)

REPUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (entry, {}) for name, entry in HUB.items()},
    "phikon": ("vit_base_patch16_224", {"norm_layer": ("LayerNorm", {"eps": 1e-12})}),
    "phikon_v2": ("vit_large_patch16_224", {"init_values": 1.0}),
    "hibou_b": ("vit_base_patch14_reg4_dinov2", {"mlp_ratio": 5.33334} | PACKED),
    "hibou_l": ("vit_large_patch14_reg4_dinov2", {"mlp_ratio": 5.34375} | PACKED),
    "midnight_12k": ("vit_giant_patch14_dinov2", {}),
    "dinov3_vits16": ("vit_small_patch16_dinov3_qkvb", {}),
    "dinov3_vits16plus": ("vit_small_plus_patch16_dinov3_qkvb", {}),
    "dinov3_vitb16": ("vit_base_patch16_dinov3", {}),
    "dinov3_vitl16": ("vit_large_patch16_dinov3_qkvb", {}),
    "dinov3_vith16plus": ("vit_huge_plus_patch16_dinov3", {}),
    **DINOV3,
}
"""Models of other namings as timm, or somebody in timm's words, publishes them again."""


def kind(name: str) -> tuple:
    """What decides how weights come and go, and how their position embeddings are resampled."""
    spec = known(name).spec
    return known(name).naming, spec.mlp, spec.slots, spec.layer_scale is None, spec.registers > 0, spec.interpolation


SMALLEST_OF_EACH_KIND = {kind(name): name for name in sorted(PUBLISHED, key=lambda name: -known(name).spec.width)}.values()


def blocks(name: str) -> int:
    return 2 if name in SMALLEST_OF_EACH_KIND else 1


def grids(name: str, side: int) -> list[tuple[int, int]]:
    """Rows and columns of the patches of the images that a model meets; its own are `side` × `side`."""
    return [(side, side), (side // 2 + 1, side - 3)][: 2 if FULL_SIZE else blocks(name)]


@dataclass
class Published:
    """A publisher's model: its weights lie at `weights`; `loaded(path)` is the same class with the weights of an export."""

    known: Known
    weights: Path
    model: Any
    loaded: Any

    def features(self, images: np.ndarray, model: Any = None):
        """The features of images [batch, height, width, 3], and the gradient of Σ features × directions by the images.

        No gradient of the parameters is kept: the largest models have no memory for it.
        """
        return torch_features(partial(self.tokens, (model or self.model).requires_grad_(False)), self.known.spec, images)

    def tokens(self, model: Any, pixels):
        if self.known.name in HUGGING_FACE:
            more = {"interpolate_pos_encoding": True} if self.known.name == "phikon" else {}
            return model(pixel_values=pixels, **more).last_hidden_state
        if self.known.spec.interpolation == "bicubic_offset":
            model = _resampled(model, self.known.spec.patch, *pixels.shape[2:])
        return model.forward_features(pixels)


def published(name: str, folder: Path) -> Published:
    """The model of that name with its blocks; those learned at 518 px have a smaller grid here, but for the smallest.

    Skips the test where the extra `parity` is not installed.
    """
    import_timm()
    model = known(name)
    spec = model.spec if FULL_SIZE else replace(model.spec, depth=blocks(name))
    if spec.image_size == 518 and name != "dinov2_vits14" and not FULL_SIZE:
        spec = replace(spec, image_size=154)
    model = replace(model, spec=spec)
    make = next(
        make for names, make in ((TIMM, _of_timm), (HUB, _of_hub), (DINOV3, _of_dinov3), (HUGGING_FACE, _of_hugging_face)) if name in names
    )
    return make(model, folder)


def republished(name: str, folder: Path) -> tuple[Known, Any]:
    """The model in timm's words with its blocks and a small grid, and timm's own class of it, whose weights lie in `model.safetensors`."""
    timm = import_timm()
    from safetensors.torch import save_file

    model = known(name)
    size = 154 if model.spec.image_size == 518 else 224
    model = replace(model, spec=replace(model.spec, depth=blocks(name), image_size=size))
    entry, arguments = REPUBLISHED[name]
    arguments = {"num_classes": 0, "dynamic_img_size": True, "depth": blocks(name), "img_size": size, **timm_classes(arguments)}
    theirs = drawn(unfilled(partial(timm.create_model, entry, **arguments)))
    save_file(theirs.state_dict(), folder / "model.safetensors")
    return model, theirs


def _of_timm(model: Known, folder: Path) -> Published:
    timm = import_timm()
    from safetensors.torch import save_file

    entry, arguments = TIMM[model.name]
    create = partial(timm.create_model, entry, num_classes=0, dynamic_img_size=True, depth=model.spec.depth, **timm_classes(arguments))
    theirs = drawn(unfilled(create))
    save_file(theirs.state_dict(), folder / "model.safetensors")

    def loaded(path: Path):
        theirs = unfilled(create)
        timm.models.load_checkpoint(theirs, str(path))
        return theirs.eval()

    return Published(model, folder / "model.safetensors", theirs, loaded)


def _of_hub(model: Known, folder: Path) -> Published:
    import torch

    timm = import_timm()
    filtered = timm.models.vision_transformer.checkpoint_filter_fn
    arguments = {"num_classes": 0, "dynamic_img_size": True, "depth": model.spec.depth, "img_size": model.spec.image_size}
    create = partial(timm.create_model, HUB[model.name], **arguments)

    def loaded(path: Path):
        theirs = unfilled(create)
        state = torch.load(path, weights_only=True) if path.suffix == ".pth" else torch_loader()(path)
        theirs.load_state_dict(filtered(state, theirs))
        return theirs.eval()

    torch.save(_hub_state(drawn(unfilled(create)).state_dict(), model.spec.width), folder / "model.pth")
    return Published(model, folder / "model.pth", loaded(folder / "model.pth"), loaded)


def _of_dinov3(model: Known, folder: Path) -> Published:
    import torch

    timm = import_timm()
    entry, arguments = DINOV3[model.name]
    arguments = {"num_classes": 0, "depth": model.spec.depth, "img_size": model.spec.image_size, **timm_classes(arguments)}
    create = partial(timm.create_model, entry, **arguments)
    width = arguments["embed_dim"] // arguments["num_heads"]
    periods = 100.0 ** (2 * torch.arange(width // 4, dtype=torch.bfloat16) / (width // 2))
    ours_to_theirs = {"reg_token": "storage_tokens", ".gamma_": ".ls", "fc1_g": "w1", "fc1_x": "w2", "fc2": "w3"}

    def in_hubs_words(name: str) -> str:
        ending = ".gamma" if ".gamma_" in name else ""
        for word, other in ours_to_theirs.items():
            name = name.replace(word, other)
        return name + ending

    def loaded(path: Path):
        theirs = create()
        state = torch.load(path, weights_only=True) if path.suffix == ".pth" else torch_loader()(path)
        theirs.load_state_dict(timm.models.eva.checkpoint_filter_fn(state, theirs))
        theirs.rope.get_embed = partial(_rope_in_bfloat16, periods)
        return theirs.eval()

    state = {in_hubs_words(name): tensor for name, tensor in drawn(create()).state_dict().items()}
    torch.save(state | {"rope_embed.periods": periods}, folder / "model.pth")
    return Published(model, folder / "model.pth", loaded(folder / "model.pth"), loaded)


def _rope_in_bfloat16(periods, shape: tuple[int, int]):
    """Sines and cosines [patches, 2 × width of a head] as GenBio's code computes them, each step in bfloat16; in float32."""
    import torch

    sides = [torch.arange(0.5, n, dtype=torch.bfloat16) / n for n in shape]
    coordinates = 2.0 * torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1).flatten(0, 1) - 1.0
    angles = (2 * math.pi * coordinates[:, :, None] / periods).flatten(1).tile(2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


def _hub_state(state: dict, width: int) -> dict:
    """timm's random weights under the names of the hub's files: with a slot for the class token, a mask token, and SwiGLU's w12, w3."""
    import torch

    state = dict(state)
    state["mask_token"] = torch.full((1, width), 0.25)
    if "reg_token" in state:
        state["register_tokens"] = state.pop("reg_token")
        state["pos_embed"] = torch.cat([0.1 * torch.randn(1, 1, width, generator=torch.Generator().manual_seed(3)), state["pos_embed"]], 1)
    gated = len(state["blocks.0.mlp.fc1.weight"]) == 2 * state["blocks.0.mlp.fc2.weight"].shape[1]
    return {name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3") if gated else name: state[name] for name in state}


def _resampled(theirs, patch: int, height: int, width: int):
    """timm's model on the same parameters, but for position embeddings resampled as DINOv2's hub code does it
    (`interpolate_offset=0.1`).
    """
    import copy

    import torch

    side = math.isqrt(theirs.pos_embed.shape[1] - 1)
    rows, columns = height // patch, width // patch
    if (rows, columns) == (side, side):
        return theirs
    grid = theirs.pos_embed[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = ((rows + 0.1) / side, (columns + 0.1) / side)
    grid = torch.nn.functional.interpolate(grid, scale_factor=scale, mode="bicubic").permute(0, 2, 3, 1).flatten(1, 2)
    theirs = copy.copy(theirs)
    theirs._parameters = dict(theirs._parameters)
    theirs.pos_embed = torch.nn.Parameter(torch.cat([theirs.pos_embed[:, :1], grid], 1), requires_grad=False)
    theirs._pos_embed = lambda x: torch.cat([theirs.cls_token.expand(x.shape[0], -1, -1), x.flatten(1, 2)], 1) + theirs.pos_embed
    return theirs


def _of_hugging_face(model: Known, folder: Path) -> Published:
    transformers = import_transformers()
    family, arguments = HUGGING_FACE[model.name]
    config = getattr(transformers, f"{family}Config")(num_hidden_layers=model.spec.depth, **arguments)
    theirs = drawn(unfilled(partial(getattr(transformers, f"{family}Model"), config)))
    theirs.save_pretrained(folder / "published")
    return Published(model, folder / "published", theirs, lambda path: transformers.AutoModel.from_pretrained(path).eval())
