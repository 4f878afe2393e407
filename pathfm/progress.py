"""Progress on long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 10.0

_silent = False


def silence() -> None:
    """For a process that another one speaks for: `say` and `track` show nothing from now on."""
    global _silent
    _silent = True


def say(line: str) -> None:
    """One line for the user, on standard error, flushed at once; standard output stays free for results."""
    if not _silent:
        print(line, file=sys.stderr, flush=True)


def track(items: Iterable[T], what: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Yields `items` and shows how far they are; `total` is taken from `len(items)` where it has one."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    if sys.stderr.isatty() and not _silent:
        from tqdm import tqdm

        yield from tqdm(items, desc=what, total=total, unit=unit, dynamic_ncols=True)
        return
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            last = now
            say(progress_line(what, done, total, now - start, unit))


def progress_line(what: str, done: int, total: int | None, seconds: float, unit: str) -> str:
    """For example `tile: 120/400 slides, 3.1 slides/s, 90 s left`; a rate below one in two digits, such as 0.022 slides/s."""
    rate = done / seconds if seconds > 0 else 0.0
    shown = f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"
    left = f", {(total - done) / rate:.0f} s left" if total and rate and done < total else ""
    return f"{what}: {done}{f'/{total}' if total else ''} {unit}, {shown} {unit}/s{left}"
