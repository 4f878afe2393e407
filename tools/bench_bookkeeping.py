"""How long `pathfm tile` needs for what it notes of many slides, without the work on the slides themselves.

Rows are written as a job writes them, gathered by several jobs at once, and the command is run again over slides that are all done; the
slides, their records and their tables are empty files in a temporary folder:

    python tools/bench_bookkeeping.py --slides 11000
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pathfm.cli import main as pathfm
from pathfm.cohort import slide_rows
from pathfm.cohort.folder import CohortFolder
from pathfm.slides.table import identity
from pathfm.slides.tiler import Job, blank_row, fingerprint, note_of

JOBS = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slides", type=int, default=11_000)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as directory:
        folder = CohortFolder(Path(directory) / "cohort")
        jobs = make_jobs(Path(directory) / "slides", folder, arguments.slides)
        total = sum(
            (
                seconds("rows written", lambda: write_rows(jobs)),
                seconds(f"gathered by {JOBS} jobs at once", lambda: gather_at_once(folder)),
                seconds("gathered again, nothing new", lambda: slide_rows.gather(folder)),
                seconds(
                    "the command again, all done", lambda: pathfm(["tile", str(jobs[0].path.parents[1]), "--cohort", str(folder.root)])
                ),
            )
        )
        if (rows := len(slide_rows.read_rows(folder.slides))) != len(jobs):
            raise SystemExit(f"slides.parquet has {rows:,} rows of {len(jobs):,}")
    print(f"{arguments.slides:,} slides: {total:.1f} s in all")
    return 0


def make_jobs(slides: Path, folder: CohortFolder, number: int) -> list[Job]:
    """Slides laid out as gdc-client leaves them, and beside them in the cohort what marks each as done."""
    jobs = []
    (folder.root / "tiles").mkdir(parents=True)
    for index in range(number):
        slide = f"TCGA-{index % 36:02d}-{index:04x}-01Z-00-DX1.{index:08x}-0000-4000-8000-000000000000"
        path = slides / f"{index:08x}" / f"{slide}.svs"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"slide")
        for made in (folder.records(slide), folder.tiles(slide)):
            made.touch()
        jobs.append(Job(slide, path, folder, identity=identity(slide, None)))
    return jobs


def write_rows(jobs: list[Job]) -> None:
    for job in jobs:
        done = {"mpp": 0.25, "effective_mpp": 0.5, "width": 100_000, "height": 80_000, "tiles": 12_345}
        row = blank_row(job) | done | {"records_sha256": "0" * 64, "status": "done"}
        slide_rows.write_note(job.folder, note_of(job, row, fingerprint(job.path)))


def gather_at_once(folder: CohortFolder) -> None:
    with ProcessPoolExecutor(JOBS) as pool:
        list(pool.map(slide_rows.gather, [folder] * JOBS))


def seconds(what: str, work: Callable) -> float:
    start = time.monotonic()
    work()
    spent = time.monotonic() - start
    print(f"{what}: {spent:.1f} s", flush=True)
    return spent


if __name__ == "__main__":
    sys.exit(main())
