"""Tile records → bags: for each slot of each step one patient, its tiles and its vectors. No jax here."""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grain
import numpy as np
import pandas as pd
from absl import flags

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.input.schedule import Order
from pathfm.modalities.modality import Vectors
from pathfm.progress import say
from pathfm.slides.records import TileRecords, decode_tile

OPEN_FILES = 256
NAMED = 64  # records of one bag that are named when they do not decode; the rest is met again in another step


@dataclass(frozen=True)
class TileIndex:
    """Where the tiles of each patient lie: patient i owns the records [start[i], start[i + 1]) of the slides in order."""

    folder: CohortFolder
    patients: tuple[str, ...]
    slides: tuple[str, ...]
    slide_of: np.ndarray  # int32 [tiles]
    record_of: np.ndarray  # int32 [tiles]
    start: np.ndarray  # int64 [patients + 1]
    tile: int  # edge of the record images in pixels

    def count(self, patient: int) -> int:
        return int(self.start[patient + 1] - self.start[patient])

    def name(self, position: int) -> str:
        """A tile's place for a message, for example `slide TCGA-…-DX1, record 17`."""
        return f"slide {self.slides[self.slide_of[position]]}, record {self.record_of[position]}"


def index_tiles(folder: CohortFolder, slides: pd.DataFrame, patients: Sequence[str]) -> TileIndex:
    """The index of `patients` over the rows of `slides.parquet` given; InputError when a patient has no tile or sizes differ."""
    done = slides[(slides["status"] == "done") & slides["patient"].isin(set(patients))].sort_values("slide")
    if done.empty:
        raise InputError(f"{folder.slides} has no tiled slide of the patients of the split")
    sizes = sorted(done["tile"].unique())
    if len(sizes) > 1:
        raise InputError(f"{folder.slides} holds tiles of {sizes[0]} and of {sizes[1]} px; tile all slides with one --tile")
    names = tuple(done["slide"])
    by_patient = done.assign(number=np.arange(len(done))).groupby("patient")
    slide_of, record_of, start = [], [], [0]
    for patient in patients:
        if patient not in by_patient.groups:
            raise InputError(f"patient {patient} of the split has no tiled slide in {folder.slides}; run `pathfm cohort` again")
        rows = by_patient.get_group(patient)
        counts = rows["tiles"].to_numpy()
        slide_of.append(np.repeat(rows["number"].to_numpy(), counts))
        record_of.append(np.concatenate([np.arange(count) for count in counts]))
        start.append(start[-1] + int(counts.sum()))
    return TileIndex(
        folder=folder,
        patients=tuple(patients),
        slides=names,
        slide_of=np.concatenate(slide_of).astype(np.int32),
        record_of=np.concatenate(record_of).astype(np.int32),
        start=np.asarray(start, np.int64),
        tile=int(sizes[0]),
    )


class OpenRecords:
    """The record files of an index: opened when first read, again in every process that reads, and the least used closed."""

    def __init__(self, index: TileIndex):
        self._index = index
        self._open = _opened()

    def __getstate__(self):
        return {"_index": self._index}

    def __setstate__(self, state):
        self.__init__(state["_index"])

    def image(self, position: int) -> np.ndarray:
        """The tile at a position of the index, uint8 [tile, tile, 3]; ValueError when the record does not decode."""
        slide = self._index.slides[self._index.slide_of[position]]
        records = self._open(self._index.folder.records(slide))
        return decode_tile(records[int(self._index.record_of[position])], self._index.tile)


def _opened():
    return functools.lru_cache(maxsize=OPEN_FILES)(TileRecords)


class Bags:
    """Example `step * local_batch + slot` of one host, for Grain: the bag of one patient, with its vectors and codes (site, cancer).

    A slot that the order leaves empty is padding: the last patient's bag under the number -1.
    """

    def __init__(
        self,
        index: TileIndex,
        vectors: Mapping[str, Vectors],
        codes: Mapping[str, np.ndarray],
        order: Order,
        tiles: int,
        steps: int,
        slots: range,
    ):
        self._index, self._vectors, self._codes, self._order = index, vectors, codes, order
        self._tiles, self._steps, self._slots = tiles, steps, slots
        self._records = OpenRecords(index)

    def __len__(self) -> int:
        return self._steps * len(self._slots)

    def __getitem__(self, number: int) -> dict[str, Any]:
        step, slot = divmod(int(number), len(self._slots))
        wanted = self._order.patient(step, self._slots[slot])
        patient = wanted if wanted is not None else len(self._index.patients) - 1
        tiles = self._order.tiles(step, patient, self._index.count(patient))
        bag = read_bag(self._index, self._records, patient, tiles, self._tiles)
        if wanted is None:
            bag["patient"] = np.int32(-1)
        bag |= {name: code[patient] for name, code in self._codes.items()}
        bag["vectors"] = {name: vectors.values[patient] for name, vectors in self._vectors.items()}
        bag["present"] = {name: vectors.present[patient] for name, vectors in self._vectors.items()}
        return bag


def read_bag(index: TileIndex, records: OpenRecords, patient: int, order: np.ndarray, tiles: int) -> dict[str, np.ndarray]:
    """The first `tiles` tiles of a patient, in the given order, that decode.

    A record that does not decode is replaced by the next in that order; a patient without any that does is padding (-1). Returns tiles
    uint8 [tiles, tile, tile, 3], tile_mask bool [tiles], patient int32 and bad int64 [NAMED], the positions of the first records that
    did not decode, filled up with -1.
    """
    images = np.zeros((tiles, index.tile, index.tile, 3), np.uint8)
    mask = np.zeros(tiles, bool)
    failed: list[int] = []
    filled = 0
    for position in index.start[patient] + order:
        if filled == tiles:
            break
        try:
            images[filled] = records.image(position)
        except ValueError:
            failed.append(int(position))
        else:
            mask[filled] = True
            filled += 1
    bad = np.full(NAMED, -1, np.int64)
    bad[: len(failed)] = failed[:NAMED]
    return {"tiles": images, "tile_mask": mask, "patient": np.int32(patient if filled else -1), "bad": bad}


def batches(bags: Bags, local_batch: int, start: int, threads: int, workers: int) -> Iterator[dict[str, Any]]:
    """The batches of this host from step `start` on; the stream does not depend on `threads` and `workers`."""
    dataset = grain.MapDataset.source(bags)[start * local_batch :]
    stream = dataset.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(2 * local_batch, threads)))
    if workers:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")  # for the workers: none of them may claim an accelerator
        flags.FLAGS.mark_as_parsed()  # Grain's workers ask absl for flags, which nobody else here parses
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(stream.batch(local_batch, drop_remainder=True))


def name_bad_records(bad: np.ndarray, index: TileIndex, known: set[int], most: float) -> set[int]:
    """The positions in `bad` [batch, NAMED] that are new, each named once; InputError above the share `most` of all records."""
    new = set(bad[bad >= 0].tolist()) - known
    for position in sorted(new):
        say(f"warning: {index.name(position)} does not decode; another tile of the same patient takes its place")
    total = int(index.start[-1])
    if new and len(known | new) > most * total:
        first = index.name(min(known | new))
        raise InputError(
            f"{len(known | new)} of {total} tile records do not decode (the first: {first}), more than --config.max_bad={most:g} allows; "
            f"tile these slides again with `pathfm tile`"
        )
    return new
