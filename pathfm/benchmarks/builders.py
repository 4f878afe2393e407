"""The benchmarks as TFDS builders, prepared from a user's download and never from the network.

TensorFlow is not needed: images are given to TFDS as encoded bytes, the files are ArrayRecord, and they are read by `as_data_source`.
Imported only where a benchmark is prepared or read: TFDS takes a second to import.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

import grain
import pandas as pd
import tensorflow_datasets as tfds

from pathfm.benchmarks.known import Found, Known
from pathfm.benchmarks.prepared import VERSION
from pathfm.machine import cores
from pathfm.progress import track

SPLITS = {"train": "train", "val": "validation", "test": "test"}  # role → split of TFDS
TEXTS = ("unit", "patient", "slide")
AHEAD = 4  # images for each thread
SHARD = 256_000_000  # bytes: TFDS holds a shard in memory


class PathologyBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """Writes what was found in a download, in its order: image, label, and as text unit, patient and slide (empty: not published).

    Shards are written one by one: a `GeneratorBasedBuilder` sorts a split of more than a gigabyte in files that it opens by TensorFlow.
    """

    VERSION: ClassVar = tfds.core.Version(VERSION)
    # TFDS would look beside our code for checksums of downloads, by importlib_resources, which it does not bring along.
    code_path: ClassVar = None

    def __init__(self, known: Known, found: Found, data_dir: str):
        self._known, self._found = known, found
        super().__init__(data_dir=data_dir, config=found.release or None)

    def _info(self) -> tfds.core.DatasetInfo:
        features: dict[str, Any] = {name: tfds.features.Text() for name in TEXTS}
        features |= {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=self._known.classes),
        }
        known = self._known
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{known.title} ({known.paper})",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage=known.source.split(" ")[0],
            license=known.licence,
        )

    def _shard_iterators_per_split(self, dl_manager) -> dict[str, list[Callable[[], Iterator]]]:
        found = self._found
        images = max(1, SHARD * len(found.table) // max(found.size, 1))
        shards = {}
        for role, split in SPLITS.items():
            rows = found.table[found.table["role"] == role]
            steps = iter(track(range(len(rows)), f"{self.name}: writing {split}", unit="images"))
            parts = [rows[first : first + images] for first in range(0, len(rows), images)]
            if parts:
                shards[split] = [partial(self._examples, part, steps, part is parts[-1]) for part in parts]
        return shards

    def _examples(self, rows: pd.DataFrame, steps: Iterator[int], last: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        images = grain.MapDataset.source(rows.index.tolist()).map(self._found.encoded)
        stream = images.to_iter_dataset(grain.ReadOptions(num_threads=cores(), prefetch_buffer_size=AHEAD * cores()))
        for row, image in zip(rows.itertuples(), stream, strict=True):
            next(steps)
            yield row.unit, {"image": image, "label": row.label, **{name: getattr(row, name) for name in TEXTS}}
        if last:
            next(steps, None)  # the last line of progress


def builder(known: Known, found: Found, data_dir: str) -> PathologyBuilder:
    """The builder of a benchmark, under its own name, with a config for each release."""
    configs = [tfds.core.BuilderConfig(name=release) for release in known.releases if release]
    facts = {"name": known.name, "BUILDER_CONFIGS": configs, "__module__": known.find.__module__}
    return type(known.name, (PathologyBuilder,), facts, skip_registration=True)(known, found, data_dir)
