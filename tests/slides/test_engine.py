"""Processes: a job that kills its worker is lost alone, an error ends the run, and no worker outlives its parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pathfm.errors import InputError
from pathfm.slides import engine


def square_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def refuse(number: int) -> int:
    raise InputError(f"no place for {number}")


def test_a_job_that_kills_its_process_is_lost_alone():
    results = dict(engine.run(square_or_die, range(6), workers=2))
    assert results == {0: 0, 1: 1, 2: 4, 3: None, 4: 16, 5: 25}


def test_an_error_of_a_job_ends_the_run():
    with pytest.raises(InputError, match="no place for 0"):
        list(engine.run(refuse, [0], workers=1))


def test_workers_end_with_their_parent(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\nfrom pathlib import Path\nfrom pathfm.slides import engine\n"
        "def wait(folder):\n    Path(folder, str(os.getpid())).touch()\n    time.sleep(600)\n"
        "if __name__ == '__main__':\n    list(engine.run(wait, [sys.argv[1]], 1))\n"
    )
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen([sys.executable, program, tmp_path / "pids"], env=os.environ | {"PYTHONPATH": os.getcwd()})
    try:
        (worker,) = until(lambda: [int(path.name) for path in (tmp_path / "pids").iterdir()])
    finally:
        parent.kill()
        parent.wait()
    assert until(lambda: not running(worker))


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds: float = 60):
    end = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return result
