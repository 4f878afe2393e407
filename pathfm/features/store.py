"""Features of slides and of benchmark images: computed once, kept by the hashes of weights, data and preprocessing."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grain
import numpy as np
import pandas as pd

from pathfm.benchmarks.benchmark import Benchmark, cropped
from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.features.embed import embedded
from pathfm.features.encoder import Encoder
from pathfm.features.features import Features
from pathfm.features.floors import ColourStatistics
from pathfm.features.tile_sample import Tile, TileSample, keep, kept, thumbnail
from pathfm.files import digest, replacing
from pathfm.machine import cores
from pathfm.probes.bags import Bags, evenly, spread
from pathfm.progress import say, track
from pathfm.slides.records import TileRecords, decode_tile

PREPROCESSING = 1  # goes up when the way from a file to the tower's input changes


@dataclass(frozen=True)
class FeatureStore:
    """Frozen features of one encoder; `cache` is the folder that keeps them.

    Of a slide its mean is kept, or for an encoder with trained pooling the features of its tiles, of which any pooling can be derived:
    they take as many times the room as a slide has tiles.
    """

    encoder: Encoder | ColourStatistics
    cache: Path
    batch: int  # tiles
    tiles_per_slide: int = 0  # at most so many, spread evenly over the slide; 0: all
    tiles_per_bag: int = 0  # features of at most so many tiles of a patient are handed on beside its one feature; 0: of none
    sample: Mapping[str, Sequence[int]] = field(default_factory=dict)  # slide → numbers of the tiles that `sampled` gives

    def features(self, folder: CohortFolder, slides: pd.DataFrame) -> Features:
        """Of the patients of these slides now, of benchmarks when asked."""
        if not self.tiles_per_bag:
            return Features(*self.patients(folder, slides), self.encoder.pooling, self.images)
        tiles = self.tiles(folder, slides)
        bags = Bags.of([evenly(_joined(paths), self.tiles_per_bag) for paths in tiles.values()])
        return Features(*self._of_tiles(tiles), self.encoder.pooling, self.images, bags)

    def patients(self, folder: CohortFolder, slides: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Patients, sorted, and their features float32 [patients, features].

        The mean over a slide's tiles, then over the patient's slides; or what trained pooling makes of all the patient's tiles.
        `slides` are rows of slides.parquet. A slide without a readable tile is named and left out.
        """
        if self.encoder.pooling == "mean":
            rows, means = self._of_slides(folder, slides, _mean, [self.tiles_per_slide])
            of_slides = np.stack(list(map(_load, means)))
            table = pd.DataFrame(of_slides).groupby(np.asarray([row.patient for row in rows])).mean()
            return list(table.index), table.to_numpy(np.float32)
        return self._of_tiles(self.tiles(folder, slides))

    def tiles(self, folder: CohortFolder, slides: pd.DataFrame) -> dict[str, list[Path]]:
        """Patient, sorted, to the files with the features float32 [tiles, features] of the tiles of its slides, in the order of records."""
        rows, paths = self._of_slides(folder, slides, np.stack, [self.tiles_per_slide, "tiles"])
        found: dict[str, list[Path]] = {}
        for row, path in sorted(zip(rows, paths, strict=True), key=lambda one: one[0].patient):
            found.setdefault(row.patient, []).append(path)
        return found

    def _of_tiles(self, tiles: dict[str, list[Path]]) -> tuple[list[str], np.ndarray]:
        """Patients and their features as `patients` gives them, from the files of their slides' tiles."""
        if self.encoder.pooling == "mean":
            pooled = [_mean([_mean(_load(path)) for path in paths]) for paths in tiles.values()]
        else:
            pooled = [self.encoder.pooled(_joined(paths)) for paths in tiles.values()]
        return list(tiles), np.stack(pooled)

    def sampled(self, folder: CohortFolder, slides: pd.DataFrame) -> TileSample | None:
        """The tiles of `sample` that decode; None without any.

        They were kept in passing where `features` had to compute their slide; of slides that the cache had already they alone are computed.
        """
        rows = [row for row in slides.itertuples() if row.slide in self.sample]
        missing = {row.slide: row for row in rows if not self._sampled_path(row).exists()}
        for slide, tiles in self._slides(folder, list(missing.values()), self.sample):
            keep(self._sampled_path(missing[slide]), tiles)
        found = [(row, path) for row in rows if (path := self._sampled_path(row)).exists()]
        return TileSample.of([kept(path, row.patient, row.slide) for row, path in found]) if found else None

    def _sampled_path(self, row) -> Path:
        numbers = list(map(int, self.sample[row.slide]))
        return self.cache / self._key(["sampled tiles"]) / f"{digest([row.slide, row.records_sha256, numbers])[:32]}.npz"

    def images(self, benchmark: Benchmark) -> np.ndarray:
        """The features [images, features] of a benchmark's images, resized and cropped to the tower's tile; an image is a bag of one."""
        edge = self.encoder.tile
        path = self.cache / self._key([benchmark.task, benchmark.digest, edge]) / f"{benchmark.task}.npy"
        if path.exists():
            return _load(path)
        numbers = range(len(benchmark.units))
        images = grain.MapDataset.source(numbers).map(lambda number: cropped(benchmark.read(number), edge))
        stream = images.to_iter_dataset(grain.ReadOptions(num_threads=cores(), prefetch_buffer_size=self.batch))
        shown = track(zip(numbers, stream, strict=True), f"features of {benchmark.task}", len(numbers), "images")
        features = np.stack([feature for _, feature in self._embedded(shown)])
        _keep(path, features)
        return features

    def _of_slides(
        self, folder: CohortFolder, slides: pd.DataFrame, reduce: Callable[[list[np.ndarray]], np.ndarray], key: list
    ) -> tuple[list, list[Path]]:
        """The slides that have a readable tile, in order, and the files that keep what `reduce` makes of their tiles' features."""
        rows = list(slides.sort_values("slide").itertuples())
        home = self.cache / self._key(key)
        paths = {row.slide: home / f"{digest([row.slide, row.records_sha256])[:32]}.npy" for row in rows}
        missing = [row for row in rows if not paths[row.slide].exists()]
        of_slide = {row.slide: row for row in missing}
        for slide, tiles in track(self._slides(folder, missing), "features", len(missing), "slides"):
            _keep(paths[slide], reduce([feature for _, feature in tiles]))
            if slide in self.sample:
                keep(self._sampled_path(of_slide[slide]), tiles)
        for row in missing:
            if not paths[row.slide].exists():
                say(f"warning: no tile of slide {row.slide} can be read; it is left out")
        there = [row for row in rows if paths[row.slide].exists()]
        if not there:
            raise InputError(f"no slide of {folder.slides} has a readable tile")
        return there, [paths[row.slide] for row in there]

    def _key(self, parts: list) -> str:
        return digest([PREPROCESSING, *self.encoder.identity, *parts])[:32]

    def _embedded(self, images: Iterable[tuple]) -> Iterator[tuple]:
        return embedded(self.encoder.tiles, images, self.batch)

    def _slides(
        self, folder: CohortFolder, rows: Sequence, only: Mapping[str, Sequence[int]] | None = None
    ) -> Iterator[tuple[str, list[tuple[Tile, np.ndarray]]]]:
        """(slide, its tiles with their features) of every slide that has a readable tile, in order; of `only` these tiles, else all."""
        tiles = (tile for row in rows for tile in self._images(folder, row, self._numbers(row) if only is None else only[row.slide]))
        for slide, found in itertools.groupby(self._embedded(tiles), key=lambda one: one[0].slide):
            yield slide, list(found)

    def _numbers(self, row) -> np.ndarray:
        """The records of a slide that count: all, or as many as wanted, spread evenly."""
        count = int(row.tiles)
        return spread(count, self.tiles_per_slide or count)

    def _images(self, folder: CohortFolder, row, numbers: Sequence[int] | np.ndarray) -> Iterator[tuple[Tile, np.ndarray]]:
        """These tiles of a slide, uint8 [tile, tile, 3], as far as they decode; those of the sample with their thumbnail."""
        sampled = set(self.sample.get(row.slide, ()))
        records = TileRecords(folder.records(row.slide))
        for first in range(0, len(numbers), self.batch):
            some = numbers[first : first + self.batch]
            for number, data in zip(some, records.read(some), strict=True):
                try:
                    image = decode_tile(data, int(row.tile))
                except ValueError:
                    say(f"warning: slide {row.slide}, record {number} does not decode; it is left out")
                    continue
                yield Tile(row.slide, int(number), thumbnail(image) if number in sampled else None), image


def _mean(features: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    return np.mean(features, axis=0, dtype=np.float64).astype(np.float32)


def _load(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _joined(paths: list[Path]) -> np.ndarray:
    return np.concatenate(list(map(_load, paths)))


def _keep(path: Path, values: np.ndarray) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, values, allow_pickle=False)
