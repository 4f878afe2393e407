"""Features that somebody else computed: any encoder can so stand in the table beside the bases, for the cohort and for benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pathfm.benchmarks.benchmark import Benchmark
from pathfm.errors import InputError
from pathfm.features.features import Features
from pathfm.features.rows import SUFFIXES, NamedRows, read_rows
from pathfm.files import digest, sha256
from pathfm.progress import say
from pathfm.sources.barcodes import is_tcga, patient

OBJECTIVE = "brought"
COHORT = "cohort"  # the name of the cohort's features in a folder that holds those of benchmarks, too


def is_brought(checkpoint: str) -> bool:
    """Whether a checkpoint is features: a file of theirs, a folder of `cohort.*` (or `cohort/`), or of a file for each slide."""
    path = Path(checkpoint)
    if path.suffix in SUFFIXES:
        return True
    of_weights = (path / "card.json").exists() or (path / "weights").exists()
    return path.is_dir() and not of_weights and (_part(path, COHORT) is not None or any(path.glob("*.h5")) or (path / "h5_files").is_dir())


def _part(folder: Path, name: str) -> Path | None:
    return next((path for path in (*(folder / f"{name}{suffix}" for suffix in SUFFIXES), folder / name) if path.exists()), None)


@dataclass(frozen=True)
class Brought:
    """A file or folder of features: a row a tile, slide or patient of the cohort, in a folder also a row an image of benchmarks."""

    path: Path

    @property
    def card(self) -> dict[str, Any]:
        """What evaluation.json says in the place of a card of weights; the files' own hashes stand for that of the weights."""
        return {"name": self.path.stem, "objective": OBJECTIVE, "weight_hash": self._hash, "base": None}

    @cached_property
    def _hash(self) -> str:
        if not self.path.is_dir():
            return sha256(self.path) if self.path.exists() else ""
        files = sorted(path for path in self.path.rglob("*") if path.suffix in (*SUFFIXES, ".csv"))
        return digest([[path.relative_to(self.path).as_posix(), sha256(path)] for path in files])

    @property
    def of_cohort(self) -> Path:
        return (self.path.is_dir() and _part(self.path, COHORT)) or self.path

    def features(self, wanted: Sequence[str], slides: pd.DataFrame | None = None) -> Features:
        """Of the patients wanted that are there, sorted: the mean over the rows of a slide, then over the patient's slides.

        A row without a patient is that of its slide in the cohort's table `slides` (slide, patient), else of its TCGA barcode. Raises
        InputError when a file is broken or holds none of the patients.
        """
        path = self.of_cohort
        rows = read_rows(path)
        owners = _owners(rows, slides)
        found = sorted(set(wanted) & set(owners))
        if not found:
            raise InputError(f"{path} holds no patient of the cohort's fold; its patients, or slides, must be named as the cohort does")
        absent = len(set(wanted)) - len(found)
        if absent:
            say(f"warning: {absent} of {len(set(wanted))} patients of the fold are not in {path}; they are left out")
        kept = np.isin(owners, found)
        of_row = rows.names["slide"].where(rows.names["slide"] != "", pd.Series(owners))
        of_slides = pd.DataFrame(np.asarray(rows.values[kept], np.float64)).groupby([owners[kept], of_row[kept].to_numpy()]).mean()
        matrix = of_slides.groupby(level=0).mean().to_numpy(np.float32)
        return Features(found, matrix, "mean", self.images if path != self.path else None)

    def images(self, benchmark: Benchmark) -> np.ndarray:
        """The features float32 [images, features] of a benchmark's images, by their names; InputError when one has none, or two."""
        path = _part(self.path, benchmark.task)
        if path is None:
            raise InputError(
                f"{self.path} has no features of {benchmark.task}; bring {benchmark.task}.npy with {benchmark.task}.csv (image), or leave "
                "the benchmark out"
            )
        rows = read_rows(path)
        where = {name: row for row, name in enumerate(rows.names["image"])}
        missing = [unit for unit in benchmark.units if unit not in where]
        if missing or len(where) < len(rows.names):
            what = f"lacks {len(missing)} of {len(benchmark.units)} images, such as {missing[0]}" if missing else "names an image twice"
            raise InputError(f"{path} {what}; the names are those in images.parquet of the prepared benchmark")
        return np.asarray(rows.values[[where[unit] for unit in benchmark.units]], np.float32)


def _owners(rows: NamedRows, slides: pd.DataFrame | None) -> np.ndarray:
    """The patient of each row, an empty text where nothing tells."""
    known = {} if slides is None else dict(zip(slides["slide"], slides["patient"], strict=True))
    names = rows.names[["patient", "slide"]].itertuples(index=False)
    return np.array([row.patient or known.get(row.slide) or (patient(row.slide) if is_tcga(row.slide) else "") for row in names], object)
