"""Where numbers go: metrics.jsonl for programs, TensorBoard events for eyes, one line for the terminal."""

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax

from pathfm.errors import InputError
from pathfm.folders.metrics import metric_lines
from pathfm.folders.run import RunFolder
from pathfm.progress import say

# Dense bfloat16 peaks in FLOP/s by `device_kind`, from the vendors' datasheets.
PEAK_FLOPS = {
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H200": 989e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
}


class MetricWriter:
    """Writes the metrics of a run; after a restore, lines of steps that will be run again are dropped first."""

    def __init__(self, run: RunFolder, start: int, active: bool):
        self._active = active
        if not active:
            return
        run.root.mkdir(parents=True, exist_ok=True)
        path = run.metrics_file
        kept = [line for line in metric_lines(path) if _stays(json.loads(line), start)] if start else []
        temporary = path.with_name(".metrics.jsonl.partial")
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        os.replace(temporary, path)
        self._file = path.open("a", encoding="utf-8")
        self._events = summary_writer(run.tensorboard, start + 1 if start else None)

    def __enter__(self) -> "MetricWriter":
        return self

    def __exit__(self, *_) -> None:
        if self._active:
            self._file.close()
            self._events.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        if not self._active:
            return
        numbers = {name: float(value) if math.isfinite(value) else None for name, value in values.items()}
        try:
            self._file.write(json.dumps({"step": step, **numbers}) + "\n")
            self._file.flush()
        except OSError as error:
            raise InputError(f"cannot write {self._file.name}: {error.strerror}; free some space and start the run again") from error
        for name, value in numbers.items():
            if value is not None:
                self._events.add_scalar(name, value, step)


def summary_writer(folder: Path, purge_step: int | None):
    """A writer of TensorBoard's events. tensorboardX would import torch where that is installed: seconds for nothing that is used here."""
    absent = "torch" not in sys.modules
    if absent:
        sys.modules["torch"] = None  # pyright: ignore[reportArgumentType]  # as the import system has it: not to be found
    try:
        from tensorboardX import SummaryWriter
    finally:
        if absent:
            del sys.modules["torch"]
    return SummaryWriter(str(folder), purge_step=purge_step)


def _stays(line: dict, start: int) -> bool:
    """Whether a line is kept when a run goes on from `start`, which begins with validating that step again."""
    return line["step"] < start or (line["step"] == start and "validation_loss" not in line)


def validation_losses(lines: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """The finite validation losses among the lines of metrics.jsonl, by step; of a step's several, the last."""
    return {line["step"]: line["validation_loss"] for line in lines if line.get("validation_loss") is not None}


class Clock:
    """Examples a second, the share of the time spent waiting for data, and model FLOP utilisation where the peak is known."""

    def __init__(self, batch: int, flops_per_step: float):
        self._batch, self._flops = batch, flops_per_step
        self._peak = PEAK_FLOPS.get(jax.devices()[0].device_kind)
        self._start, self._waited, self._steps = time.monotonic(), 0.0, 0

    def waiting(self, iterator):
        """The next item, its waiting time counted."""
        before = time.monotonic()
        item = next(iterator)
        self._waited += time.monotonic() - before
        self._steps += 1
        return item

    def lap(self) -> dict[str, float]:
        """The figures since the last lap."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        figures = {"examples_per_second": self._steps * self._batch / seconds, "data_wait_share": self._waited / seconds}
        if self._peak:
            figures["mfu"] = self._steps * self._flops / seconds / (self._peak * jax.device_count())
        self._start, self._waited, self._steps = time.monotonic(), 0.0, 0
        return figures


def show(step: int, steps: int, values: Mapping[str, float]) -> None:
    """One line for the terminal."""
    say(f"step {step}/{steps}  " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
