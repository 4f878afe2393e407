"""Who trains, who validates and who is tested: one role per patient and fold, with whole sites on one side by default."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.files import digest, parquet_metadata, read_parquet, write_parquet

ROLES = ("train", "val", "test")
COLUMNS = ["fold", "patient", "role"]


@dataclass(frozen=True)
class Splits:
    """A row per fold and patient with its role; `tasks_left_out` tells per label task and class why it cannot be split."""

    table: pd.DataFrame
    scheme: str
    seed: int
    parts: str
    tasks_left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def hash(self) -> str:
        """Identifies scheme and roles, not the order of rows."""
        rows = zip(self.table["fold"].tolist(), self.table["patient"], self.table["role"], strict=True)
        return digest([self.scheme, sorted(list(row) for row in rows)])

    @cached_property
    def folds(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.table["fold"].tolist())))

    def role(self, fold: int, role: str) -> list[str]:
        """The patients with this role in this fold, sorted; InputError when there are none."""
        if fold not in self.folds or role not in ROLES:
            raise InputError(
                f"the split has no {role!r} of fold {fold}; its folds are {', '.join(map(str, self.folds))}, its roles {', '.join(ROLES)}"
            )
        chosen = self.table["patient"][(self.table["fold"] == fold) & (self.table["role"] == role)]
        if chosen.empty:
            raise InputError(f"fold {fold} of the split has no {role} patients; split again with `pathfm cohort`")
        return sorted(chosen)

    def write(self, folder: CohortFolder) -> None:
        """Writes `splits.parquet` with scheme, seed, parts, hash and left out classes in its metadata."""
        kind = "fractions" if "," in self.parts else "folds"
        metadata = {"scheme": self.scheme, "seed": str(self.seed), kind: self.parts, "hash": self.hash}
        write_parquet(self.table, folder.splits, {**metadata, "tasks_left_out": json.dumps(self.tasks_left_out, sort_keys=True)})


def read_splits(folder: CohortFolder) -> Splits:
    """The split of a cohort; InputError when it is missing, was changed by hand, or puts a patient in two roles."""
    if not folder.splits.exists():
        raise InputError(f"the cohort {folder.root} has no splits.parquet; make it with `pathfm cohort`")
    table, notes = read_parquet(folder.splits, COLUMNS), parquet_metadata(folder.splits)
    try:
        parts = notes.get("folds") or notes["fractions"]
        splits = Splits(table, notes["scheme"], int(notes["seed"]), parts, json.loads(notes["tasks_left_out"]))
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{folder.splits} lacks its notes on scheme, seed and parts ({error}); make it again with `pathfm cohort`"
        ) from error
    if splits.hash != notes.get("hash"):
        raise InputError(f"{folder.splits} does not hold the split that its hash names; make it again with `pathfm cohort`")
    check_splits(splits)
    return splits


def check_splits(splits: Splits, pairs: pd.DataFrame | None = None) -> None:
    """Refuses a leak: a patient in two roles of a fold, and with `pairs`, under the scheme "site", a site in two roles of a fold.

    Raises InputError that names the patient or the site.
    """
    table = splits.table
    unknown = sorted(set(table["role"]) - set(ROLES))
    if unknown:
        raise InputError(f"the split has the role {unknown[0]!r}; roles are {', '.join(ROLES)}")
    twice = table[table.duplicated(["fold", "patient"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(f"the split leaks: patient {row['patient']} has two roles in fold {row['fold']}; split again with `pathfm cohort`")
    if pairs is None or splits.scheme != "site":
        return
    sites = table.merge(pairs[["patient", "site"]].drop_duplicates(), on="patient")
    roles = sites.groupby(["fold", "site"])["role"].nunique()
    if (roles > 1).any():
        fold, site = roles.index[roles > 1][0]
        raise InputError(f"the split leaks: site {site} has two roles in fold {fold}; split again with `pathfm cohort`")
