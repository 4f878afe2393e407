"""One slide from file to tile records: a pure function of its job, whose results are whole or absent."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.cohort import slide_rows
from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.files import parquet_metadata, sha256
from pathfm.slides import thumbnail
from pathfm.slides.reader import Scale, Slide, SlideError, averaging_scale, open_slide, tile_scale
from pathfm.slides.records import encode_tile, write_records, write_table
from pathfm.slides.tissue import sharpness, tile_fractions, tissue_mask

MASK_MPP = 8.0
MAX_MASK_PIXELS = 40_000_000
MAX_TILES = 4_000_000
METADATA = "pathfm.tile"
UNFINISHED = "unfinished: a job ended while it was tiled again"


@dataclass(frozen=True)
class Settings:
    """What decides a slide's tiles: µm/px and edge of a tile, the least tissue in it, the user's mpp for the slide if any."""

    mpp: float = 0.5
    tile: int = 224
    min_tissue: float = 0.5
    mpp_override: float | None = None


@dataclass(frozen=True)
class Job:
    """One slide to tile: its id, its file, where the results go, and whose it is (patient, sample, sample_type, …)."""

    slide: str
    path: Path
    folder: CohortFolder
    settings: Settings = Settings()
    identity: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Tiles side by side from the top left corner, none over the edge; `side` is a tile's edge in level-0 pixels."""

    columns: int
    rows: int
    side: float

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """x, y of a tile's top left corner in level-0 pixels."""
        return round(column * self.side), round(row * self.side)


def tile_slide(job: Job) -> dict:
    """Tiles one slide and returns its row of `slides.parquet`; what is wrong with the slide becomes the row's reason.

    Writes records, thumbnail, then the table that marks the slide as done, and the file of its row. Raises InputError when the disk
    refuses.
    """
    row = blank_row(job)
    if job.folder.tiles(job.slide).exists() or job.folder.row(job.slide).exists():
        slide_rows.write_note(job.folder, note_of(job, row | {"reason": UNFINISHED}))
    discard(job)
    try:
        source = fingerprint(job.path)
        with open_slide(job.path, job.settings.mpp_override) as slide:
            row.update(mpp=slide.mpp, width=slide.width, height=slide.height)
            scale = tile_scale(slide, job.settings.mpp)
            row.update(effective_mpp=slide.mpp * scale.downsample)
            table, records_hash = _write_tiles(job, slide, scale)
    except SlideError as error:
        discard(job)
        row["reason"] = str(error)
        slide_rows.write_note(job.folder, note_of(job, row))
        return row
    row.update(tiles=len(table), records_sha256=records_hash, status="done")
    note = note_of(job, row, source)
    write_table(job.folder, job.slide, table, {METADATA: json.dumps(note)})
    slide_rows.write_note(job.folder, note)
    return row


def note_of(job: Job, row: dict, source: dict | None = None) -> dict:
    """What is noted of a slide: its row, the settings, and the fingerprint of the file that its tiles were made from, if they were."""
    return {"row": row, "settings": asdict(job.settings), "source": source}


def blank_row(job: Job) -> dict:
    """The row of a slide of which nothing is known yet but its name and its patient."""
    return {
        "slide": job.slide,
        "file": job.path.name,
        **job.identity,
        **dict.fromkeys(("mpp", "effective_mpp", "width", "height")),
        "tile": job.settings.tile,
        "tiles": 0,
        "records_sha256": None,
        "status": "failed",
        "reason": "",
    }


def _write_tiles(job: Job, slide: Slide, scale: Scale) -> tuple[pd.DataFrame, str]:
    """Writes thumbnail and records; returns the table that describes them and the hash of the record file."""
    tile = job.settings.tile
    grid = lay_grid(slide, scale, tile)
    mask, cells = find_tissue(slide, grid)
    tissue = tile_fractions(mask, grid.rows, grid.columns, cells)
    kept = np.argwhere((tissue >= job.settings.min_tissue) & (tissue > 0))
    if not len(kept):
        raise SlideError("no tissue")
    corners = [grid.corner(*place) for place in kept]
    thumbnail.write(thumbnail.draw(slide, mask, grid.side / cells, corners, grid.side), job.folder.thumbnail(job.slide))
    measured = []

    def records() -> Iterator[bytes]:
        for x, y in corners:
            image = slide.read(scale, x, y, tile, tile)
            measured.append(sharpness(image))
            yield encode_tile(image)

    _, records_hash = write_records(job.folder.records(job.slide), records())
    table = pd.DataFrame(corners, columns=["x", "y"]).assign(tissue=tissue[tuple(kept.T)], sharpness=measured)
    return table, records_hash


def lay_grid(slide: Slide, scale: Scale, tile: int) -> Grid:
    """The tiles of `tile` pixels that fit into the slide; SlideError when none does, or far too many."""
    side = tile * scale.downsample
    columns, rows = (math.floor(size / side + 1e-6) for size in (slide.width, slide.height))
    if columns * rows == 0:
        raise SlideError("smaller than a tile")
    if columns * rows > MAX_TILES:
        raise SlideError(f"too large: {columns * rows:,} tiles, at most {MAX_TILES:,} are made")
    return Grid(columns, rows, side)


def find_tissue(slide: Slide, grid: Grid) -> tuple[np.ndarray, int]:
    """The tissue mask of the whole slide, and how many of its pixels make a tile's edge: about 8 µm each, at least four."""
    across, down = slide.width / grid.side, slide.height / grid.side
    cells = max(4, round(grid.side * slide.mpp / MASK_MPP))
    while cells > 1 and across * down * cells**2 > MAX_MASK_PIXELS:
        cells //= 2
    downsample = grid.side / cells
    width, height = max(grid.columns * cells, int(across * cells)), max(grid.rows * cells, int(down * cells))
    return tissue_mask(slide.read(averaging_scale(slide.downsamples, downsample), 0, 0, width, height), slide.mpp * downsample), cells


def fingerprint(path: Path) -> dict:
    """What tells whether a source file is still the same: size in bytes, time of change, SHA-256. Raises SlideError."""
    try:
        status = path.stat()
        if not status.st_size:
            raise SlideError("cannot be opened: it is empty; fetch it again")
        return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256(path)}
    except OSError as error:
        raise SlideError(f"cannot be opened: {error.strerror}") from error


def unchanged(path: Path, source: dict) -> dict | None:
    """The fingerprint `source` with the file's time of now, if the file is the same: by size and time, and where only the time differs,
    by its content; None when it is another. A file that cannot be read any more counts as the same: what was made of it stays.
    """
    try:
        status = path.stat()
        now = source | {"mtime_ns": status.st_mtime_ns}
        same = status.st_size == source["bytes"] and (now == source or sha256(path) == source["sha256"])
    except OSError:
        return source
    return now if same else None


def finished(folder: CohortFolder, slide: str) -> dict | None:
    """What an earlier run noted of a slide that is done: its row, settings and source; None when there is nothing whole."""
    if not (folder.tiles(slide).exists() and folder.records(slide).exists()):
        return None
    note = slide_rows.read_note(folder.row(slide))
    if note and note["row"]["status"] == "done":
        return note
    metadata = parquet_metadata(folder.tiles(slide)).get(METADATA)
    return json.loads(metadata) if metadata else None


def discard(job: Job) -> None:
    """Removes the tiles that stand of the slide. Raises InputError."""
    try:
        for path in (job.folder.tiles(job.slide), job.folder.records(job.slide), job.folder.thumbnail(job.slide)):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another --cohort") from error
