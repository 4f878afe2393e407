"""What a process alone does where several would agree, and what is refused before they join."""

import numpy as np
import pytest

from pathfm.cohort.splits import read_splits
from pathfm.errors import InputError
from pathfm.files import read_parquet
from pathfm.input.bags import index_tiles
from pathfm.training import processes
from pathfm.training.bad_records import BadRecords
from tests.small_cohort import make_small_cohort


def test_a_coordinator_that_each_of_several_machines_takes_for_itself_is_refused(monkeypatch):
    srun = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_NODES": "2", "JAX_COORDINATOR_ADDRESS": "localhost:1234"}
    for name, value in srun.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="localhost:1234 is on each machine that machine itself"):
        processes.join()


def test_a_process_alone_joins_nobody_and_is_told_of_tasks_that_nobody_started(monkeypatch, capsys):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    processes.join()
    assert "this process runs alone: SLURM_NTASKS is 4" in capsys.readouterr().err


def test_a_process_alone_is_everyone():
    assert processes.everyones([3, 1, 3]) == {1, 3}
    processes.refuse_differences("any config")


def test_broken_records_are_named_once_and_counted_against_all(tmp_path, capsys):
    folder = make_small_cohort(tmp_path)
    splits = read_splits(folder)
    index = index_tiles(folder, read_parquet(folder.slides), splits.role(0, "train"))
    bad = BadRecords(index, most=2.5 / index.start[-1])
    bad.note(np.array([[4, -1], [-1, 4]]))
    bad.note(np.array([[-1, 4], [7, -1]]))
    assert capsys.readouterr().err.count("does not decode") == 2
    bad.note(np.array([[-1, -1], [-1, -1]]))
    with pytest.raises(processes.Common, match=f"3 of {index.start[-1]} tile records do not decode"):
        bad.note(np.array([[9, -1]]))
