"""How fast the image tower runs and trains, beside timm + torch: same machine, same threads, same work, in one run.

Each figure comes from a process of its own, one after the other; sides alternate, and the better of the rounds counts. Training is
forward, backward and AdamW on the mean square of the features. On a CPU float32; on a GPU bfloat16, timm under torch.compile with its
fused attention. Work per image is the tower's own count of its matrix products, times three for training. pathfm trains as
`pathfm train` does for an objective of that kind, with the parts that it chooses for a batch; `--microbatch` sets their size.

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
    import jax.numpy as jnp
    import optax

    from pathfm.models.vit import ViT
    from pathfm.training.microbatch import part_size, value_and_gradients
    from pathfm.training.step import compiler_options

    device = jax.devices()[0]
    tower = ViT(spec, jnp.float32 if device.platform == "cpu" else jnp.bfloat16, case.remat)
    images = jax.random.normal(jax.random.key(1), (case.batch, SIZE, SIZE, 3), jnp.float32)
    batch = {"images": images, "patient": jnp.arange(case.batch)}
    params = jax.jit(tower.init)(jax.random.key(0), images[:1])["params"]
    optimizer = optax.adamw(1e-4)
    part = part_size(case.microbatch, case.batch, spec.tokens(), SquaredFeatures.additive, device.platform, 1)

    def encode(params, batch):
        return tower.apply({"params": params}, batch["images"])

    @jax.jit
    def forward(params, images):
        return tower.apply({"params": params}, images)

    def update(state, batch):
        params, optimizer_state = state
        _, gradients = value_and_gradients(SquaredFeatures, encode, params, batch, jax.random.key(2), part)
        updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
        return optax.apply_updates(params, updates), optimizer_state

    train = jax.jit(update, donate_argnums=0, compiler_options=compiler_options(device.platform, case.remat))
    state = (params, optimizer.init(params))

    def step() -> None:
        nonlocal state
        if case.train:
            state = jax.block_until_ready(train(state, batch))
        else:
            jax.block_until_ready(forward(params, images))

    def peak_mib() -> float:
        statistics = device.memory_stats() or {}
        return statistics["peak_bytes_in_use"] / 2**20 if "peak_bytes_in_use" in statistics else resident_mib()

    return step, peak_mib, device.device_kind


class SquaredFeatures:
    """The objective that is timed: the mean square of the features."""

    additive = True

    @staticmethod
    def loss(params, encoded, batch, rng, *, train):
        del params, batch, rng, train
        return (encoded**2).mean(), {}


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
