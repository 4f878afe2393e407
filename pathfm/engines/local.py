"""Jobs on the processes of this machine."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue

from pathfm.engines.protocol import Job, Result


@dataclass(frozen=True)
class Local:
    """`own_core`: each process keeps to one core, so that its speed does not depend on its neighbours (Linux)."""

    workers: int
    own_core: bool = False

    def results(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result | None]]:
        """Each job with its result as it ends, in no order; None for a job that killed its process (memory, a native crash).

        When a process dies, the jobs under way are run again one by one, so that only the guilty one is lost. An exception that a
        job raises ends the run. The workers end with this process, however it ends.
        """
        waiting, suspects = deque(jobs), []
        while waiting:
            suspects += yield from self._until_broken(function, waiting, self.workers)
        for job in suspects:
            if (yield from self._until_broken(function, deque([job]), 1)):
                yield job, None

    def _until_broken(self, function: Callable, waiting: deque, workers: int) -> Iterator[tuple]:
        """Runs the waiting jobs, and returns those that were under way when a process died."""
        context = get_context("spawn")
        alive, held = context.Pipe(duplex=False)
        cores = None
        if self.own_core:
            cores = context.SimpleQueue()
            for core in (sorted(os.sched_getaffinity(0)) * workers)[:workers]:
                cores.put(core)
        pool = ProcessPoolExecutor(min(workers, len(waiting)), mp_context=context, initializer=_start, initargs=(alive, cores))
        running = {}
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running[pool.submit(function, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
            return []
        except BrokenProcessPool:
            return list(running.values())
        finally:
            if running:
                held.close()
            pool.shutdown(cancel_futures=True)
            held.close()
            alive.close()


def _start(alive: Connection, cores: SimpleQueue | None) -> None:
    """In a worker: one numeric thread, no part in Ctrl-C, a core of `cores`, and an end when the other side of `alive` closes."""
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    if cores is not None:
        os.sched_setaffinity(0, {cores.get()})


def _end_with(alive: Connection) -> None:
    try:
        alive.recv()
    except (EOFError, OSError):
        os._exit(1)
