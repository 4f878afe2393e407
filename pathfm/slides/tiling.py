"""Many slides: what is still to do, what each came to, and the table and the summary of it all."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from pathfm.cohort.folder import CohortFolder, record_step
from pathfm.errors import InputError
from pathfm.files import read_json, sha256
from pathfm.progress import say, track
from pathfm.slides import engine, table
from pathfm.slides.tiler import Job, Settings, blank_row, finished, tile_slide, unchanged

SHARED_SETTINGS = ("mpp", "tile", "min_tissue")
NO_PATIENT = "no patient"
ADVICE = {
    "no mpp": "give its µm/px with --mpp-override FILE (slide,mpp)",
    "coarser than wanted": "tiles are never enlarged; a larger --mpp would take it",
    NO_PATIENT: "tiled, but it pairs with nothing; give its patient with --slides-table FILE (slide,patient,sample,site)",
}


def tile_all(
    folder: CohortFolder,
    slides: dict[str, list[Path]],
    settings: Settings,
    workers: int,
    overrides: dict[str, float] | None = None,
    owners: dict[str, dict] | None = None,
) -> list[dict]:
    """Tiles the slides that are not done yet, keeps `slides.parquet` up to date, and returns the rows of them all.

    `slides` maps a slide's id to its files, `overrides` and `owners` are the user's tables. Raises InputError, before any work,
    when slides of the folder were tiled with other settings.
    """
    _refuse_other_settings(folder, settings)
    jobs, rows = [], {}
    for slide, paths in slides.items():
        job = Job(
            slide,
            paths[0],
            folder,
            replace(settings, mpp_override=table.lookup(overrides or {}, paths[0])),
            table.identity(slide, table.lookup(owners or {}, paths[0])),
        )
        if len(paths) > 1:
            rows[slide] = blank_row(job) | {"reason": f"same name: {' and '.join(map(str, paths))}; a slide's name must be its own"}
        elif row := _done_before(job):
            rows[slide] = row
        else:
            jobs.append(job)
    table.merge(folder.slides, _with_patients(rows.values()))
    if done := sum(row["status"] == "done" for row in rows.values()):
        say(f"tile: {done} of {len(slides)} slides are done already")
    for job, result in track(engine.run(tile_slide, jobs, workers), "tile", total=len(jobs), unit="slides"):
        rows[job.slide] = result or blank_row(job) | {"reason": "killed its process: out of memory, or a fault in the slide library"}
        table.merge(folder.slides, _with_patients([rows[job.slide]]))
    return list(_with_patients(rows[slide] for slide in slides))


def _refuse_other_settings(folder: CohortFolder, settings: Settings) -> None:
    """All tiles of a cohort are alike: a slide that is done tells how."""
    for row in table.read_rows(folder.slides):
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
    """The row of a slide that is done, from this very file with these settings; whose it is may have changed since."""
    note = finished(job.folder, job.slide)
    if note is None:
        return None
    if not unchanged(job.path, note["source"]):
        say(f"tile: {job.path} has changed since it was tiled; it is tiled again")
        return None
    _refuse_difference(job.folder, job.slide, note["settings"], job.settings, asdict(job.settings))
    return note["row"] | {"file": job.path.name} | job.identity


def _with_patients(rows: Iterable[dict]) -> Iterator[dict]:
    for row in rows:
        yield row | {"reason": NO_PATIENT} if row["status"] == "done" and row["patient"] is None else row


def note_step(folder: CohortFolder, settings: Settings, rows: Iterable[dict], files: dict[str, Path | None]) -> None:
    """Notes the step in `cohort.json`: settings, each slide that is done with size and hash, and the tables in `files`."""
    before = read_json(folder.manifest).get("tile", {}).get("inputs", {}) if folder.manifest.exists() else {}
    slides = dict(before.get("slides", {}))
    for row in rows:
        note = finished(folder, row["slide"]) if row["status"] == "done" else None
        if note:
            slides[row["slide"]] = {"file": row["file"], "bytes": note["source"]["bytes"], "sha256": note["source"]["sha256"]}
    tables = {
        name: {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)} for name, path in files.items() if path is not None
    }
    record_step(folder, "tile", {name: getattr(settings, name) for name in SHARED_SETTINGS}, {"slides": slides, **tables})


def report(rows: list[dict]) -> None:
    """The slides with something to tell, one line each, and the closing counts."""
    for row in rows:
        if row["reason"]:
            kind = reason_class(row)
            say(f"  {row['file']}: {row['reason']}{f'; {ADVICE[kind]}' if kind in ADVICE else ''}")
    failed = Counter(reason_class(row) for row in rows if row["status"] == "failed")
    done = [row for row in rows if row["status"] == "done"]
    orphans = sum(row["reason"] == NO_PATIENT for row in done)
    reasons = ", ".join(f"{count} {kind}" for kind, count in failed.most_common())
    say(
        f"tile: {len(rows)} slides, {len(done)} done with {sum(row['tiles'] for row in done):,} tiles"
        f"{f' ({orphans} {NO_PATIENT})' if orphans else ''}, {failed.total()} failed{f' ({reasons})' if reasons else ''}"
    )


def reason_class(row: dict) -> str:
    """The part of a reason that is the same for all slides with this fault."""
    return row["reason"].partition(":")[0]
