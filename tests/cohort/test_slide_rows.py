"""Rows of slides: each in a file of its own, gathered into one table by any number of jobs, none lost."""

import subprocess
import sys

import pytest

from pathfm.cohort import slide_rows
from pathfm.cohort.folder import CohortFolder
from pathfm.files import read_parquet

ROW = dict.fromkeys(slide_rows.COLUMNS) | {"tile": 96, "tiles": 0, "status": "failed", "reason": "no mpp"}
GATHER = "import sys; from pathfm.cohort import folder, slide_rows; slide_rows.gather(folder.CohortFolder(folder.Path(sys.argv[1])))"


def note(slide: str, **values) -> dict:
    return {"row": ROW | {"slide": slide} | values, "settings": {"tile": 96}, "source": None}


def test_the_table_keeps_the_rows_of_an_earlier_version_that_no_file_replaces(tmp_path):
    folder = CohortFolder(tmp_path)
    slide_rows.write_rows([ROW | {"slide": "b"}, ROW | {"slide": "a", "width": 10, "mpp": 0.5}], folder.slides)
    slide_rows.gather(folder)
    slide_rows.write_note(folder, note("b", status="done", reason="", patient="P1"))
    slide_rows.write_note(folder, note("c", status="done", reason=""))
    slide_rows.gather(folder)
    rows = slide_rows.read_rows(folder.slides)
    assert [(row["slide"], row["status"], row["reason"], row["width"], row["mpp"]) for row in rows] == [
        ("a", "failed", "no mpp", 10, 0.5),
        ("b", "done", "", None, None),
        ("c", "done", slide_rows.NO_PATIENT, None, None),
    ]
    assert tuple(rows[0]) == slide_rows.COLUMNS
    before = folder.slides.stat()
    slide_rows.gather(folder)
    assert folder.slides.stat() == before


def test_nothing_is_made_where_there_is_nothing_to_gather(tmp_path):
    slide_rows.gather(CohortFolder(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"row": 1}', '{"row": {"slide": "x"}}'])
def test_a_file_that_holds_no_row_counts_as_none(tmp_path, text):
    folder = CohortFolder(tmp_path)
    slide_rows.write_note(folder, note("a"))
    folder.row("b").write_text(text)
    slide_rows.gather(folder)
    assert list(read_parquet(folder.slides)["slide"]) == ["a"]


def test_the_longest_names_have_rows_of_their_own(tmp_path):
    folder = CohortFolder(tmp_path)
    names = ["切" * 83, "切" * 82 + "片", "x" * 251, "a.b", "a"]
    for name in names:
        slide_rows.write_note(folder, note(name))
    assert sorted(slide_rows.read_notes(folder)) == sorted(names)


def test_jobs_that_write_and_gather_at_once_lose_no_row(tmp_path):
    folder = CohortFolder(tmp_path)
    jobs = []
    for job in range(4):
        for number in range(30):
            slide_rows.write_note(folder, note(f"{job}-{number}"))
        jobs.append(subprocess.Popen([sys.executable, "-c", GATHER, tmp_path]))
    assert [job.wait() for job in jobs] == [0] * 4
    assert len(slide_rows.read_rows(folder.slides)) == 120


def test_whoever_gathers_waits_and_reads_what_came_in_the_meantime(tmp_path):
    from pathfm.files import alone

    folder = CohortFolder(tmp_path)
    slide_rows.write_note(folder, note("a"))
    with alone(folder.lock):
        job = subprocess.Popen([sys.executable, "-c", GATHER, tmp_path])
        with pytest.raises(subprocess.TimeoutExpired):
            job.wait(3)
        slide_rows.write_note(folder, note("b"))
        slide_rows.write_rows([note("a")["row"]], folder.slides)
    assert job.wait() == 0 and [row["slide"] for row in slide_rows.read_rows(folder.slides)] == ["a", "b"]
