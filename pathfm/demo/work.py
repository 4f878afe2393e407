"""The demo's many small jobs, in this process or in several, with a line of progress."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pathfm.errors import InputError
from pathfm.progress import track
from pathfm.slides import engine

Job = TypeVar("Job")
Result = TypeVar("Result")


def do(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int, what: str, unit: str) -> list[Result]:
    """The results of all jobs, in the order of the jobs; InputError when a process was killed."""
    results = {}
    for job, result in track(spread(function, jobs, workers), what, total=len(jobs), unit=unit):
        if result is None:
            raise InputError(
                f"{what}: a process was killed while it made {job}; free some memory, or give fewer --workers, and run it again"
            )
        results[job] = result
    return [results[job] for job in jobs]


def spread(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result | None]]:
    if workers > 1 and len(jobs) > 1:
        yield from engine.run(function, jobs, workers)
        return
    for job in jobs:
        yield job, function(job)


def interleaved(kinds: Sequence[Sequence[Job]]) -> list[Job]:
    """The jobs of several kinds, mixed evenly, so that the time left can be told from the time gone."""
    places = [((number + 0.5) / len(jobs), kind, job) for kind, jobs in enumerate(kinds) for number, job in enumerate(jobs)]
    return [job for *_, job in sorted(places, key=lambda place: place[:2])]
