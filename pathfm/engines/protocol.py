"""What an engine is."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class Engine(Protocol):
    """A place where jobs run."""

    @property
    def workers(self) -> int:
        """How many jobs run at a time, at most."""

    def results(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result | None]]:
        """A generator of each job with its result as it ends; closing it ends the work.

        A result is never None: that stands for a job that was lost without an exception, such as one whose process was killed. An
        exception of a job is raised.
        """
