"""A prepared benchmark: where it lies, and its images through `as_data_source` of TFDS."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pathfm.benchmarks.benchmark import Benchmark, decoded
from pathfm.benchmarks.known import Known
from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet

INFO = "dataset_info.json"  # TFDS writes it
NOTES = "pathfm.json"
IMAGES = "images.parquet"
IMAGES_COLUMNS = ["unit", "label", "role", "patient", "slide", "split", "record", "sha256"]
VERSION = "1.0.0"


@dataclass(frozen=True)
class Place:
    """Where the benchmarks of a folder are prepared: `OUT/NAME/VERSION`, or `OUT/NAME/RELEASE/VERSION` as TFDS lays it out."""

    out: Path
    name: str
    release: str = ""

    @property
    def below(self) -> Path:
        return Path(self.name, self.release, VERSION)

    @property
    def final(self) -> Path:
        return self.out / self.below

    @property
    def partial(self) -> Path:
        """What is not finished; its name tells everybody else to look away."""
        return self.out / f".{self.name}{f'-{self.release}' if self.release else ''}.partial"


def prepared_folders(known: Known, folder: Path) -> list[Path]:
    """The prepared forms of a benchmark in a folder: that of `--out`, of the benchmark, of a release of it, or of a version."""
    below = [folder / above / release / VERSION for above in (known.name, "") for release in known.releases]
    places = [folder, folder / VERSION, *below]
    return list(dict.fromkeys(place for place in places if (place / INFO).is_file() and (place / NOTES).is_file()))


def open_prepared(known: Known, folder: Path) -> Benchmark:
    """The benchmark in a prepared folder; InputError when it is another one, or not what it was when it was prepared."""
    notes = read_json(folder / NOTES)
    if notes.get("name") != known.name:
        raise InputError(f"{folder} holds {notes.get('name')}, not {known.name}; give its own folder")
    table = read_parquet(folder / IMAGES, IMAGES_COLUMNS)
    read = _reader(folder, table["split"].tolist(), table["record"].tolist(), table["unit"].tolist())
    benchmark = Benchmark.of(known, table, table["sha256"], read, notes["release"], notes["lacking"])
    if benchmark.digest != notes["digest"]:
        raise InputError(f"{folder / IMAGES} is not the one that was prepared; remove the folder and prepare the benchmark again")
    return benchmark


class Records:
    """The encoded images of a prepared folder, by split and record; opened at the first read, from several threads at a time."""

    def __init__(self, folder: Path):
        self._folder = folder

    @cached_property
    def _builder(self):
        import tensorflow_datasets as tfds

        return tfds.builder_from_directory(self._folder)

    @cached_property
    def sources(self) -> dict:
        """Split → sequence of records with their texts, label and the bytes of the image."""
        import tensorflow_datasets as tfds

        skip = {"image": tfds.decode.SkipDecoding()}
        return {split: self._builder.as_data_source(split, decoders=skip) for split in self._builder.info.splits}


def _reader(folder: Path, splits: list[str], numbers: list[int], units: list[str]) -> Callable[[int], np.ndarray]:
    records = Records(folder)

    def read(number: int) -> np.ndarray:
        try:
            example = records.sources[splits[number]][numbers[number]]
        except (KeyError, IndexError, RuntimeError, ValueError) as error:
            raise InputError(f"{folder} is damaged ({error}); remove it and prepare the benchmark again") from error
        if example["unit"].decode() != units[number]:
            raise InputError(f"{folder} is not what was prepared; remove it and prepare the benchmark again")
        return decoded(example["image"], f"{units[number]} in {folder}")

    return read
