"""Downloads that are folders of images: which folder is meant, what is in it, and what it lacks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pathfm.benchmarks.benchmark import as_png, read_file, read_image
from pathfm.benchmarks.known import COLUMNS, Found
from pathfm.errors import InputError

NAMED = 3  # of what is missing


def root(folder: Path, title: str, places: Iterable[str]) -> Path:
    """The first of `places` below the folder that is there ("" is the folder itself); InputError that names the first when none is."""
    places = list(places)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one with the download of {title}")
    for place in places:
        if (folder / place).is_dir():
            return folder / place
    raise InputError(f"{folder} is not {title}: it lacks the folder {places[0]}{unpack(folder, places)}")


def unpack(folder: Path, names: Iterable[str]) -> str:
    """A clause that names an archive of one of these names which lies in the folder packed; empty when there is none."""
    for name in names:
        packed = folder / f"{name.partition('/')[0]}.zip"
        if packed.is_file():
            return f"; unpack {packed.name} there"
    return ""


@dataclass(frozen=True)
class Pictures:
    """Image files of one class and role, in the order of their names."""

    label: str
    role: str
    paths: list[Path]


def pictures(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The image files in a folder by name; hidden files and other kinds, which systems leave there, do not count."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()]
    return sorted(paths, key=lambda path: path.name)


def found(
    groups: Iterable[Pictures],
    *,
    within: Path,
    patient: Callable[[Path], str] = lambda path: "",
    slide: Callable[[Path], str] = lambda path: "",
    as_they_are: bool,
    lacking: str,
    release: str = "",
) -> Found:
    """The pictures of all groups, named by their path within the folder.

    `as_they_are`: the files' own bytes are kept; otherwise (TIFF) their pixels, as PNG.
    """
    rows, paths = [], []
    for group in groups:
        paths += group.paths
        rows += [(path.relative_to(within).as_posix(), group.label, group.role, patient(path), slide(path)) for path in group.paths]
    encoded = (lambda number: read_file(paths[number])) if as_they_are else (lambda number: as_png(read_image(paths[number])))
    size = sum(path.stat().st_size for path in paths)
    return Found(pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), encoded, size, lacking, release)


def lacking_counts(counts: Mapping[str, int], published: Mapping[str, int]) -> str:
    """A clause on the groups that have another number of images than published, such as `test has 10 of 98,904 images`."""
    wrong = [f"{name} has {counts.get(name, 0):,} of {whole:,} images" for name, whole in published.items() if counts.get(name, 0) != whole]
    return ", ".join(wrong[:NAMED]) + (f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else "")


def refuse_shared_patients(title: str, table: pd.DataFrame) -> None:
    """InputError when a patient is in two roles, or in two classes: the folders of a release were mixed up."""
    for column, what in (("role", "parts"), ("label", "classes")):
        several = table.groupby("patient")[column].unique()
        several = several[several.map(len) > 1]
        if len(several):
            name, places = several.index[0], " and ".join(sorted(several.iloc[0]))
            raise InputError(
                f"{len(several)} patients of {title} are in two {what}, such as {name} in {places}; unpack the publisher's archives again, "
                "each into its own folder"
            )
