"""Weight files as PyTorch users have them, read tensor by tensor: safetensors, one file or sharded, and PyTorch's own.

A pickle that holds code is never run: PyTorch files are read with `weights_only=True`. torch is an extra of pathfm.
"""

from pathlib import Path

from pathfm.errors import InputError
from pathfm.files import inside, read_json
from pathfm.models.naming import listed
from pathfm.weights.pytorch_files import open_pytorch
from pathfm.weights.safetensors_files import open_safetensors
from pathfm.weights.tensors import TensorFile

IN_FOLDERS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
PYTORCH = (".pth", ".pt", ".bin", ".ckpt")
WEB_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<script", b"<body")


def open_tensors(path: str | Path) -> TensorFile:
    """The tensors of a file, of an index of shards (`*.index.json`), or of a folder that holds one of them under its usual name.

    Raises InputError when it is missing, truncated, no weight file (a web page, a pointer of Git LFS), or holds code.
    """
    path = Path(path)
    if path.is_dir():
        found = next((path / name for name in IN_FOLDERS if (path / name).exists()), None)
        if found is None:
            raise InputError(f"{path} holds none of {', '.join(IN_FOLDERS)}; name the weight file itself")
        path = found
    if not path.is_file():
        raise InputError(f"{path} is missing")
    if path.name.endswith(".index.json"):
        return _sharded(path)
    _refuse_what_is_no_weight_file(path)
    if path.suffix == ".safetensors":
        return open_safetensors(path)
    if path.suffix in PYTORCH:
        return open_pytorch(path)
    raise InputError(f"{path} is no weight file that pathfm knows; they end in .safetensors, {', '.join(PYTORCH)} or .index.json")


def _sharded(path: Path) -> TensorFile:
    index = read_json(path)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise InputError(f"{path} is no index of shards: it lacks weight_map")
    shards = {place: open_tensors(inside(path.parent, place)) for place in sorted(set(places.values()))}
    missing = sorted(name for name, place in places.items() if name not in shards[place].shapes)
    if missing:
        raise InputError(f"{path} places tensors in shards that lack them: {listed(missing)}; download all files of one version again")
    shapes = {name: shards[place].shapes[name] for name, place in places.items()}
    types = {name: shards[place].types[name] for name, place in places.items()}
    return TensorFile(path, lambda name: shards[places[name]][name], shapes, types)


def _refuse_what_is_no_weight_file(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(256).lstrip()
    if not start:
        raise InputError(f"{path} is empty; download it again")
    if start.lower().startswith(WEB_PAGES):
        raise InputError(f"{path} is a web page, not a weight file: the download was refused; log in where it comes from and get it again")
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{path} is a pointer of Git LFS, not the weights; get the file itself with `git lfs pull`")
