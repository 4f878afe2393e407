"""Features of slides and of benchmark images: computed once, kept by the hashes of weights, data and preprocessing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.evaluation.embed import embedded, feature_function
from pathfm.files import digest, replacing
from pathfm.input.benchmarks import Benchmark, fitted
from pathfm.progress import say, track
from pathfm.slides.records import TileRecords, decode_tile
from pathfm.weights.folder import Weights

PREPROCESSING = 1  # goes up when the way from a file to the tower's input changes


@dataclass
class Extractor:
    """Frozen features of one tower, on all devices of this process; `cache` is the folder that keeps them."""

    weights: Weights
    cache: Path
    batch: int
    tiles_per_slide: int = 0  # at most so many, spread evenly over the slide; 0: all
    _features: Callable = field(init=False)

    def __post_init__(self):
        normalisation = self.weights.card["normalisation"]
        mean, std = tuple(normalisation["mean"]), tuple(normalisation["std"])
        self._features = feature_function(self.weights.spec, self.weights.params["image"], mean, std)

    def patients(self, folder: CohortFolder, slides: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Patients, sorted, and their features [patients, features]: the mean over a slide's tiles, then over the patient's slides.

        `slides` are rows of slides.parquet. A slide without a readable tile is named and left out.
        """
        key = self._key([self.tiles_per_slide])
        features, owners = [], []
        for row in track(list(slides.sort_values("slide").itertuples()), "features", unit="slides"):
            path = self.cache / key / f"{digest([row.slide, row.records_sha256])[:32]}.npy"
            vector = self._kept(path, lambda row=row: self._slide(folder, row))
            if vector is not None:
                features.append(vector)
                owners.append(row.patient)
        if not owners:
            raise InputError(f"no slide of {folder.slides} has a readable tile")
        table = pd.DataFrame(np.stack(features)).groupby(np.asarray(owners)).mean()
        return list(table.index), table.to_numpy(np.float32)

    def benchmark(self, benchmark: Benchmark) -> np.ndarray:
        """The features [images, features] of a benchmark's images, resized and cropped to the tower's tile."""
        edge = self.weights.card["tile"]
        path = self.cache / self._key([benchmark.task, benchmark.digest, edge]) / f"{benchmark.task}.npy"
        numbers = track(range(len(benchmark.units)), f"features of {benchmark.task}", unit="images")
        return self._kept(path, lambda: np.stack(list(self._embedded(fitted(benchmark.read(number), edge) for number in numbers))))

    def _key(self, parts: list) -> str:
        card = self.weights.card
        platform = jax.devices()[0].platform
        return digest([PREPROCESSING, card["weight_hash"], card["architecture"], card["normalisation"], platform, *parts])[:32]

    def _embedded(self, images) -> Iterator[np.ndarray]:
        return embedded(self._features, images, self.batch)

    def _kept(self, path: Path, compute: Callable[[], np.ndarray | None]) -> np.ndarray | None:
        """What `path` holds, or what `compute` returns, then kept there."""
        if path.exists():
            return np.load(path, allow_pickle=False)
        values = compute()
        if values is not None:
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.save(file, values, allow_pickle=False)
        return values

    def _slide(self, folder: CohortFolder, row) -> np.ndarray | None:
        """The mean feature [features] of a slide's tiles; None, with a line, when none can be read."""
        count = int(row.tiles)
        wanted = min(count, self.tiles_per_slide or count)
        numbers = np.unique(np.linspace(0, count - 1, wanted).round().astype(int))
        features = list(self._embedded(self._tiles(folder, row, numbers)))
        if not features:
            say(f"warning: no tile of slide {row.slide} can be read; it is left out")
            return None
        return np.mean(features, axis=0, dtype=np.float64).astype(np.float32)

    def _tiles(self, folder: CohortFolder, row, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        records = TileRecords(folder.records(row.slide))
        for first in range(0, len(numbers), self.batch):
            some = numbers[first : first + self.batch]
            for number, data in zip(some, records.read(some), strict=True):
                try:
                    yield decode_tile(data, int(row.tile))
                except ValueError:
                    say(f"warning: slide {row.slide}, record {number} does not decode; it is left out")
