"""What tasks are given: a feature of each patient, and of each image of a benchmark when it is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pathfm.benchmarks.benchmark import Benchmark
from pathfm.probes.bags import Bags


@dataclass(frozen=True)
class Features:
    """Frozen features of one encoder, from weights (`store.py`) or from a file of somebody else (`brought.py`)."""

    patients: list[str]
    matrix: np.ndarray  # float32 [patients, features]
    pooling: str  # how the tiles of a patient became one feature: "mean", or trained "attention" or "transformer"
    of_images: Callable[[Benchmark], np.ndarray] | None = None  # → float32 [images, features]; None: the encoder is not here
    bags: Bags | None = None  # the tiles of each patient, rows as the matrix's; None: they were not kept
