"""From a user's download to a prepared benchmark: whole under its final name, or not at all."""

import contextlib
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from pathfm import __version__
from pathfm.benchmarks.benchmark import content_digest, decoded
from pathfm.benchmarks.known import Found, Known
from pathfm.benchmarks.prepared import IMAGES, IMAGES_COLUMNS, NOTES, Place, Records
from pathfm.errors import InputError
from pathfm.files import alone, read_json, refuse_full_disk, write_json, write_parquet
from pathfm.progress import say, track

ROOM = 1.2  # times the bytes of the images


def prepare(known: Known, folder: Path, out: Path, subset: bool = False) -> Path:
    """Prepares a download into ArrayRecord below `out` and returns the folder; what stands there whole is kept.

    Every image is decoded before it is written, and read back and compared after. A run that was killed leaves a hidden `.partial`
    folder, which the next one removes and begins anew; two at a time wait for each other. Raises InputError for a folder that is not the
    download, for one that lacks images or has them in another size than published unless `subset`, for an image that does not decode, and
    for a full disk.
    """
    found = known.find(folder)
    if found.lacking and not subset:
        raise InputError(
            f"{folder} is not the whole of {known.title}: {found.lacking}; download or unpack it again, "
            "or give --subset to score what is there"
        )
    place = Place(out, known.name, found.release)
    with alone(out / ".lock"):
        if place.final.exists():
            return _kept(place, found, subset)
        clear(place)
        refuse_full_disk(out, int(ROOM * found.size))
        try:
            _write(known, found, place, subset)
            place.final.parent.mkdir(parents=True, exist_ok=True)
            os.rename(place.partial / place.below, place.final)
        except (OSError, RuntimeError) as error:
            raise InputError(f"cannot write {place.final}: {error}; free some space or choose another folder") from error
        finally:
            clear(place)
    return place.final


def clear(place: Place) -> None:
    """Removes what a run that did not finish has left."""
    shutil.rmtree(place.partial, ignore_errors=True)


def _kept(place: Place, found: Found, subset: bool) -> Path:
    notes = read_json(place.final / NOTES)
    lacking = notes.get("lacking")
    if lacking and not found.lacking and not (subset and notes["images"] == len(found.table)):
        raise InputError(f"{place.final} does not hold it as published ({lacking}); remove it, and prepare the whole")
    say(f"{place.final} is prepared already; remove it to prepare it anew")
    return place.final


def _write(known: Known, found: Found, place: Place, subset: bool) -> None:
    import tensorflow_datasets as tfds

    from pathfm.benchmarks.builders import builder

    names = found.table["unit"].tolist()
    hashes = [""] * len(names)
    pixels = known.releases[found.release].pixels
    sizes: dict[int, tuple[int, int]] = {}

    def checked(number: int) -> bytes:
        data = found.encoded(number)
        height, width, _ = decoded(data, f"{names[number]} of {known.title}").shape
        if (width, height) != pixels and not subset:
            raise InputError(
                f"{names[number]} has {width} × {height} pixels, not {pixels[0]} × {pixels[1]}; it was resized, or is of another release"
            )
        sizes[number] = width, height
        hashes[number] = hashlib.sha256(data).hexdigest()
        return data

    with _quiet(tfds):
        writer = builder(known, replace(found, encoded=checked), os.fspath(place.partial))
        writer.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False), file_format="array_record")
    _note(known, replace(found, lacking=known.lacking(found, sizes)), place.partial / place.below, hashes)


def _note(known: Known, found: Found, folder: Path, hashes: list[str]) -> None:
    """Writes which record holds which image, after each has been read back."""
    import tensorflow_datasets as tfds

    rows = {}
    for split, source in Records(folder).sources.items():
        for record in track(range(len(source)), f"{known.name}: comparing {split}", unit="images"):
            example = source[record]
            rows[example["unit"].decode()] = (split, record, hashlib.sha256(example["image"]).hexdigest())
    where = pd.DataFrame.from_dict(rows, orient="index", columns=["split", "record", "sha256"])
    table = found.table.join(where, on="unit")
    if list(table["sha256"]) != hashes:
        raise InputError(f"what was written to {folder} does not read back as it was given; the disk may be at fault, try another folder")
    write_parquet(table[IMAGES_COLUMNS], folder / IMAGES)
    notes = {
        "name": known.name,
        "release": found.release,
        "lacking": found.lacking,
        "images": len(table),
        "digest": content_digest(table, hashes),
        "pathfm": __version__,
        "tensorflow_datasets": tfds.__version__,
    }
    write_json(notes, folder / NOTES)


@contextlib.contextmanager
def _quiet(tfds) -> Iterator[None]:
    """TFDS says on standard output that it downloads, which it does not, and has bars of its own."""
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        yield
