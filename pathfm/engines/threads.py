"""Jobs in threads of this process, for functions that leave Python's lock alone, and for results too large to be sent between processes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pathfm.engines.protocol import Job, Result

AHEAD = 4


@dataclass(frozen=True)
class Threads:
    workers: int

    def results(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Each job with its result, in the order of the jobs; at most AHEAD a worker are begun or kept beyond the one that is due.

        Jobs under way cannot be dropped: at a stop they are waited for.
        """
        pool, waiting = ThreadPoolExecutor(self.workers), deque()
        try:
            for job in jobs:
                waiting.append((job, pool.submit(function, job)))
                if len(waiting) > AHEAD * self.workers:
                    yield _ended(waiting)
            while waiting:
                yield _ended(waiting)
        finally:
            pool.shutdown(cancel_futures=True)


def _ended(waiting: deque) -> tuple:
    job, future = waiting.popleft()
    return job, future.result()
