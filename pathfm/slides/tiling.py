"""Many slides: what is still to do, what each came to, and the table and the summary of it all."""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from pathfm.cohort import slide_rows
from pathfm.cohort.folder import CohortFolder, described_step, manifest
from pathfm.cohort.slide_rows import NO_PATIENT, with_reason
from pathfm.engines import run
from pathfm.engines.protocol import Engine
from pathfm.errors import InputError
from pathfm.files import clear_partials, sha256
from pathfm.progress import say
from pathfm.slides import table
from pathfm.slides.tiler import Job, Settings, blank_row, finished, note_of, tile_slide, unchanged

SHARED_SETTINGS = ("mpp", "tile", "min_tissue")
SHOWN = 10
KILLED = "killed its process: out of memory, or a fault in the slide library"
ADVICE = {
    "no mpp": "give its µm/px with --mpp-override FILE (slide,mpp)",
    "coarser than wanted": "tiles are never enlarged; a larger --mpp would take it",
    NO_PATIENT: "tiled, but it pairs with nothing; give its patient with --slides-table FILE (slide,patient,sample,site)",
}


def tile_all(
    folder: CohortFolder,
    slides: Mapping[str, list[Path]],
    settings: Settings,
    engine: Engine,
    overrides: Mapping[str, float] | None = None,
    owners: Mapping[str, dict] | None = None,
) -> list[dict]:
    """Tiles the slides that are not done yet, gathers `slides.parquet` at the end, and returns the rows of them all.

    `slides` maps a slide's id to its files, `overrides` and `owners` are the user's tables. Raises InputError, before any work,
    when slides of the folder were tiled with other settings.
    """
    notes = slide_rows.read_notes(folder)
    _refuse_other_settings(folder, notes, settings)
    _make(folder)
    _clear(folder)
    impossible = {**same_names(slides), **too_long(folder, slides), **alike(folder, slides, notes)}
    jobs, rows = [], {}
    for slide, paths in slides.items():
        mpp = table.lookup(overrides or {}, paths[0])
        job = Job(slide, paths[0], folder, replace(settings, mpp_override=mpp), table.identity(slide, table.lookup(owners or {}, paths[0])))
        note = note_of(job, blank_row(job) | {"reason": impossible[slide]}) if slide in impossible else _done_before(job)
        if note is None:
            jobs.append(job)
            continue
        rows[slide] = note["row"]
        if note != notes.get(slide):
            slide_rows.write_note(folder, note)
    if done := sum(row["status"] == "done" for row in rows.values()):
        say(f"tile: {done:,} of {len(slides):,} slides are done already")
    if jobs:
        say(f"tile: {len(jobs):,} slides to tile, {min(engine.workers, len(jobs)):,} at a time")

    def keep(job: Job, row: dict | None) -> None:
        rows[job.slide] = row or _killed(job)

    try:
        run(tile_slide, jobs, engine, keep, "tile", "slides")
    finally:
        _clear(folder)
        slide_rows.gather(folder)
    return [with_reason(rows[slide]) for slide in slides]


def _killed(job: Job) -> dict:
    row = blank_row(job) | {"reason": KILLED}
    slide_rows.write_note(job.folder, note_of(job, row))
    return row


def _make(folder: CohortFolder) -> None:
    for path in _written(folder):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}; choose another --cohort") from error


def _clear(folder: CohortFolder) -> None:
    for path in (folder.root, *_written(folder)):
        clear_partials(path)


def _written(folder: CohortFolder) -> tuple[Path, Path]:
    return folder.root / "tiles", folder.root / "thumbnails"


def same_names(slides: Mapping[str, list[Path]]) -> dict[str, str]:
    """The reason against each slide that shares its name with another."""
    return {
        slide: f"same name: {' and '.join(map(str, paths))}; a slide's name must be its own"
        for slide, paths in slides.items()
        if len(paths) > 1
    }


def too_long(folder: CohortFolder, slides: Iterable[str]) -> dict[str, str]:
    """The reason against each slide whose name, with what is added to it, is longer than the disk of the folder takes."""
    room = os.pathconf(folder.root, "PC_NAME_MAX") - len(".array_record")
    sizes = {slide: len(os.fsencode(slide)) for slide in slides}
    return {slide: f"name too long: {size} bytes, at most {room} here; rename the file" for slide, size in sizes.items() if size > room}


