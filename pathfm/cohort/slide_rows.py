"""What is known of each slide: a row in a file of its own, which one job writes, and `slides.parquet`, gathered from all of them.

So jobs that tile into one cohort at the same time lose nothing of each other, and a job that is killed leaves the rows of its slides.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.files import alone, read_parquet, replacing, write_parquet

TYPES = {"mpp": "float64", "effective_mpp": "float64", "width": "Int64", "height": "Int64", "tile": "int64", "tiles": "int64"}
COLUMNS = (
    *("slide", "file", "patient", "sample", "sample_type", "preparation", "project", "site"),
    *TYPES,
    *("records_sha256", "status", "reason"),
)
NO_PATIENT = "no patient"


def write_note(folder: CohortFolder, note: dict) -> None:
    """Writes what is known of a slide: `row` (COLUMNS), and `settings` and `source`, by which its tiles were made (None: no tiles)."""
    with replacing(folder.row(note["row"]["slide"]), sync=False) as temporary:
        temporary.write_text(json.dumps(note, allow_nan=False) + "\n", encoding="utf-8")


def read_note(path: Path) -> dict | None:
    """What `write_note` wrote; None where nothing whole stands, for the table beside the tiles says it too."""
    try:
        note = json.loads(path.read_bytes())
        return note if set(COLUMNS) <= note["row"].keys() else None
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def read_notes(folder: CohortFolder) -> dict[str, dict]:
    """The notes of all slides that have a file of their own, by slide."""
    notes = (read_note(path) for path in (folder.root / "tiles").glob("*.json"))
    return {note["row"]["slide"]: note for note in notes if note}


def gather(folder: CohortFolder) -> None:
    """Brings `slides.parquet` up to date with the rows in files of their own; rows that only it has, of an earlier version, stay.

    Several jobs may gather at once: each waits for its turn and then reads anew. Raises InputError when the disk refuses.
    """
    if not any((folder.root / "tiles").glob("*.json")):
        return
    with alone(folder.lock):
        before = read_rows(folder.slides)
        rows = {row["slide"]: row for row in before}
        rows |= {slide: with_reason({name: note["row"][name] for name in COLUMNS}) for slide, note in read_notes(folder).items()}
        if sorted(rows) != [row["slide"] for row in before] or before != [rows[slide] for slide in sorted(rows)]:
            write_rows(rows.values(), folder.slides)


def with_reason(row: dict) -> dict:
    """The row, with the reason why a slide that is done pairs with nothing."""
    return row | {"reason": NO_PATIENT} if row["status"] == "done" and row["patient"] is None else row


def write_rows(rows: Iterable[dict], path: Path) -> None:
    """Writes `slides.parquet`, sorted by slide."""
    table = pd.DataFrame(sorted(rows, key=lambda row: row["slide"]), columns=list(COLUMNS))
    write_parquet(table.astype(TYPES), path)


def read_rows(path: Path) -> list[dict]:
    """The rows of `slides.parquet`, missing values as None; none where there is no file."""
    if not path.exists():
        return []
    table = read_parquet(path, list(COLUMNS)).astype(object)
    return table.where(table.notna(), None).to_dict("records")
