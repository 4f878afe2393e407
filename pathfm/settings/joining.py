"""Which processes a run has and how this one finds the others, from flags, environment and launcher. No jax here."""

import argparse
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from pathfm.errors import InputError

# Each flag is a short way to set a variable. The first is jax's own; launch scripts for jax commonly set the next two beside it.
FLAGS = {
    "--coordinator": "JAX_COORDINATOR_ADDRESS",
    "--processes": "JAX_NUM_PROCESSES",
    "--process-id": "JAX_PROCESS_ID",
    "--join-timeout": "PATHFM_JOIN_TIMEOUT",
}
SECONDS = 300


@dataclass(frozen=True)
class Launch:
    """What a launcher says of the processes that it started; None where jax asks the launcher's own services."""

    processes: int | None
    process: int | None
    has_address: bool  # jax can tell the coordinator's address from what this launcher sets
    several_hosts: bool = False
    one_a_host: bool = False


@dataclass(frozen=True)
class Joining:
    """How this process joins the others. What is None is left to jax, which asks the launcher."""

    coordinator: str | None  # HOST:PORT, where process 0 listens
    processes: int | None
    process: int | None
    seconds: int  # to wait for the others
    several_hosts: bool = False  # as far as the launcher says
    all_devices: bool = False  # the one process of its machine, so that all devices of it are its own

    def __str__(self) -> str:
        who = "this process" if self.process is None else f"process {self.process}"
        return f"{who} of {self.processes or 'several'}"


def without_joining_flags(arguments: list[str]) -> list[str]:
    """Puts the flags of `FLAGS` into the environment and returns the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in FLAGS:
        parser.add_argument(flag, dest=flag)
    try:
        found, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(f"{error}") from error
    os.environ.update({variable: value for flag, variable in FLAGS.items() if (value := getattr(found, flag)) is not None})
    return rest


def joining(environ: Mapping[str, str]) -> Joining | None:
    """How to join; None for a process alone. Flags and variables of `FLAGS` go before what a launcher says.

    Raises InputError for values that are none, or that do not say enough.
    """
    coordinator = environ.get(FLAGS["--coordinator"]) or None
    processes, process, seconds = (_given(environ, flag) for flag in ("--processes", "--process-id", "--join-timeout"))
    launch = launched(environ)
    if launch is not None and processes is None:
        processes = launch.processes
    if launch is not None and process is None:
        process = launch.process
    if processes is None and process is None and coordinator is None and launch is None:
        return None
    if processes is not None and process is not None and not process < processes:
        raise InputError(f"--process-id={process} does not fit --processes={processes}; the first process has the id 0")
    if processes == 1:
        return None
    if processes == 0 or seconds == 0:
        raise InputError("--processes and --join-timeout must be at least 1")
    asks = launch is not None and launch.processes is None or "KUBERNETES_SERVICE_HOST" in environ
    if (processes is None or process is None) and not asks:
        raise InputError(
            "processes that join need --processes=N and --process-id=K (or JAX_NUM_PROCESSES and JAX_PROCESS_ID), "
            "since no launcher says how many there are and which this is"
        )
    if coordinator is None and not (launch is not None and launch.has_address or asks):
        raise InputError(
            f"{processes} processes need --coordinator=HOST:PORT (or JAX_COORDINATOR_ADDRESS), where process 0 listens, "
            "since the launcher does not say it"
        )
    if coordinator is not None and not _is_address(coordinator):
        raise InputError(f"--coordinator={coordinator} is not HOST:PORT")
    return Joining(
        coordinator,
        processes,
        process,
        SECONDS if seconds is None else seconds,
        several_hosts=launch is not None and launch.several_hosts,
        all_devices=launch is not None and launch.one_a_host and "JAX_LOCAL_DEVICE_IDS" not in environ,
    )


def refuse_copies(environ: Mapping[str, str]) -> None:
    """Raises InputError where a launcher started several copies of a program whose processes do not join: they would write one folder."""
    launch = launched(environ)
    if launch is not None and launch.processes is not None and launch.processes > 1:
        raise InputError(f"this runs in one process, and {launch.processes} were started; start it once (srun --ntasks=1 …)")


def launched(environ: Mapping[str, str]) -> Launch | None:
    """What srun, Open MPI or a TPU pod set for the processes that they start; None for a process that none of them started.

    `SLURM_NTASKS` is not asked: it stands in every shell of an allocation, and says nothing of who started this process.
    """
    tasks, task = _number(environ, "SLURM_STEP_NUM_TASKS"), _number(environ, "SLURM_PROCID")
    if tasks is not None and task is not None:
        needed = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_LOCALID")
        return Launch(
            tasks,
            task,
            has_address=all(environ.get(name) for name in needed) and _number(environ, "SLURM_JOB_ID") is not None,
            several_hosts=(_number(environ, "SLURM_STEP_NUM_NODES") or 1) > 1,
            one_a_host=re.fullmatch(r"1(\(x\d+\))?", environ.get("SLURM_STEP_TASKS_PER_NODE", "")) is not None,
        )
    size, rank = _number(environ, "OMPI_COMM_WORLD_SIZE"), _number(environ, "OMPI_COMM_WORLD_RANK")
    if size is not None and rank is not None:
        here = _number(environ, "OMPI_COMM_WORLD_LOCAL_SIZE")
        return Launch(size, rank, has_address="OMPI_MCA_orte_hnp_uri" in environ, several_hosts=here is not None and here < size)
    hosts = environ.get("TPU_PROCESS_ADDRESSES", environ.get("TPU_WORKER_HOSTNAMES", ""))
    if "," in hosts or (_number(environ, "MEGASCALE_NUM_SLICES") or 1) > 1:
        return Launch(None, None, has_address=True, several_hosts=True)
    return None


def left_alone(environ: Mapping[str, str]) -> str | None:
    """A line for a process that is alone in an allocation of several tasks, since srun did not start it."""
    tasks = _number(environ, "SLURM_NTASKS")
    if tasks is None or tasks < 2:
        return None
    return f"this process runs alone: SLURM_NTASKS is {tasks}, but no srun of several tasks started it; start it with srun to use them"


def is_loopback(coordinator: str) -> bool:
    """Whether the host of HOST:PORT resolves to this machine's loopback, which no other machine reaches; False if it does not resolve."""
    try:
        found = socket.getaddrinfo(coordinator.rpartition(":")[0].strip("[]"), None)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_loopback for address in found)


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _given(environ: Mapping[str, str], flag: str) -> int | None:
    """The whole number that a flag or its variable gives; empty counts as not given. InputError for anything else."""
    text = environ.get(FLAGS[flag], "").strip()
    if text and not text.isdecimal():
        raise InputError(f"{flag} (or {FLAGS[flag]}) is {text!r}, not a whole number")
    return int(text) if text else None


def _number(environ: Mapping[str, str], name: str) -> int | None:
    """The whole number in a variable that a launcher sets; None where it is absent or holds none, as if nobody had set it."""
    text = environ.get(name, "").strip()
    return int(text) if text.isdecimal() else None
