"""The processes of a run: how they join, who speaks, and how they agree and fail together. A process alone is the easy case."""

import atexit
import functools
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src import distributed  # the key-value store of its processes has no public name
from jax.experimental import multihost_utils

from pathfm.errors import STOPPED_EARLY, WRONG_INPUT, InputError, StoppedEarly
from pathfm.progress import say, silence
from pathfm.settings.joining import Joining, is_loopback, joining, left_alone
from pathfm.settings.training import TrainConfig
from pathfm.training.interruption import stop_at_once

SECONDS_LATER = 120  # by which jax's own limit for joining lies behind ours, since it aborts the process
MADE = "pathfm/made"  # the files that process 0 has made
BELL, HEARD = "pathfm/failed", "pathfm/heard"  # who failed: "EXIT CODE SENTENCE"; and a key for each process that has heard of it
SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_TO_HEAR = 15.0
SECONDS_TO_SEE = 60.0  # a file that another machine has written


class Common(InputError):
    """A mistake that every process meets at the same point, so that one of them says it for all."""


def in_company(run: Callable) -> Callable:
    """Decorates `run(config, workdir)`: the processes join, see that they have one config, and end together."""

    @functools.wraps(run)
    def joined(config: TrainConfig, *arguments: Any) -> Any:
        with stop_at_once():
            join()
            with together():
                refuse_differences(config)
                return run(config, *arguments)

    return joined


def join() -> None:
    """Joins the other processes where flags, variables or the launcher say that there are any.

    Raises InputError when they say it wrongly, and when the others do not come in time.
    """
    wanted = None if jax.distributed.is_initialized() else joining(os.environ)
    if wanted is None:
        if jax.process_count() > 1 and not jax.distributed.is_initialized():
            raise InputError(f"{jax.process_count()} processes run, but have not joined; give --coordinator, --processes and --process-id")
        if line := left_alone(os.environ):
            say(line)
        return
    if wanted.several_hosts and wanted.coordinator and is_loopback(wanted.coordinator):
        raise InputError(f"{wanted.coordinator} is on each machine that machine itself; let --coordinator name the machine of process 0")
    say(f"{wanted} joins the others at {_place(wanted)}; it waits {wanted.seconds} s for them")
    _connect(wanted)
    if wanted.all_devices:  # under srun jax leaves to each task the device of the task's number
        jax.config.update("jax_cuda_visible_devices", "all")
        jax.config.update("jax_rocm_visible_devices", "all")
    if jax.process_index() > 0:
        silence()


def _place(wanted: Joining) -> str:
    address = wanted.coordinator or distributed.global_state.coordinator_address  # jax's, once it has asked the launcher
    if address is None:
        return "the address that the launcher gives"
    return f"{address}{', which is this machine alone' if is_loopback(address) else ''}"


def _connect(wanted: Joining) -> None:
    """jax's own way to join, in a thread: it cannot be interrupted, and aborts the process when its time is up."""
    errors: list[Exception] = []

    def connect() -> None:
        limit = wanted.seconds + SECONDS_LATER
        try:
            jax.distributed.initialize(wanted.coordinator, wanted.processes, wanted.process, initialization_timeout=limit)
        except Exception as error:  # whatever the launcher's services answer
            errors.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    try:
        thread.join(wanted.seconds)
    except (StoppedEarly, KeyboardInterrupt):
        _leave_at_once(STOPPED_EARLY)
        raise
    if thread.is_alive():
        _leave_at_once(WRONG_INPUT)
        raise InputError(
            f"the others did not all come within {wanted.seconds} s to {_place(wanted)}, where {wanted} waited; start all of them, each "
            "with an id of its own and the same coordinator, or wait longer with --join-timeout"
        )
    if errors:
        _leave_at_once(WRONG_INPUT)
        said = " ".join(str(errors[0]).partition("\n")[0].split()).rstrip(".")
        raise InputError(f"{wanted} cannot join the others ({said}); give --coordinator, --processes and --process-id") from errors[0]


def _leave_at_once(code: int) -> None:
    """Lets Python end without jax's farewell, which waits minutes for processes that will not come."""

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)


