"""Features that somebody else computed, from an `.h5ad` file: any encoder can so stand in the table beside the bases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from pathfm.cohort.hdf5 import words
from pathfm.errors import InputError
from pathfm.features.features import Features
from pathfm.files import sha256
from pathfm.progress import say

SUFFIX = ".h5ad"
OBJECTIVE = "brought"


@dataclass(frozen=True)
class Brought:
    """A file with one row per tile, slide or patient: `obs["patient"]`, perhaps `obs["slide"]`, and finite numbers in `X`."""

    path: Path

    @property
    def card(self) -> dict[str, Any]:
        """What evaluation.json says in the place of a card of weights; the file's own hash stands for that of the weights."""
        return {"name": self.path.stem, "objective": OBJECTIVE, "weight_hash": sha256(self.path), "base": None}

    def features(self, wanted: Sequence[str]) -> Features:
        """Of the patients wanted that the file has, sorted: the mean over the rows of a slide, then over the patient's slides.

        There are no features of benchmarks. Raises InputError when the file is broken or holds none of the patients.
        """
        table = self._read()
        found = sorted(set(wanted) & set(words(table.obs["patient"])))
        if not found:
            raise InputError(f"{self.path} holds no patient of the cohort's fold; its column obs['patient'] names them as the cohort does")
        absent = len(set(wanted)) - len(found)
        if absent:
            say(f"warning: {absent} of {len(set(wanted))} patients of the fold are not in {self.path}; they are left out")
        table = table[words(table.obs["patient"]).isin(found).to_numpy()]
        patients = words(table.obs["patient"]).to_numpy()
        slides = words(table.obs["slide"]).to_numpy() if "slide" in table.obs else patients
        of_slides = pd.DataFrame(np.asarray(table.X, np.float64)).groupby([patients, slides]).mean()
        return Features(found, of_slides.groupby(level=0).mean().to_numpy(np.float32), "mean")

    def _read(self) -> anndata.AnnData:
        try:
            table = anndata.read_h5ad(self.path)
        except FileNotFoundError:
            raise InputError(f"there is no file {self.path}") from None
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"{self.path} cannot be read as AnnData: {error}") from error
        if "patient" not in table.obs:
            raise InputError(f"{self.path} lacks obs['patient'], the patient of each row")
        if hasattr(table.X, "toarray"):
            table.X = table.X.toarray()
        if table.X is None or not np.issubdtype(table.X.dtype, np.number) or not np.isfinite(table.X).all():
            raise InputError(f"{self.path} holds features that are not finite numbers; leave out the rows that have none")
        return table
