"""What the comparisons with timm share: timm imported beside a CPU torch, and its model of an architecture with random weights."""

import importlib
from functools import cache

import numpy as np
import pytest

from pathfm.models.vit import ViTSpec, from_names, parameter_shapes
from pathfm.weights import stock

STUBS: list = []  # operators live as long as their library

REASON = "the extra `parity` (torch, torchvision, timm, transformers) is not installed"

VARIANTS = {
    "plain": {},
    "patch 8, no qkv bias": {"patch": 8, "qkv_bias": False},
    "LayerScale": {"layer_scale": 0.3},
    "registers with a slot": {"registers": 4, "slots": "all"},
    "registers without a slot": {"registers": 8, "slots": "patches", "patch": 14, "image_size": 56},
    "SwiGLU packed": {"mlp": "swiglu_packed", "mlp_width": 172, "layer_scale": 1.0, "registers": 2, "slots": "patches"},
    "SwiGLU": {"mlp": "swiglu", "mlp_width": 172},
    "class+mean": {"output": "class+mean", "registers": 4, "slots": "patches"},
}

FURTHER = {
    "class token and registers, slot for the class": {"registers": 4, "slots": "class", "layer_scale": 0.3},
    "another epsilon": {"epsilon": 1e-12},
    "SwiGLU, a width that DINOv2 has": {"mlp": "swiglu_packed", "mlp_width": 256, "layer_scale": 1.0, "registers": 2},
    "an MLP of odd width": {"mlp_width": 200, "layer_scale": 1.0},
    "resampled as DINOv2's hub": {"layer_scale": 1.0, "interpolation": "bicubic_offset"},
}


_TURNED = {"registers": 4, "slots": "patches", "layer_scale": 0.3, "epsilon": 1e-5, "rope": 100.0, "key_bias": False}
ROTARY = {
    "rotary": _TURNED,
    "rotary, SwiGLU": _TURNED | {"mlp": "swiglu_packed", "mlp_width": 256, "output": "class+mean"},
    "rotary, no qkv bias, channel by channel": _TURNED | {"qkv_bias": False, "key_bias": True, "per_channel": True, "epsilon": 1e-6},
}


def variant(name: str) -> ViTSpec:
    return ViTSpec(**{"width": 96, "depth": 2, "heads": 3, "mlp_width": 384, "image_size": 64} | (VARIANTS | FURTHER | ROTARY)[name])


def random_params(spec: ViTSpec, seed: int = 0) -> dict:
    """Parameters of the tower with every value drawn at random, none large."""
    random = np.random.default_rng(seed)
    return from_names({name: 0.1 * random.standard_normal(shape, np.float32) for name, shape in parameter_shapes(spec).items()})


@cache
def import_torchvision():
    """The module torchvision; skips the test where it is not installed.

    Its registry build is for CUDA and asks for operators that a CPU torch lacks: stubs stand in for them. A torchvision that fits its torch
    brings its own.
    """
    torch = pytest.importorskip("torch", reason=REASON)
    try:
        importlib.import_module("torchvision")
    except ImportError:
        pytest.skip(REASON)
    except RuntimeError:  # operator torchvision::nms does not exist
        stubs = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            stubs.define(f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
        STUBS.append(stubs)
    return importlib.import_module("torchvision")


def import_timm():
    """The module timm, which imports torchvision; skips the test where it is not installed."""
    import_torchvision()
    return pytest.importorskip("timm", reason=REASON, exc_type=ImportError)


def torch_loader():
    """`safetensors.torch.load_file`, as a PyTorch user calls it."""
    return importlib.import_module("safetensors.torch").load_file


def timm_model(arguments: dict, seed: int = 0):
    """timm's `VisionTransformer` with every parameter drawn at random, so that none can be mixed up unseen."""
    timm = import_timm()
    return drawn(timm.models.vision_transformer.VisionTransformer(**timm_classes(arguments)), seed)


def timm_classes(arguments: dict) -> dict:
    """The arguments of timm's model with classes in the place of their names."""
    import_timm()
    return stock.timm_classes(arguments)


def timm_features(model, spec: ViTSpec, images: np.ndarray):
    """`torch_features` of timm's model."""
    return torch_features(model.forward_features, spec, images)


def torch_features(tokens_of, spec: ViTSpec, images: np.ndarray):
    """The features [batch, spec.features] as publishers make them, and the gradient of Σ features × directions by the images.

    `tokens_of` leads from pixels [batch, 3, height, width] to tokens, class token first; images are [batch, height, width, 3].
    """
    import torch

    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().requires_grad_()
    tokens = tokens_of(pixels.flatten(0, 1).unsqueeze(1) if spec.per_channel else pixels)
    features = tokens[:, 0]
    if spec.output == "class+mean":
        features = torch.cat([features, tokens[:, spec.prefix :].mean(1)], dim=-1)
    features = features.reshape(len(images), -1)
    (features * torch.from_numpy(directions(features.shape))).sum().backward()
    return features.detach().numpy(), pixels.grad.permute(0, 2, 3, 1).numpy()


def directions(shape) -> np.ndarray:
    """The fixed weights of the scalar whose gradient is compared."""
    return np.random.default_rng(7).standard_normal(tuple(shape)).astype(np.float32)


def arrays(model) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def import_transformers():
    """The module transformers; skips the test where it is not installed."""
    import_timm()
    return pytest.importorskip("transformers", reason=REASON, exc_type=ImportError)


def unfilled(create):
    """The torch model that `create()` makes, with memory for parameters and no values in it: their own initialisation takes seconds.

    One with buffers is made as usual, since nothing else gives them their values.
    """
    import torch

    with torch.device("meta"):
        model = create()
    if list(model.buffers()):  # such as the periods of rotary position embeddings, which no file brings
        return create()
    return model.to_empty(device="cpu")


def drawn(model, seed: int = 0):
    """The torch model with every parameter drawn at random, none large, so that none can be mixed up unseen."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            about = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            spread = 0.02 if name.endswith("bias") or about else 0.5 * parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.2
            parameter.copy_(about + spread * torch.randn(parameter.shape, generator=generator))
    return model.eval()
