"""Processes: a job that kills its worker is lost alone, an error ends the run, and no worker outlives its parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pathfm.engines import run
from pathfm.engines.local import Local
from pathfm.errors import InputError


def square_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def refuse(number: int) -> int:
    raise InputError(f"no place for {number}")


def test_a_job_that_kills_its_process_is_lost_alone():
    results = {}
    run(square_or_die, range(6), Local(2), results.__setitem__)
    assert results == {0: 0, 1: 1, 2: 4, 3: None, 4: 16, 5: 25}


def test_an_error_of_a_job_ends_the_run():
    with pytest.raises(InputError, match="no place for 0"):
        run(refuse, [0], Local(1))


def test_workers_end_with_their_parent(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\nfrom pathlib import Path\nfrom pathfm.engines import run\nfrom pathfm.engines.local import Local\n"
        "def wait(folder):\n    Path(folder, str(os.getpid())).touch()\n    time.sleep(600)\n"
        "if __name__ == '__main__':\n    run(wait, [sys.argv[1]], Local(1))\n"
    )
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen([sys.executable, program, tmp_path / "pids"], env=os.environ | {"PYTHONPATH": os.getcwd()})
    try:
        (worker,) = until(lambda: [int(path.name) for path in (tmp_path / "pids").iterdir()])
    finally:
        parent.kill()
        parent.wait()
    assert until(lambda: not running(worker))


def cores_of(number: int) -> tuple[int, frozenset[int]]:
    return os.getpid(), frozenset(os.sched_getaffinity(0))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system gives a process no core of its own")
def test_a_process_keeps_to_one_core_where_it_is_asked_to():
    mine, held = os.sched_getaffinity(0), {}
    run(cores_of, range(8), Local(2, own_core=True), lambda job, result: held.setdefault(*result))
    assert all(len(cores) == 1 and cores <= mine for cores in held.values())
    assert len(set(held.values())) == min(len(held), len(mine))


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
