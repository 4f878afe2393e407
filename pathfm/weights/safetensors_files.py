"""safetensors files in and out (https://github.com/huggingface/safetensors): tensors by name, no code."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from pathfm.errors import InputError
from pathfm.files import replacing
from pathfm.weights.file_kinds import MAX_HEADER
from pathfm.weights.tensors import TensorFile
from pathfm.zoo.rules import listed

KINDS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of one file; InputError when it is missing, truncated, no safetensors file, or holds a value that is not finite."""
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} cannot be read as safetensors ({error}); download it again") from error
    broken = sorted(name for name, tensor in tensors.items() if not np.isfinite(tensor.astype(np.float32, copy=False)).all())
    if broken:
        raise InputError(f"{path} holds values that are not finite, in {listed(broken)}; such weights cannot be used")
    return tensors


def open_safetensors(path: Path) -> TensorFile:
    """The tensors of one file, each read when it is asked for; InputError when it is truncated or no safetensors file."""
    try:
        with safe_open(path, "np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            types = {name: KINDS.get(part.get_dtype(), part.get_dtype().lower()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} cannot be read as safetensors ({_cut(path) or error}); download it again") from error

    def read(name: str) -> np.ndarray:
        # The file is opened anew for each tensor, so that the pages of those read before do not count as ours.
        with safe_open(path, "np") as file:
            return file.get_tensor(name)

    return TensorFile(path, read, shapes, types)


def _cut(path: Path) -> str:
    """How much of a truncated file is there, in words; "" for a file that is whole or whose header cannot be read.

    The format is eight bytes of the header's length, the header in JSON with each tensor's offsets, and the tensors.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            return ""
        if size < 8 + length:
            return f"it is truncated: {size:,} bytes, which is not even its header"
        try:
            entries = json.loads(file.read(length))
            wanted = 8 + length + max(entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__")
        except (ValueError, AttributeError, KeyError, TypeError, IndexError):
            return ""
    return f"it is truncated: {size:,} of {wanted:,} bytes" if size < wanted else ""


def write_safetensors(tensors: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Writes the tensors whole or not at all, marked as PyTorch's layout so that its loaders take them."""
    with replacing(path) as temporary:
        try:
            save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, temporary, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(str(error)) from error
