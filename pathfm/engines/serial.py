"""Jobs one after the other in this process: no worker to start, and nothing to protect this process from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pathfm.engines.protocol import Job, Result


@dataclass(frozen=True)
class Serial:
    workers: ClassVar[int] = 1

    def results(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Each job with its result, in order."""
        for job in jobs:
            yield job, function(job)
