"""Files that are whole or absent, whatever their names and whoever writes beside; what is kept out of a user's sight, and what is not."""

import logging
import os
import subprocess
import sys
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pathfm.errors import InputError
from pathfm.files import alone, clear_partials, quiet_abandoned_reads, read_parquet, replacing, write_parquet


class Fails:
    def __init__(self, words):
        self.words = words

    def __del__(self):
        raise RuntimeError(self.words)


async def abandoned():
    try:
        await Forever()
    finally:
        raise RuntimeError("abandoned")


class Forever:
    def __await__(self):
        yield


@pytest.fixture
def reported(monkeypatch):
    """What python reports of errors that nobody can catch."""
    words = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: words.append(str(unraisable.exc_value)))
    log = logging.getLogger("asyncio")
    level = log.level
    log.setLevel(logging.ERROR)
    yield words
    log.setLevel(level)


def test_reads_that_end_after_another_has_failed_are_not_reported_and_other_errors_are(reported):
    with pytest.raises(ValueError), quiet_abandoned_reads():
        Fails("Event loop is closed")
        raise ValueError
    Fails("Event loop is closed")
    abandoned().send(None)
    Fails("another error")
    assert reported == ["another error"]


def test_a_read_that_succeeds_leaves_everything_as_it_was(reported, caplog):
    hook = sys.unraisablehook
    with quiet_abandoned_reads():
        Fails("Event loop is closed")
    assert sys.unraisablehook is hook and reported == []
    logging.getLogger("asyncio").error("told")
    with pytest.raises(ValueError), quiet_abandoned_reads():
        raise ValueError
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert caplog.messages == ["told"]


@pytest.mark.parametrize("name", ["a", "x" * 255, "切" * 85, "a b'\"#%?\n"])
def test_a_file_of_any_name_that_the_disk_takes_can_be_replaced(tmp_path, name):
    for text in ("one", "two"):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text(text)
            assert temporary.name.startswith(".") and temporary.name.endswith(".partial") and len(os.fsencode(temporary.name)) <= 143
    assert [path.read_text() for path in tmp_path.iterdir()] == ["two"]


def test_a_name_that_the_disk_does_not_take_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="File name too long"), replacing(tmp_path / ("x" * 256)) as temporary:
        temporary.write_text("")
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_cleared_and_what_others_write_stays(tmp_path):
    program = (
        "import os, signal, sys\nfrom pathfm.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n    temporary.touch()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "killed"]) as killed:
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        (left,) = tmp_path.iterdir()
        old, young = tmp_path / ".a.000000-7.partial", tmp_path / ".b.000000-7.partial"
        for path in (old, young, tmp_path / ".hidden", tmp_path / "x.svs.partial"):
            path.touch()
        os.utime(old, (0, time.time() - 4000))
        with replacing(tmp_path / "now") as mine:
            mine.touch()
            clear_partials(tmp_path)  # the killed process is still a zombie here
            assert {path.name for path in tmp_path.iterdir()} == {mine.name, young.name, ".hidden", "x.svs.partial"}
    assert left.name.startswith(".killed.")
    clear_partials(tmp_path / "missing")


def test_one_at_a_time(tmp_path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom pathfm.files import alone\n"
        "for _ in range(50):\n    with alone(sys.argv[1]):\n"
        "        path = Path(sys.argv[1] + '.count')\n        path.write_text(str(int(path.read_text()) + 1))\n"
    )
    (tmp_path / "lock.count").write_text("0")
    jobs = [subprocess.Popen([sys.executable, "-c", program, tmp_path / "lock"]) for _ in range(3)]
    assert [job.wait() for job in jobs] == [0, 0, 0] and (tmp_path / "lock.count").read_text() == "150"


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write .*lock"), alone(tmp_path / "file" / "lock"):
        pass


@pytest.mark.parametrize("dtype", [object, "string", pd.StringDtype("pyarrow")])
def test_text_of_any_dtype_comes_back_as_str_and_none(tmp_path, dtype):
    table = pd.DataFrame(
        {"name": pd.Series(["a", None, "c"], dtype=dtype), "number": [1.5, float("nan"), 2.0], "flag": [True, False, True]}
    )
    write_parquet(table, tmp_path / "table.parquet")
    assert str(pq.read_schema(tmp_path / "table.parquet").field("name").type) == "string"
    read = read_parquet(tmp_path / "table.parquet")
    assert read["name"].tolist() == ["a", None, "c"] and read["name"].dtype == object
    assert read["number"].dtype == "float64" and read["flag"].dtype == bool
    assert read_parquet(tmp_path / "table.parquet", ["number"]).columns.tolist() == ["number"]
