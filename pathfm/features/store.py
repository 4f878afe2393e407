"""Features of slides and of benchmark images: computed once, kept by the hashes of weights, data and preprocessing."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from pathfm.benchmarks.benchmark import Benchmark, cropped
from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.features.embed import embedded, feature_function
from pathfm.files import digest, replacing
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
        rows = list(slides.sort_values("slide").itertuples())
        paths = {
            row.slide: self.cache / self._key([self.tiles_per_slide]) / f"{digest([row.slide, row.records_sha256])[:32]}.npy"
            for row in rows
        }
        vectors = {slide: np.load(path, allow_pickle=False) for slide, path in paths.items() if path.exists()}
        missing = [row for row in rows if row.slide not in vectors]
        for slide, vector in track(self._slides(folder, missing), "features", len(missing), "slides"):
            vectors[slide] = vector
            _keep(paths[slide], vector)
        for row in missing:
            if row.slide not in vectors:
                say(f"warning: no tile of slide {row.slide} can be read; it is left out")
        if not vectors:
            raise InputError(f"no slide of {folder.slides} has a readable tile")
        there = [row for row in rows if row.slide in vectors]
        table = pd.DataFrame(np.stack([vectors[row.slide] for row in there])).groupby(np.asarray([row.patient for row in there])).mean()
        return list(table.index), table.to_numpy(np.float32)

    def benchmark(self, benchmark: Benchmark) -> np.ndarray:
        """The features [images, features] of a benchmark's images, resized and cropped to the tower's tile."""
        edge = self.weights.card["tile"]
        path = self.cache / self._key([benchmark.task, benchmark.digest, edge]) / f"{benchmark.task}.npy"
        if path.exists():
            return np.load(path, allow_pickle=False)
        numbers = track(range(len(benchmark.units)), f"features of {benchmark.task}", unit="images")
        features = np.stack(
            [feature for _, feature in self._embedded((number, cropped(benchmark.read(number), edge)) for number in numbers)]
        )
        _keep(path, features)
        return features

    def _key(self, parts: list) -> str:
        card = self.weights.card
        platform = jax.devices()[0].platform
        return digest([PREPROCESSING, card["weight_hash"], card["architecture"], card["normalisation"], platform, *parts])[:32]

    def _embedded(self, images: Iterable[tuple]) -> Iterator[tuple]:
        return embedded(self._features, images, self.batch)

    def _slides(self, folder: CohortFolder, rows: Sequence) -> Iterator[tuple[str, np.ndarray]]:
        """(slide, mean feature [features] of its tiles) of every slide that has a readable tile, in order."""
        tiles = ((row.slide, image) for row in rows for image in self._tiles(folder, row))
        for slide, features in itertools.groupby(self._embedded(tiles), key=lambda one: one[0]):
            yield slide, np.mean([feature for _, feature in features], axis=0, dtype=np.float64).astype(np.float32)

    def _tiles(self, folder: CohortFolder, row) -> Iterator[np.ndarray]:
        """The tiles uint8 [tile, tile, 3] of a slide that decode; of many, as many as wanted, spread evenly."""
        count = int(row.tiles)
        numbers = np.unique(np.linspace(0, count - 1, min(count, self.tiles_per_slide or count)).round().astype(int))
        records = TileRecords(folder.records(row.slide))
        for first in range(0, len(numbers), self.batch):
            some = numbers[first : first + self.batch]
            for number, data in zip(some, records.read(some), strict=True):
                try:
                    yield decode_tile(data, int(row.tile))
                except ValueError:
                    say(f"warning: slide {row.slide}, record {number} does not decode; it is left out")


def _keep(path: Path, values: np.ndarray) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, values, allow_pickle=False)
