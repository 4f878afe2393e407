"""Whether a table is of the patients that a cohort folder holds already, said before somebody waits for pairs that cannot be."""

from collections.abc import Collection
from pathlib import Path

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.files import read_parquet


def no_overlap(new: Collection[str], what_new: str, folder: CohortFolder, replaces: Path | None = None) -> str | None:
    """A sentence when no patient of `new` is in one of the folder's tables, with an example of both sides; else None.

    `what_new` is a name such as "the sheet". Asked are slides.parquet, expression.h5ad and labels.parquet, each for itself; one that is
    not there, that names no patient or that cannot be read is not, and neither is `replaces`, which the new table takes the place of.
    """
    tables = {path.name: _patients(path) for path in (folder.slides, folder.expression, folder.labels) if path != replaces}
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


def _patients(path: Path) -> set[str]:
    if not path.exists():
        return set()
    try:
        return set(_of_matrix(path) if path.suffix == ".h5ad" else read_parquet(path, ["patient"])["patient"].dropna().astype(str))
    except InputError:  # told by the command that needs this table
        return set()


def _of_matrix(path: Path) -> list[str]:
    import h5py
    from anndata.io import read_elem

    try:
        with h5py.File(path, "r") as file:
            return [str(patient) for patient in read_elem(file["obs/patient"])]
    except (OSError, KeyError) as error:
        raise InputError(f"{path} cannot be read as AnnData: {error}") from error


def folded(name: str) -> str:
    """The name of a patient or sample without what people write in several ways: upper and lower case, spaces around it."""
    return name.strip().casefold()
