"""A cohort folder as training, evaluation and tools see it: its people with their roles and labels, their slides, their matrices."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.hdf5 import words
from pathfm.cohort.profiles import Profiles, one_row_per_patient, open_profiles
from pathfm.cohort.splits import Splits, check_splits, read_splits
from pathfm.errors import InputError
from pathfm.files import digest, read_parquet
from pathfm.settings.terms import EXPRESSION


@dataclass(frozen=True, eq=False)
class Cohort:
    """A prepared cohort: split and pairs are read and checked for leaks; tables and matrices are read when they are asked for."""

    folder: CohortFolder
    splits: Splits
    pairs: pd.DataFrame
    _matrices: dict[str, Profiles | anndata.AnnData] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, root: str | Path) -> "Cohort":
        """The cohort in a folder; InputError when it is not prepared, or its split leaks."""
        folder = CohortFolder.open(root)
        splits, pairs = read_splits(folder), read_parquet(folder.pairs)
        check_splits(splits, pairs)
        return cls(folder, splits, pairs)

    @cached_property
    def slides(self) -> pd.DataFrame:
        """The rows of `slides.parquet` that are tiled and paired, in the order of their names."""
        slides = read_parquet(self.folder.slides)
        return slides[(slides["status"] == "done") & slides["slide"].isin(set(self.pairs["slide"]))].sort_values("slide", ignore_index=True)

    def slides_of(self, patients) -> pd.DataFrame:
        return self.slides[self.slides["patient"].isin(set(patients))]

    def people(self, fold: int) -> pd.DataFrame:
        """A row per patient of the fold: patient, role, site, project and every label; a class that the split left out is null."""
        roles = self.splits.table[self.splits.table["fold"] == fold][["patient", "role"]]
        people = roles.merge(self.pairs.drop_duplicates("patient")[["patient", "site", "project"]], how="left", on="patient")
        if self.folder.labels.exists():
            labels = read_parquet(self.folder.labels).drop(columns=["site", "project"], errors="ignore")
            people = people.merge(labels, how="left", on="patient")
        for task, classes in self.splits.tasks_left_out.items():
            if task in people:
                people[task] = people[task].where(~people[task].isin(set(classes)), None)
        return people

    def patients(self, fold: int, role: str) -> list[str]:
        """The patients of a role, sorted; InputError when there are none."""
        return self.splits.role(fold, role)

    def matrix(self, name: str) -> Profiles | anndata.AnnData:
        """`NAME.h5ad` with one row a patient (`obs["patient"]`) and a `symbol` for each of its features (`var`).

        Of the paired matrix the rows are the aliquots that the pairs name, and the values stay on disk. Any other is read whole and may
        lack patients. InputError when the file is missing or broken.
        """
        if name not in self._matrices:
            paired = name == EXPRESSION
            self._matrices[name] = (
                one_row_per_patient(open_profiles(self.folder), self.pairs) if paired else read_vectors(self.folder.matrix(name))
            )
        return self._matrices[name]


def read_vectors(path: Path) -> anndata.AnnData:
    """A matrix of one row a patient, in memory and dense; its patients are `obs["patient"]` or, without that column, the names of the rows.

    InputError when it is missing or broken, names a patient twice, or holds values that are not finite.
    """
    if not path.exists():
        raise InputError(
            f"there is no {path}; put a matrix of a row a patient there (`pathfm vectors` makes it), or leave out the term that needs it"
        )
    try:
        data = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as AnnData: {error}") from error
    values = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
    patients = words(data.obs["patient"]) if "patient" in data.obs else pd.Series(data.obs_names.astype(str), data.obs_names)
    if patients.duplicated().any():
        raise InputError(f"{path} has several rows of the patient {patients[patients.duplicated()].iloc[0]}; keep one row a patient")
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds values that are not finite numbers; leave out patients whose vector is not known")
    symbols = words(data.var["symbol"]) if "symbol" in data.var else pd.Series(data.var_names.astype(str), data.var_names)
    obs, var = pd.DataFrame({"patient": patients}), pd.DataFrame({"symbol": symbols})
    return anndata.AnnData(values.astype(np.float32), obs, var)


def tiles_hash(slides: pd.DataFrame) -> str:
    """Identifies the tile records of slides (rows of `slides.parquet`), in whatever order they come."""
    return digest(slides.sort_values("slide")[["slide", "records_sha256"]].to_numpy().tolist())


def cancer_types(people: pd.DataFrame) -> pd.Series:
    """The cancer type of each of the people, as labelled; the project where no label says it, null where that is missing too."""
    return people["cancer"].where(people["cancer"].notna(), people["project"]) if "cancer" in people else people["project"]
