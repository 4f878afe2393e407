"""Whether a table is of the patients that a cohort folder holds already, said before somebody waits for pairs that cannot be."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.files import read_parquet
from pathfm.sources.patients import folded


def no_overlap(new: Collection[str], what_new: str, folder: CohortFolder, replaces: Path | None = None) -> str | None:
    """A sentence when no patient of `new` is in one of the folder's tables, with an example of both sides; else None.

    `what_new` is a name such as "the sheet". Asked are slides.parquet, expression.h5ad and labels.parquet, each for itself; one that is
    not there, that names no patient or that cannot be read is not, and neither is `replaces`, which the new table takes the place of.
    """
    tables = {path.name: _patients(path, folder) for path in (folder.slides, folder.expression, folder.labels) if path != replaces}
    strangers = {name: patients for name, patients in tables.items() if new and patients and patients.isdisjoint(new)}
    if not strangers:
        return None
    spelt = {name: {folded(patient): patient for patient in sorted(patients, reverse=True)} for name, patients in strangers.items()}
    example = min(new, key=lambda patient: (not any(folded(patient) in names for names in spelt.values()), patient))
    examples = [f"{what_new}: {example}"]
    examples += [f"{name}: {spelt[name].get(folded(example), min(patients))}" for name, patients in strangers.items()]
    return (
        f"no patient of {what_new} is in {' or '.join(strangers)} ({', '.join(examples)}); "
        "they go together only where both name patients alike, letter for letter"
    )


def _patients(path: Path, folder: CohortFolder) -> set[str]:
    if not path.exists():
        return set()
    try:
        table = _profiles(folder) if path == folder.expression else read_parquet(path, ["patient"])
    except InputError:  # told by the command that needs this table
        return set()
    return set(table["patient"].dropna().astype(str))


def _profiles(folder: CohortFolder) -> pd.DataFrame:
    from pathfm.cohort.profiles import read_profiles  # and AnnData, which takes a second, where there is a matrix alone

    return read_profiles(folder)
