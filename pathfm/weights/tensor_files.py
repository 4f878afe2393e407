"""Weight files as PyTorch users have them, read tensor by tensor: safetensors, one file or sharded, and PyTorch's own.

A pickle that holds code is never run: PyTorch files are read with `weights_only=True`. torch is an extra of pathfm.
"""

import re
from pathlib import Path

from pathfm.errors import InputError
from pathfm.files import inside, read_json
from pathfm.weights.file_kinds import kind_of
from pathfm.weights.pytorch_files import open_pytorch
from pathfm.weights.safetensors_files import open_safetensors
from pathfm.weights.tensors import TensorFile
from pathfm.zoo.rules import listed

IN_FOLDERS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SHARD = re.compile(r"(?P<stem>.+)-\d+-of-0*(?P<count>[1-9]\d*)(?P<suffix>\.\w+)")

OTHER_FOLDERS = {
    "card.json": "a folder of weights of pathfm, which training takes with --config.init",
    "adapter_config.json": "an adapter of peft without its base; load it there and save the state_dict of model.merge_and_unload()",
    "zero_to_fp32.py": "a checkpoint of DeepSpeed; run the zero_to_fp32.py in it and import the file that it writes",
    ".metadata": "a distributed checkpoint; `python -m torch.distributed.checkpoint.format_utils dcp_to_torch` makes one file of it",
    "saved_model.pb": "a SavedModel of TensorFlow, which pathfm does not read",
}
"""Files that tell what a folder is, and what to say of it."""


def open_tensors(path: str | Path) -> TensorFile:
    """The tensors of a file, of an index of shards (`*.index.json`), or of a folder that holds one of them under its usual name.

    The content decides, not the suffix. Raises InputError when it is missing, truncated, no weight file, one shard of several, or holds
    code.
    """
    path = Path(path)
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise InputError(f"{path} is missing")
    if path.name.endswith(".index.json"):
        return _sharded(path)
    shard = SHARD.fullmatch(path.name)
    if shard and int(shard["count"]) > 1:
        index = f"{shard['stem']}{shard['suffix']}.index.json"
        raise InputError(f"{path} is one of {shard['count']} shards; give their folder, or their index {index}")
    return _one_file(path)


def _one_file(path: Path) -> TensorFile:
    return open_safetensors(path) if kind_of(path) == "safetensors" else open_pytorch(path)


def _in_folder(folder: Path) -> Path:
    """The file of weights in a folder; InputError says what the folder is when it holds none."""
    found = next((folder / name for name in IN_FOLDERS if (folder / name).exists()), None)
    if found:
        return found
    what = next((what for name, what in OTHER_FOLDERS.items() if (folder / name).exists()), None)
    if what:
        raise InputError(f"{folder} is {what}")
    shards = sorted(path.name for path in folder.iterdir() if SHARD.fullmatch(path.name))
    if shards:
        shard = SHARD.fullmatch(shards[0])
        raise InputError(f"{folder} holds shards ({listed(shards)}) without {shard['stem']}{shard['suffix']}.index.json; download that too")
    raise InputError(f"{folder} holds none of {', '.join(IN_FOLDERS)}; name the weight file itself")


def _sharded(path: Path) -> TensorFile:
    index = read_json(path)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise InputError(f"{path} is no index of shards: it lacks weight_map")
    files = {place: inside(path.parent, place) for place in sorted(set(places.values()))}
    absent = [place for place, file in files.items() if not file.is_file()]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        raise InputError(f"of the {len(files)} shards of {path}, {listed(absent)} {verb} missing; download all into one folder")
    shards = {place: _one_file(file) for place, file in files.items()}
    missing = sorted(name for name, place in places.items() if name not in shards[place].shapes)
    if missing:
        raise InputError(f"{path} places tensors in shards that lack them: {listed(missing)}; download all files of one version again")
    shapes = {name: shards[place].shapes[name] for name, place in places.items()}
    types = {name: shards[place].types[name] for name, place in places.items()}
    return TensorFile(path, lambda name: shards[places[name]][name], shapes, types)
