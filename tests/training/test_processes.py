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


def test_a_file_is_made_once_and_not_where_it_is(tmp_path):
    path, made = tmp_path / "panel", []

    def make():
        made.append(path.write_text("whole"))

    for _ in range(2):
        processes.made_once(path, make)
    assert len(made) == 1


class Store:
    """jax's key-value store, of which `made_once` needs two methods; `then` happens when another process looks a second time."""

    def __init__(self, then=lambda: None):
        self.values, self.looks, self.then = {}, 0, then

    def key_value_set(self, key, value, allow_overwrite=False):
        self.values[key] = value

    def key_value_dir_get(self, folder):
        self.looks += 1
        if self.looks == 2:
            self.then()
        return [(key, value) for key, value in self.values.items() if key.startswith(f"{folder}/")]


def in_process(number, store, monkeypatch):
    monkeypatch.setattr(processes.jax, "process_count", lambda: 2)
    monkeypatch.setattr(processes.jax, "process_index", lambda: number)
    monkeypatch.setattr(processes, "_store", lambda: store)


def test_another_process_waits_until_the_first_has_made_the_file(tmp_path, monkeypatch):
    path, first = tmp_path / "panel", Store()
    in_process(0, first, monkeypatch)
    processes.made_once(path, lambda: path.write_text("whole"))
    processes.made_once(path, lambda: path.write_text("again"))
    assert path.read_text() == "whole"
    second = Store(then=lambda: second.values.update(first.values))
    in_process(1, second, monkeypatch)
    processes.made_once(path, lambda: path.write_text("twice"))
    assert second.looks == 2 and path.read_text() == "whole"


def test_a_file_that_another_process_does_not_see_is_said(tmp_path, monkeypatch):
    store = Store()
    in_process(0, store, monkeypatch)
    processes.made_once(tmp_path / "panel", lambda: None)
    in_process(1, store, monkeypatch)
    monkeypatch.setattr(processes, "SECONDS_TO_SEE", 0.0)
    with pytest.raises(InputError, match="process 0 has made .*panel, which is not there; let all processes write one --workdir"):
        processes.made_once(tmp_path / "panel", lambda: None)


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
