"""How fast the image tower runs and trains, beside timm + torch: same machine, same threads, same work, in one run.

Each figure comes from a process of its own, one after the other; sides alternate, and the better of the rounds counts. Training is
forward, backward and AdamW on the mean square of the features. On a CPU float32; on a GPU bfloat16, timm under torch.compile with its
fused attention. Work per image is the tower's own count of its matrix products, times three for training. pathfm trains as
`pathfm train` does: its own program (uint8 tiles, normalised in the step; clipped AdamW), with the parts that it chooses for a batch;
`--microbatch` sets their size.

    python tools/bench_vit.py                                        # S/16 and B/16, batch 16 and 64
    python tools/bench_vit.py --models s16 --batches 16 --seconds 5  # a quick look
    python tools/bench_vit.py --models s16 b16 l16 --batches 64 256  # on a GPU

Needs the extra `parity` for timm; without it only pathfm's side is shown. On a shared machine read the columns of CPU time.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ClassVar

from pathfm.settings.terms import TermSettings
from pathfm.settings.training import TrainConfig

MODELS = {"s16": (384, 12, 6), "b16": (768, 12, 12), "l16": (1024, 24, 16)}  # width, depth, heads
SIZE = 224
ROUNDS = 2
WARM_UP = 2
STUBS = []  # operators of torch live as long as their library


@dataclass(frozen=True)
class Case:
    side: str  # "pathfm" or "timm"
    model: str
    batch: int
    train: bool
    seconds: float
    threads: int
    remat: str
    microbatch: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["s16", "b16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--seconds", type=float, default=20.0, help="for each figure and round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--remat", choices=["none", "cheap", "blocks"], default=TrainConfig.remat, help="pathfm's")
    parser.add_argument("--microbatch", type=int, default=TrainConfig.microbatch, help="images in pathfm's tower at a time (0: it chooses)")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measured(Case(**json.loads(arguments.case)))))
        return 0
    sides = ["pathfm", "timm"] if importlib.util.find_spec("timm") and importlib.util.find_spec("torch") else ["pathfm"]
    print("| model | batch | work | side | images/s | CPU-ms an image | GFLOP/s | MFU | peak MiB | ratio of images/s | ratio of CPU time |")
    print("| --- |" + " ---: |" * 10)
    for model in arguments.models:
        for batch in arguments.batches:
            for train in (False, True):
                settings = arguments.seconds, arguments.threads, arguments.remat, arguments.microbatch
                cases = [Case(side, model, batch, train, *settings) for side in sides]
                rounds = [[in_process(case) for case in cases] for _ in range(ROUNDS)]
                best = [max(results, key=lambda one: one["images_per_second"]) for results in zip(*rounds, strict=True)]
                for case, result in zip(cases, best, strict=True):
                    print(row(case, result, best[-1] if len(best) > 1 else None), flush=True)
    return 0


def in_process(case: Case) -> dict:
    environment = os.environ | {"OMP_NUM_THREADS": str(case.threads), "OPENBLAS_NUM_THREADS": str(case.threads)}
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"{case} failed:\n{process.stderr}")
    return json.loads(process.stdout.splitlines()[-1])


def row(case: Case, result: dict, peer: dict | None) -> str:
    def ratio(name: str, upside_down: bool) -> str:
        if peer is None or case.side != "pathfm":
            return ""
        return f"{peer[name] / result[name] if upside_down else result[name] / peer[name]:.2f}"

    mfu = "–" if result["mfu"] is None else f"{result['mfu']:.1%}"
    cells = [
        case.model,
        str(case.batch),
        "train" if case.train else "forward",
        case.side,
        f"{result['images_per_second']:.1f}",
        f"{1000 * result['cpu_seconds_per_image']:.1f}",
        f"{result['gflops']:,.0f}",
        mfu,
        f"{result['peak_mib']:,.0f}",
        ratio("images_per_second", False),
        ratio("cpu_seconds_per_image", True),
    ]
    return "| " + " | ".join(cells) + " |"


def measured(case: Case) -> dict:
    """Images and CPU seconds of as many steps as fit into the time, after two that compile and warm up."""
    from pathfm.models.vit import ViTSpec
    from pathfm.training.metrics import PEAK_FLOPS

    width, depth, heads = MODELS[case.model]
    spec = ViTSpec(width=width, depth=depth, heads=heads, mlp_width=4 * width, image_size=SIZE)
    step, peak_mib, device = (pathfm_step if case.side == "pathfm" else timm_step)(spec, case)
    for _ in range(WARM_UP):
        step()
    steps, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < case.seconds:
        step()
        steps += 1
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    images = steps * case.batch
    flops = spec.flops() * (3 if case.train else 1) * images / elapsed
    peak = PEAK_FLOPS.get(device)
    return {
        "images_per_second": images / elapsed,
        "cpu_seconds_per_image": cpu / images,
        "gflops": flops / 1e9,
        "mfu": flops / peak if peak else None,
        "peak_mib": peak_mib(),
    }


def pathfm_step(spec, case: Case) -> tuple[Callable[[], None], Callable[[], float], str]:
    import jax
    import numpy as np

    from pathfm.models.precision import compute_type
    from pathfm.models.vit import ViT
    from pathfm.settings.training import AugmentConfig
    from pathfm.training.durations import Durations
    from pathfm.training.mesh import batch_sharding, make_mesh, on_devices
    from pathfm.training.program import Facts, Tower, make_program

    device = jax.devices()[0]
    config = TrainConfig(
        cohort="",
        objective=Squares(),
        batch=case.batch,
        remat=case.remat,
        microbatch=case.microbatch,
        augment=AugmentConfig(flip=False, turn=False, stain=0.0, brightness=0.0),
    )
    mesh = make_mesh(config.mesh, [device])
    tower = Tower(spec, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    program = make_program(config, tower, Facts(SIZE, {}, case.batch), Durations(10_000, 1, 1, 1), mesh)
    rng = np.random.default_rng(1)
    batch = on_devices(
        batch_sharding(mesh),
        {
            "tiles": rng.integers(0, 256, (case.batch, 1, SIZE, SIZE, 3)).astype(np.uint8),
            "tile_mask": np.ones((case.batch, 1), bool),
            "patient": np.arange(case.batch, dtype=np.int32),
            "site": np.zeros(case.batch, np.int32),
            "vectors": {},
            "present": {},
        },
    )
    state = program.start(0, base=None)
    if not case.train:
        images = jax.device_put(rng.normal(size=(case.batch, SIZE, SIZE, 3)).astype(np.float32), device)
        forward = jax.jit(ViT(spec, compute_type("auto", device.platform)).apply)

    def step() -> None:
        nonlocal state
        if case.train:
            state = jax.block_until_ready(program.train_step(state, batch, None)[0])
        else:
            jax.block_until_ready(forward({"params": state.params["image"]}, images))

    def peak_mib() -> float:
        statistics = device.memory_stats() or {}
        return statistics["peak_bytes_in_use"] / 2**20 if "peak_bytes_in_use" in statistics else resident_mib()

    return step, peak_mib, device.device_kind


@dataclass(frozen=True)
class SquaredFeatures:
    """The term that is timed: the mean square of the features."""

    settings: TermSettings
    widths: object
    views: int = 1
    reads: str = "bag"
    modality: None = None
    additive: bool = True
    needs_bank: bool = False

    def init(self, rng):
        return {}

    def counted(self, batch):
        return batch["patient"] >= 0

    def loss(self, params, features, batch, bank, rng, *, train):
        return (features["bag"] ** 2).mean(axis=-1), {}

    def flops(self, batch, tiles):
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Squares(TermSettings):
    made_by: ClassVar[type] = SquaredFeatures

    name: str = "squares"


def timm_step(spec, case: Case) -> tuple[Callable[[], None], Callable[[], float], str]:
    import torch

    try:
        importlib.import_module("torchvision")  # timm's
    except RuntimeError:  # its CUDA build asks for operators that a CPU torch lacks
        STUBS.append(torch.library.Library("torchvision", "FRAGMENT"))
        for name in ("nms", "qnms"):
            STUBS[0].define(f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
    from timm.models.vision_transformer import VisionTransformer

    from pathfm.zoo.timm import timm_arguments

    torch.set_num_threads(case.threads)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    model = VisionTransformer(**timm_arguments(spec) | {"dynamic_img_size": False}).to(device).train(case.train)
    images = torch.randn(case.batch, 3, SIZE, SIZE, device=device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    run = torch.compile(model) if on_gpu else model

    def features():
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            return run(images)

    def step() -> None:
        if case.train:
            optimizer.zero_grad(set_to_none=True)
            features().float().pow(2).mean().backward()
            optimizer.step()
        else:
            with torch.inference_mode():
                features()
        if on_gpu:
            torch.cuda.synchronize()

    def peak_mib() -> float:
        return torch.cuda.max_memory_allocated() / 2**20 if on_gpu else resident_mib()

    return step, peak_mib, torch.cuda.get_device_name() if on_gpu else "cpu"


def resident_mib() -> float:
    """The largest resident memory of this process so far, with the interpreter and all libraries."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    sys.exit(main())
