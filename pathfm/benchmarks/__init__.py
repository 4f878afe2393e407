"""Public benchmarks, each a file, read from the folders that their publishers ship and prepared by TFDS builders (`preparing.py`)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from pathfm.benchmarks import bach, crc_9, crc_msi, mhist, pcam, tcga_uniform
from pathfm.benchmarks.benchmark import Benchmark
from pathfm.benchmarks.known import Known
from pathfm.benchmarks.mhist import read_mhist
from pathfm.benchmarks.prepared import open_prepared, prepared_folders
from pathfm.errors import InputError

BENCHMARKS: dict[str, Known] = {one.KNOWN.name: one.KNOWN for one in (bach, pcam, mhist, crc_msi, crc_9, tcga_uniform)}
AS_DOWNLOADED = {"mhist": read_mhist}  # small enough to be read where it lies


def read_benchmark(name: str, folder: str) -> Benchmark:
    """A benchmark by name, from what `pathfm benchmarks prepare` left; MHIST from its download as well. Raises InputError."""
    known, path = BENCHMARKS[name], Path(folder)
    there = prepared_folders(known, path)
    if len(there) > 1:
        raise InputError(f"{folder} holds {known.title} in {len(there)} forms; give one: {', '.join(map(str, there))}")
    if there:
        return open_prepared(known, there[0])
    if name in AS_DOWNLOADED:
        return AS_DOWNLOADED[name](folder)
    raise InputError(
        f"{folder} holds no prepared {known.title}; prepare the download once with `pathfm benchmarks prepare {name} FOLDER --out DIR` "
        f"and give --config.benchmarks.{name}=DIR"
    )


READERS: dict[str, Callable[[str], Benchmark]] = {name: partial(read_benchmark, name) for name in BENCHMARKS}
