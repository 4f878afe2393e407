"""PyTorch's own weight files: nested dicts of tensors, read with `weights_only=True`, so that no pickled code is run."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np

from pathfm.errors import InputError
from pathfm.weights.file_kinds import ZIP
from pathfm.weights.tensors import TensorFile
from pathfm.zoo.rules import listed

OPENED_AGAIN_AFTER = 512 * 2**20  # bytes served
BROKEN = "cannot be read as a file of PyTorch; it is truncated or of another format, download it again"


def open_pytorch(path: Path) -> TensorFile:
    """The tensors of a `.pth` or `.bin` file under dotted names; what is no tensor (epochs, settings) is passed over.

    The file is mapped, not read, and mapped anew now and then, so that the pages of tensors read before do not count as ours.
    Raises InputError when torch is not installed, the file is truncated, or it holds code.
    """
    tensors = _load(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    types = {name: _type(tensor) for name, tensor in tensors.items()}
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
    zipped = _zip_of_tensors(path)
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{path} is a file of PyTorch, which is not installed; `pip install torch`, or get the .safetensors file"
        ) from None
    try:
        with warnings.catch_warnings(action="ignore"), open(path, "rb") as file:  # of torch about its own older formats
            misnamed = path.suffix == ".safetensors"  # which torch would believe
            loaded = torch.load(file if misnamed else path, map_location="cpu", weights_only=True, mmap=zipped and not misnamed)
    except pickle.UnpicklingError as error:
        code = _code_in(path, str(error))
        if not code:
            raise InputError(f"{path} {BROKEN}") from error
        raise InputError(
            f"{path} holds code beside tensors, which pathfm does not run ({code}); load it where you trust it and save its "
            "state_dict alone"
        ) from error
    except Exception as error:  # a damaged file makes torch raise anything
        raise InputError(f"{path} {BROKEN}") from error
    if isinstance(loaded, torch.Tensor):
        raise InputError(f"{path} holds a single tensor of shape {tuple(loaded.shape)}, not the weights of a model by name")
    return _flat(loaded, torch.Tensor) if isinstance(loaded, Mapping | list | tuple) else {}


def _code_in(path: Path, refusal: str) -> str:
    """The classes and functions that a file asks for beside tensors, in words: all of them, or in torch's older format the one that was
    refused; "" for none.
    """
    from torch.serialization import get_unsafe_globals_in_checkpoint

    names = re.findall(r"GLOBAL ([\w.]+)", refusal)
    if names and is_zipfile(path):
        try:
            names = sorted(get_unsafe_globals_in_checkpoint(path)) or names
        except Exception as error:  # a damaged file makes torch raise anything
            raise InputError(f"{path} {BROKEN}") from error
    return f"a whole model, with {listed(names)}" if any(name.startswith("torch.nn.modules.") for name in names) else listed(names)


def _zip_of_tensors(path: Path) -> bool:
    """Whether the file is the zip that `torch.save` writes (else its older format); InputError for another zip, or half of one."""
    with open(path, "rb") as file:
        if not file.read(len(ZIP)) == ZIP:
            return False
    if not is_zipfile(path):
        raise InputError(f"{path} cannot be read as a file of PyTorch; it is truncated, its end is missing: download it again")
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} {BROKEN}") from error
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise InputError(
            f"{path} is a TorchScript archive, a program with its weights, which pathfm does not run; load it with torch.jit.load where "
            "you trust it and save its state_dict alone"
        )
    if any(name.endswith(".npy") for name in names):
        raise InputError(f"{path} is an .npz archive of numpy, not a file of PyTorch")
    if "data.pkl" not in inner:
        raise InputError(f"{path} is a zip archive that holds {listed(names)}, not a file of PyTorch; if it holds weights, unpack it first")
    return True


def _flat(values: Mapping | list | tuple, tensor: type, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        if isinstance(value, Mapping | list | tuple):
            flat |= _flat(value, tensor, f"{prefix}{name}.")
        elif isinstance(value, tensor):
            flat[f"{prefix}{name}"] = value.detach()
    return flat


def _type(tensor) -> str:
    """numpy's name of the type; one that no array has says so in more words."""
    kind = str(tensor.dtype).removeprefix("torch.")
    if str(tensor.layout) != "torch.strided":
        return f"{kind} (sparse)"
    return f"{kind} (without values)" if tensor.is_meta else kind


def _as_numpy(tensor) -> np.ndarray:
    """A copy in the tensor's own type; bfloat16, which numpy lacks, as ml_dtypes has it."""
    if str(tensor.dtype) == "torch.bfloat16":
        import ml_dtypes
        import torch

        return tensor.contiguous().view(torch.uint16).numpy().copy().view(ml_dtypes.bfloat16)
    return tensor.contiguous().numpy().copy()
