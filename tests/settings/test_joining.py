"""What flags, variables and launchers say of the processes of a run."""

import os

import pytest

from pathfm.errors import InputError
from pathfm.settings.joining import Joining, is_loopback, joining, left_alone, refuse_copies, without_joining_flags

SRUN = {
    "SLURM_JOB_ID": "4711",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "node[07-08]",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}
MPIRUN = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "4"}
GIVEN = {"JAX_COORDINATOR_ADDRESS": "host:1234", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "1"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SLURM_NTASKS": "4"},  # a shell of salloc, or ssh to a node
        {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},  # the script of sbatch
        SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},  # a notebook, or a shell that salloc starts by srun
        {"SLURM_NTASKS": ""},
        {"SLURM_NTASKS": "four", "SLURM_STEP_NUM_TASKS": "", "SLURM_PROCID": "-"},
        {"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
        {"TPU_WORKER_HOSTNAMES": "localhost"},
        GIVEN | {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"},
        SRUN | {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"},
        dict.fromkeys(GIVEN, ""),
    ],
)
def test_a_process_that_nobody_started_as_one_of_several_is_alone(environ):
    assert joining(environ) is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (GIVEN, Joining("host:1234", 4, 1, 300)),
        (GIVEN | {"PATHFM_JOIN_TIMEOUT": "1800"}, Joining("host:1234", 4, 1, 1800)),
        (SRUN, Joining(None, 4, 3, 300, several_hosts=True)),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "2(x2)"}, Joining(None, 4, 3, 300, several_hosts=True)),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "1(x4)"}, Joining(None, 4, 3, 300, several_hosts=True, all_devices=True)),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "1(x4)", "JAX_LOCAL_DEVICE_IDS": "0"}, Joining(None, 4, 3, 300, several_hosts=True)),
        (SRUN | {"JAX_COORDINATOR_ADDRESS": "host:1234"}, Joining("host:1234", 4, 3, 300, several_hosts=True)),
        (SRUN | GIVEN, Joining("host:1234", 4, 1, 300, several_hosts=True)),
        (MPIRUN | {"OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911"}, Joining(None, 4, 2, 300)),
        (MPIRUN | {"JAX_COORDINATOR_ADDRESS": "[::1]:1234"}, Joining("[::1]:1234", 4, 2, 300)),
        ({"TPU_WORKER_HOSTNAMES": "10.0.0.1,10.0.0.2"}, Joining(None, None, None, 300, several_hosts=True)),
        ({"MEGASCALE_NUM_SLICES": "2"}, Joining(None, None, None, 300, several_hosts=True)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JAX_COORDINATOR_ADDRESS": "pod-0:1234"}, Joining("pod-0:1234", None, None, 300)),
    ],
)
def test_who_joins(environ, expected):
    assert joining(environ) == expected


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (GIVEN | {"JAX_NUM_PROCESSES": "four"}, "--processes .or JAX_NUM_PROCESSES. is 'four', not a whole number"),
        (GIVEN | {"JAX_NUM_PROCESSES": "-4"}, "'-4', not a whole number"),
        (GIVEN | {"JAX_PROCESS_ID": "4"}, "--process-id=4 does not fit --processes=4"),
        (GIVEN | {"PATHFM_JOIN_TIMEOUT": "0"}, "must be at least 1"),
        (GIVEN | {"JAX_NUM_PROCESSES": "0", "JAX_PROCESS_ID": ""}, "must be at least 1"),
        (GIVEN | {"JAX_COORDINATOR_ADDRESS": "host"}, "host is not HOST:PORT"),
        (GIVEN | {"JAX_COORDINATOR_ADDRESS": "host:123456"}, "is not HOST:PORT"),
        (GIVEN | {"JAX_COORDINATOR_ADDRESS": ""}, "4 processes need --coordinator=HOST:PORT"),
        ({"JAX_COORDINATOR_ADDRESS": "host:1234"}, "need --processes=N and --process-id=K"),
        ({"JAX_PROCESS_ID": "1"}, "need --processes=N and --process-id=K"),
        (GIVEN | {"JAX_PROCESS_ID": ""}, "need --processes=N and --process-id=K"),
        (MPIRUN, "4 processes need --coordinator=HOST:PORT"),
        ({name: value for name, value in SRUN.items() if name != "SLURM_JOB_ID"}, "4 processes need --coordinator=HOST:PORT"),
    ],
)
def test_what_says_too_little_or_nothing_is_one_sentence(environ, sentence):
    with pytest.raises(InputError, match=sentence):
        joining(environ)


def test_a_process_alone_among_several_tasks_is_told_so():
    assert "SLURM_NTASKS is 4" in left_alone({"SLURM_NTASKS": "4"})
    assert left_alone({}) is left_alone({"SLURM_NTASKS": ""}) is left_alone({"SLURM_NTASKS": "1"}) is None


def test_copies_of_a_program_that_does_not_join_are_refused():
    with pytest.raises(InputError, match="this runs in one process, and 4 were started"):
        refuse_copies(SRUN)
    refuse_copies(SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"})
    refuse_copies({"SLURM_NTASKS": "4"})


def test_flags_are_variables(monkeypatch):
    monkeypatch.setattr(os, "environ", {"JAX_NUM_PROCESSES": "8"})
    rest = without_joining_flags(["--config=a.py", "--processes", "4", "--coordinator=host:1234", "--process-id=1", "--config.seed=1"])
    assert rest == ["--config=a.py", "--config.seed=1"]
    assert os.environ == GIVEN
    with pytest.raises(InputError, match="expected one argument"):
        without_joining_flags(["--process-id"])


def test_a_coordinator_on_loopback_is_known():
    assert is_loopback("localhost:1234") and is_loopback("127.0.1.1:1234") and is_loopback("[::1]:1234")
    assert not is_loopback("10.0.0.1:1234") and not is_loopback("no-such-host.invalid:1234")
