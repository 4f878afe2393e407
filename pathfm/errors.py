"""The ways in which a command ends: one exit code, one sentence."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DONE = 0
NOT_VERIFIED = 1
WRONG_INPUT = 2
STOPPED_EARLY = 75


class InputError(Exception):
    """A mistake in what the user gave: says what is wrong, where, and what to do. Shown without a traceback, exit code 2."""


class StoppedEarly(Exception):
    """Work that ended on request and goes on when the same command is run again; exit code 75."""


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Inside, SIGTERM raises StoppedEarly in the main thread, once: what follows clears up undisturbed."""

    def stop(*_) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise StoppedEarly("stopped by SIGTERM; run the same command again to go on")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def guarded(work: Callable[[], int], name: str) -> int:
    """Runs `work` and turns what a user can mend into one sentence and an exit code."""
    try:
        return work()
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return WRONG_INPUT
    except StoppedEarly as stop:
        print(f"{name}: {stop}", file=sys.stderr)
        return STOPPED_EARLY
    except KeyboardInterrupt:
        print(f"{name}: stopped; run the same command again to go on", file=sys.stderr)
        return STOPPED_EARLY
