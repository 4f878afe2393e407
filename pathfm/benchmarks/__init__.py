"""Public benchmarks, each a file, read from the folders that their publishers ship; `READERS` finds them by the name of their task."""

from collections.abc import Callable

from pathfm.benchmarks.benchmark import Benchmark
from pathfm.benchmarks.mhist import read_mhist

READERS: dict[str, Callable[[str], Benchmark]] = {
    "mhist": read_mhist,
}