def alike(folder: CohortFolder, slides: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """The reason against each slide whose name the disk of the folder takes for that of another, given now or `known` from before."""
    if not tells_no_case(folder.root / "tiles"):
        return {}
    twins = defaultdict(set)
    for slide in {*slides, *known}:
        twins[unicodedata.normalize("NFC", slide).casefold()].add(slide)
    return {
        slide: f"same name: {' and '.join(sorted(same))}, which this disk takes for one; rename the file"
        for same in twins.values()
        for slide in same.intersection(slides)
        if len(same) > 1
    }


def tells_no_case(path: Path) -> bool:
    """Whether the disk takes upper and lower case of a file's name for the same."""
    other = path.with_name(path.name.swapcase())
    return other.exists() and other.samefile(path)


def _refuse_other_settings(folder: CohortFolder, notes: Mapping[str, dict], settings: Settings) -> None:
    """All tiles of a cohort are alike: a slide that is done tells how."""
    rows = [note["row"] for note in notes.values()] or slide_rows.read_rows(folder.slides)
    for row in rows:
        if row["status"] == "done" and (note := finished(folder, row["slide"])):
            _refuse_difference(folder, row["slide"], note["settings"], settings, SHARED_SETTINGS)
            return


def _refuse_difference(folder: CohortFolder, slide: str, earlier: dict, settings: Settings, names: Iterable[str]) -> None:
    now = asdict(settings)
    changed = [name for name in names if earlier[name] != now[name]]
    if changed:
        flags = ", ".join(f"--{name.replace('_', '-')} {earlier[name]} (now {now[name]})" for name in changed)
        raise InputError(f"slide {slide} in {folder.root} was tiled with {flags}; give the same again, or another --cohort")


def _done_before(job: Job) -> dict | None:
    """The note of a slide that is done, from this very file with these settings; whose it is may have changed since."""
    note = finished(job.folder, job.slide)
    if note is None:
        return None
    source = unchanged(job.path, note["source"])
    if source is None:
        say(f"tile: {job.path} has changed since it was tiled; it is tiled again")
        return None
    _refuse_difference(job.folder, job.slide, note["settings"], job.settings, asdict(job.settings))
    return note | {"row": note["row"] | {"file": job.path.name} | job.identity, "source": source}


def note_step(folder: CohortFolder, settings: Settings, files: Mapping[str, Path | None]) -> None:
    """Notes the step in `cohort.json`: settings, each slide that is done with size and hash, and the tables in `files`."""
    tables = {
        name: {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)} for name, path in files.items() if path is not None
    }
    with manifest(folder) as steps:
        slides = dict(steps.get("tile", {}).get("inputs", {}).get("slides", {}))
        for slide, note in slide_rows.read_notes(folder).items():
            if note["row"]["status"] == "done":
                slides[slide] = {"file": note["row"]["file"], **{name: note["source"][name] for name in ("bytes", "sha256")}}
        shared = {name: getattr(settings, name) for name in SHARED_SETTINGS}
        steps["tile"] = described_step(shared, {"slides": slides, **tables})


def report(rows: list[dict]) -> None:
    """The first slides of each reason, one line each, and the closing counts."""
    told = Counter()
    for row in filter(lambda row: row["reason"], rows):
        kind = reason_class(row)
        told[kind] += 1
        if told[kind] <= SHOWN:
            say(f"  {row['file']}: {row['reason']}{f'; {ADVICE[kind]}' if kind in ADVICE else ''}")
    for kind, count in told.items():
        if count > SHOWN:
            say(f"  … and {count - SHOWN:,} more: {kind}; slides.parquet has all of them")
    failed = Counter(reason_class(row) for row in rows if row["status"] == "failed")
    done = [row for row in rows if row["status"] == "done"]
    orphans = sum(row["reason"] == NO_PATIENT for row in done)
    reasons = ", ".join(f"{count:,} {kind}" for kind, count in failed.most_common())
    say(
        f"tile: {len(rows):,} slides, {len(done):,} done with {sum(row['tiles'] for row in done):,} tiles"
        f"{f' ({orphans:,} {NO_PATIENT})' if orphans else ''}, {failed.total():,} failed{f' ({reasons})' if reasons else ''}"
    )


def reason_class(row: dict) -> str:
    """The part of a reason that is the same for all slides with this fault."""
    return row["reason"].partition(":")[0]
