"""Many jobs, one function: what a job does is the function's own, and the engine only decides where it runs.

The function is one that can be imported by its name (or a `partial` of such), a job is small and can be pickled, and so is its result:
what is large, or must outlive a stop, a job writes into a file of its own, and tables are gathered at the end. A new engine is a file like
`threads.py`, which does what `protocol.py` says, and a line in `ENGINES`.
"""

from collections.abc import Callable, Sequence
from contextlib import closing

from pathfm.engines.local import Local
from pathfm.engines.protocol import Engine, Job, Result
from pathfm.engines.serial import Serial
from pathfm.engines.threads import Threads
from pathfm.errors import InputError
from pathfm.progress import track

ENGINES: dict[str, Callable[[int], Engine]] = {"local": Local, "threads": Threads, "serial": lambda workers: Serial()}


def engine(name: str, workers: int) -> Engine:
    """The engine of this name with so many jobs at a time; InputError when there is none."""
    if name not in ENGINES:
        raise InputError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")
    return ENGINES[name](workers)


def run(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    engine: Engine,
    after: Callable[[Job, Result | None], object] | None = None,
    what: str = "",
    unit: str = "jobs",
) -> None:
    """Runs every job; `after` is called in this thread with each and its result as it ends, None for one that was lost.

    `what`, where it is given, heads the progress. An exception of a job or of `after` ends the run; jobs under way are dropped, or
    waited for where the engine cannot drop them. Jobs that need others' files are for a second run.
    """
    with closing(engine.results(function, jobs)) as results:
        for job, result in track(results, what, len(jobs), unit) if what else results:
            if after is not None:
                after(job, result)


def collect(function: Callable[[Job], Result], jobs: Sequence[Job], engine: Engine, what: str, unit: str) -> list[Result]:
    """The results of all jobs, in the order of the jobs, which can be keys of a dict; InputError when one was lost."""
    results = {}

    def keep(job: Job, result: Result | None) -> None:
        if result is None:
            raise InputError(
                f"{what}: a process was killed while it made {job}; free some memory, or give fewer --workers, and run it again"
            )
        results[job] = result

    run(function, jobs, engine, keep, what, unit)
    return [results[job] for job in jobs]
