"""PyTorch's own weight files: nested dicts of tensors, read with `weights_only=True`, so that no pickled code is run."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np

from pathfm.errors import InputError
from pathfm.weights.tensors import TensorFile

OPENED_AGAIN_AFTER = 512 * 2**20  # bytes served


def open_pytorch(path: Path) -> TensorFile:
    """The tensors of a `.pth` or `.bin` file under dotted names; what is no tensor (epochs, settings) is passed over.

    The file is mapped, not read, and mapped anew now and then, so that the pages of tensors read before do not count as ours.
    Raises InputError when torch is not installed, the file is truncated, or it holds code.
    """
    tensors = _load(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    types = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()}
    if not shapes:
        raise InputError(f"{path} holds no tensors")
    opened = {"tensors": tensors, "served": 0}

    def read(name: str) -> np.ndarray:
        if opened["served"] > OPENED_AGAIN_AFTER and is_zipfile(path):
            opened["tensors"] = None
            opened.update(tensors=_load(path), served=0)
        array = _as_numpy(opened["tensors"][name])
        opened["served"] += array.nbytes
        return array

    return TensorFile(path, read, shapes, types)


def _load(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{path} is a file of PyTorch, which is not installed; `pip install torch`, or get the .safetensors file"
        ) from None
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error) or "Unsupported class" in str(error) or "GLOBAL" in str(error):
            raise InputError(
                f"{path} holds code beside tensors, which pathfm does not run; load it where you trust it and save its state_dict alone"
            ) from error
        raise InputError(f"{path} cannot be read as a file of PyTorch; it is truncated or of another format, download it again") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read as a file of PyTorch; it is truncated or of another format, download it again") from error
    return _flat(loaded, torch.Tensor) if isinstance(loaded, Mapping) else {}


def _flat(values: Mapping, tensor: type, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, tensor, f"{prefix}{name}.")
        elif isinstance(value, tensor):
            flat[f"{prefix}{name}"] = value.detach()
    return flat


def _as_numpy(tensor) -> np.ndarray:
    """A copy in the tensor's own type; bfloat16, which numpy lacks, as ml_dtypes has it."""
    if str(tensor.dtype) == "torch.bfloat16":
        import ml_dtypes
        import torch

        return tensor.contiguous().view(torch.uint16).numpy().copy().view(ml_dtypes.bfloat16)
    return tensor.contiguous().numpy().copy()
