"""Measure import and export of a checkpoint of H-optimus-0's size: random float32 weights, 1.13 billion parameters, 4.5 GB.

Writes the checkpoint to a folder, runs `pathfm import` and `pathfm export` on it as commands of their own, and prints for each the wall
time, the processor time and the largest resident memory, in seconds and in multiples of the checkpoint's size; then compares what came
out bit for bit with what went in. Needs about 14 GB of disk, which it frees, and 11 GB of memory:

    python tools/import_large.py --folder /tmp/large [--model h_optimus_0] [--kind safetensors|shards|pth]
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from pathfm.models.vit import parameter_shapes
from pathfm.zoo.known import Known, known
from pathfm.zoo.namings import NAMINGS
from pathfm.zoo.rules import Rule

SHARD = 2**30


def theirs(model: Known) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the publisher's tensors."""
    by_ours: dict[str, tuple[Rule, int]] = {}
    for rule in NAMINGS[model.naming].rules(model.spec):
        for i in range(model.spec.depth) if "{i}" in rule.ours else (0,):
            by_ours[rule.ours.format(i=i)] = (rule, i)
    shapes = {}
    for ours, shape in parameter_shapes(model.spec).items():
        rule, i = by_ours[ours]
        part = (*shape[:-1], shape[-1] // len(rule.theirs))
        turned = {"linear": part[::-1], "convolution": (part[-1], part[-2], *part[:-2]) if len(part) == 4 else part}.get(rule.layout, part)
        shapes |= dict.fromkeys((name.format(i=i) for name in rule.theirs), turned)
    return shapes


def write_checkpoint(model: Known, folder: Path, kind: str) -> Path:
    """Random weights of the model, tensor by tensor into shards of a gigabyte, then joined where one file is asked for."""
    random = np.random.default_rng(0)
    shapes, places, shard, held = theirs(model), {}, {}, 0
    for name, shape in shapes.items():
        shard[name] = 0.02 * random.standard_normal(shape, np.float32)
        held += shard[name].nbytes
        if held > SHARD and kind == "shards":
            places |= _written(shard, folder)
            shard, held = {}, 0
    if kind == "shards":
        places |= _written(shard, folder)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
        return folder / "model.safetensors.index.json"
    path = folder / ("model.safetensors" if kind == "safetensors" else "model.pth")
    if kind == "safetensors":
        save_file(shard, path)
    else:
        import torch

        torch.save({name: torch.from_numpy(tensor) for name, tensor in shard.items()}, path)
    return path


def _written(shard: dict[str, np.ndarray], folder: Path) -> dict[str, str]:
    place = f"model-{len(list(folder.glob('model-*'))):05d}.safetensors"
    save_file(shard, folder / place)
    return dict.fromkeys(shard, place)


def measured(*words: str) -> tuple[float, float, int]:
    """The wall time and the processor time in seconds and the largest resident memory in bytes of a `pathfm` command."""
    start = time.monotonic()
    process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-m", "pathfm.cli", *words])
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"pathfm {' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def same(path: Path, other: Path, names) -> bool:
    """Whether both safetensors files hold the same bytes under the names."""
    with safe_open(path, "np") as one, safe_open(other, "np") as two:
        return all((one.get_tensor(name).view(np.uint8) == two.get_tensor(name).view(np.uint8)).all() for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="made, used and deleted")
    parser.add_argument("--model", default="h_optimus_0")
    parser.add_argument("--kind", default="safetensors", choices=("safetensors", "shards", "pth"))
    arguments = parser.parse_args()
    if arguments.folder.exists():
        parser.error(f"{arguments.folder} exists; it would be deleted at the end, so give a folder that does not")
    arguments.folder.mkdir(parents=True)
    try:
        model = known(arguments.model)
        pid = os.fork()  # so that the memory of the writer is not inherited
        if not pid:
            write_checkpoint(model, arguments.folder, arguments.kind)
            os._exit(0)
        os.waitpid(pid, 0)
        path = next(
            arguments.folder / name
            for name in ("model.safetensors", "model.safetensors.index.json", "model.pth")
            if (arguments.folder / name).exists()
        )
        size = sum(file.stat().st_size for file in arguments.folder.iterdir())
        print(f"checkpoint: {size / 1e9:.2f} GB, {arguments.kind}")
        weights, out = arguments.folder / "weights", arguments.folder / "out"
        for words in (
            ("import", str(path), "--arch", model.name, "--out", str(weights)),
            ("export", "--checkpoint", str(weights), "--out", str(out)),
        ):
            seconds, work, memory = measured(*words)
            resident = f"{memory / 1e9:.2f} GB resident, {memory / size:.2f} × the checkpoint"
            print(f"{words[0]}: {seconds:.1f} s ({work:.1f} s of processor), {resident}", flush=True)
        if arguments.kind == "safetensors":
            print(f"bit for bit: {same(path, out / 'model.safetensors', theirs(model))}")
    finally:
        shutil.rmtree(arguments.folder)


if __name__ == "__main__":
    main()
