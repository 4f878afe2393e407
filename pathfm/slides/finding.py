"""Which slides the user's files, folders and globs lead to, and what lies there that is no slide yet, or none that can be read."""

import glob
import os
import stat
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import openslide

from pathfm.errors import InputError

SUFFIXES = frozenset((".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif", ".czi"))
UNFINISHED = frozenset((".partial", ".part", ".crdownload", ".download", ".opdownload", ".incomplete", ".filepart", ".aria2", ".tmp"))
PACKED = frozenset((".gz", ".tgz", ".zip", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar"))
PICTURES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".jp2"))
BESIDE_SLIDES = frozenset(
    (
        *(".txt", ".csv", ".tsv", ".xls", ".xlsx", ".json", ".geojson", ".xml", ".yaml", ".yml", ".html", ".md", ".pdf", ".doc", ".docx"),
        *(".log", ".parcel", ".ini", ".db", ".md5", ".sha1", ".sha256", ".opt", ".ets", ".py", ".sh", ".bat"),
        *(".parquet", ".h5ad", ".h5", ".npy"),
    )
)
UNREAD = frozenset((".isyntax", ".i2syntax", ".vsi", ".zarr", ".qptiff", ".kfb", ".sdpc", ".mds", ".tmap", ".lif", ".nd2", ".zvi", ".oir"))

DOWNLOAD = "a download that is not finished; finish it"
UNPACK = "packed; unpack it"
PICTURE = "a picture, which tells no scale"
FORMAT = "a format that OpenSlide does not read; convert it to a tiled TIFF"
DICOM = "DICOM, a slide in many files; give one file of each slide by its name"
ENDING = "OpenSlide opens it, but its name does not end like a slide's; rename it, or give it by its name"
AFTER = "something follows the ending of a slide's name; rename it"
OTHER = "of another kind"
LINK = "a link that leads nowhere"
MIRAX = "a folder of a MIRAX slide without the .mrxs file beside it"
HIDDEN = "a hidden folder"
SIGNS = "its name holds signs that no table can hold; rename it"
AGAIN = "a second name of a slide that is taken under another"
SLIDEDAT = "Slidedat.ini"


@dataclass(frozen=True)
class Found:
    """Slide id (the file name without its suffix) to its files, both sorted: more than one is more than one slide of this name.

    `left_out` is the reason by path for what was passed over; hidden files and what lies beside slides (text, tables, logs) is not named.
    """

    slides: dict[str, list[Path]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def find_slides(given: Iterable[str], besides: Iterable[Path] = ()) -> Found:
    """The slides at `given`: files, folders (searched with all below them, links followed) and globs; not those in folders `besides`.

    A file is one slide however often and by however many links it is reached: under its own name where that is among them, else under
    the first. Raises InputError for a folder or glob that leads to no slide.
    """
    not_there = {_identity(folder) for folder in besides if folder.is_dir()}
    ways: dict[tuple[int, int], set[Path]] = {}
    left_out: dict[str, str] = {}
    for text in given:
        here: dict[str, str] = {}
        paths = list(_slides_at(text, set(not_there), here))
        left_out |= here
        if not paths and not (here and os.path.isfile(text)):
            raise InputError(_nothing(text, here))
        for path in paths:
            ways.setdefault(_identity(path), set()).add(path)
    slides: dict[str, list[Path]] = {}
    for paths in ways.values():
        path = min(paths, key=lambda path: (path.name != path.resolve().name, path))
        left_out |= {str(other): AGAIN for other in paths if other.stem != path.stem}
        slides.setdefault(path.stem, []).append(path)
    if not slides:
        raise InputError(_nothing(" ".join(given), left_out))
    return Found({slide: sorted(slides[slide]) for slide in sorted(slides)}, left_out)


def _nothing(text: str, left_out: dict[str, str]) -> str:
    there = "; ".join(f"{count:,} left out, {reason}" for reason, count in Counter(left_out.values()).most_common())
    endings = ", ".join(sorted(SUFFIXES))
    return f"{text} leads to no whole-slide image{f' ({there})' if there else ''}; give files, folders or globs of {endings}"


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _slides_at(text: str, seen: set[tuple[int, int]], left_out: dict[str, str]) -> Iterator[Path]:
    """The slides at one of the places given; a file that is named itself is taken whatever it is called, if it can be whole."""
    if os.path.isfile(text):
        path = Path(text)
        reason = path.suffix.lower() in UNFINISHED | PACKED and _against(path)
        if reason := reason or _unfit_name(path):
            left_out[text] = reason
        else:
            yield path
        return
    for match in [text] if os.path.isdir(text) else sorted(glob.glob(text, recursive=True)):
        yield from _walk(Path(match), seen, left_out) if os.path.isdir(match) else _sorted_out([Path(match)], left_out)


def _walk(root: Path, seen: set[tuple[int, int]], left_out: dict[str, str]) -> Iterator[Path]:
    """The slides below a folder. Each folder is entered once, by its own path rather than a link's, so that links may go in circles."""
    folders, links = [root], deque()
    while folders or links:
        folder = folders.pop() if folders else links.popleft()
        try:
            identity, paths = _identity(folder), sorted(folder.iterdir())
        except OSError as error:
            left_out[str(folder)] = f"it cannot be read ({error.strerror})"
            continue
        if identity in seen:
            continue
        seen.add(identity)
        if folder / SLIDEDAT in paths:
            if not os.path.isfile(f"{folder}.mrxs"):
                left_out[str(folder)] = MIRAX
            continue
        below = [path for path in paths if os.path.isdir(path)]
        for path in below:
            if reason := _against_folder(path):
                left_out[str(path)] = reason
            else:
                (links if path.is_symlink() else folders).append(path)
        yield from _sorted_out(sorted(set(paths) - set(below)), left_out)


def _against_folder(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in UNFINISHED and Path(path.stem).suffix.lower() in SUFFIXES:
        return DOWNLOAD
    return FORMAT if suffix in UNREAD else HIDDEN if path.name.startswith(".") else None


def _sorted_out(paths: list[Path], left_out: dict[str, str]) -> Iterator[Path]:
    """Those files of a folder that are slides; the reason against the others is noted, where there is one to tell."""
    hamamatsu = any(path.suffix.lower() in (".vms", ".vmu") for path in paths)  # such a slide is a text that names its pictures
    silent = BESIDE_SLIDES | PICTURES if hamamatsu else BESIDE_SLIDES
    for path in paths:
        if path.name.startswith(".") or path.suffix.lower() in silent:
            continue
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                continue
            reason = _against(path) or _unfit_name(path)
        except OSError as error:
            reason = LINK if path.is_symlink() else f"it cannot be read ({error.strerror})"
        if reason:
            left_out[str(path)] = reason
        else:
            yield path


def _unfit_name(path: Path) -> str | None:
    return None if path.stem.isprintable() else SIGNS


def _against(path: Path) -> str | None:
    """Why a file is not taken for a slide; None when it is one by its name."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return None
    for suffixes, reason in ((UNFINISHED, DOWNLOAD), (PACKED, UNPACK), (PICTURES, PICTURE)):
        if suffix in suffixes:
            return reason
    if vendor := openslide.OpenSlide.detect_format(path):
        return DICOM if vendor == "dicom" else ENDING
    if suffix in UNREAD:
        return FORMAT
    return AFTER if any(inner.lower() in SUFFIXES for inner in path.suffixes[:-1]) else OTHER