@contextmanager
def together() -> Iterator[None]:
    """While open, an error of one process ends them all: it says so with its number, and process 0 repeats it.

    What all meet at the same point (a stop on request, `Common`) is said by process 0 alone.
    """
    if jax.process_count() == 1:
        yield
        return
    ended = threading.Event()
    listener = threading.Thread(target=_listen, args=(ended,), daemon=True)
    listener.start()
    try:
        yield
    except (StoppedEarly, Common) as error:
        if jax.process_index() == 0:
            raise
        raise SystemExit(STOPPED_EARLY if isinstance(error, StoppedEarly) else WRONG_INPUT) from None
    except (Exception, KeyboardInterrupt) as error:
        who = f"process {jax.process_index()} of {jax.process_count()}"
        mistake = isinstance(error, InputError)
        code = WRONG_INPUT if mistake else STOPPED_EARLY if isinstance(error, KeyboardInterrupt) else 1
        sentence = f"{who}: {error if mistake else type(error).__name__}"
        if not _ring(code, sentence):
            listener.join()  # another process failed before; this error may be its doing
        _leave_at_once(code)
        if mistake:
            raise InputError(sentence) from error
        error.add_note(f"in {who}")
        raise
    finally:
        ended.set()
        listener.join()


def _store() -> Any:
    """jax's key-value store, which all processes that have joined reach."""
    return distributed.global_state.client


def _ring(code: int, sentence: str) -> bool:
    """Tells the other processes that this one has failed; False when another has done so before."""
    try:
        _store().key_value_set(f"{BELL}/first", f"{code} {sentence}")
    except jax.errors.JaxRuntimeError:  # the key is there
        return False
    _wait_until_heard()
    return True


def _wait_until_heard() -> None:
    """Process 0 serves the others: it leaves last."""
    limit = time.monotonic() + SECONDS_TO_HEAR
    while jax.process_index() == 0 and len(_entries(HEARD)) < jax.process_count() - 1 and time.monotonic() < limit:
        time.sleep(0.1)


def _entries(folder: str) -> list[str]:
    return [value for _, value in _store().key_value_dir_get(folder)]


def _listen(ended: threading.Event) -> None:
    """Ends this process when another has failed; the main thread may be waiting for that one in a collective."""
    number = jax.process_index()
    while not ended.wait(SECONDS_BETWEEN_LOOKS):
        for news in _entries(BELL):
            code, _, sentence = news.partition(" ")
            if sentence.startswith(f"process {number} of "):
                continue
            if number > 0:
                _store().key_value_set(f"{HEARD}/{number}", "")
            say(f"error: {sentence}")
            _wait_until_heard()
            os._exit(int(code))


def refuse_differences(config: TrainConfig) -> None:
    """InputError when the processes were started with different configs: they would compute different things, or wait for ever."""
    if jax.process_count() == 1:
        return
    own = np.frombuffer(hashlib.sha256(repr(config).encode()).digest(), np.int32)
    digests = multihost_utils.process_allgather(own)
    others = np.flatnonzero((digests != digests[0]).any(axis=1))
    if len(others):
        raise Common(f"process {others[0]} was started with another config than process 0; start all processes with the same arguments")


def everyones(numbers: Iterable[int]) -> set[int]:
    """The union of the whole numbers from 0 below 2³¹ that the processes have; all of them must ask at the same point."""
    own = set(numbers)
    if jax.process_count() == 1:
        return own
    most = int(multihost_utils.process_allgather(np.int32(len(own))).max())
    if most == 0:
        return own
    padded = np.full(1 << (most - 1).bit_length(), -1, np.int32)  # of few sizes, since each is compiled
    padded[: len(own)] = sorted(own)
    return set(multihost_utils.process_allgather(padded).ravel().tolist()) - {-1}


def made_once(path: Path, make: Callable[[], None]) -> None:
    """Where there is no file `path`, process 0 makes it, and the others wait until it has; all of them must ask at the same point.

    They wait outside of collectives, which give up after some time. InputError where one does not see the file then.
    """
    if jax.process_index() == 0 and not path.exists():
        make()
    if jax.process_count() == 1:
        return
    key = f"{MADE}/{hashlib.sha256(str(path).encode()).hexdigest()}"
    if jax.process_index() == 0:
        _store().key_value_set(f"{key}/0", "", allow_overwrite=True)
        return
    while not _entries(key):
        time.sleep(SECONDS_BETWEEN_LOOKS / 4)
    limit = time.monotonic() + SECONDS_TO_SEE
    while not path.exists():
        if time.monotonic() > limit:
            raise InputError(f"process 0 has made {path}, which is not there; let all processes write one --workdir on shared storage")
        time.sleep(SECONDS_BETWEEN_LOOKS / 4)
