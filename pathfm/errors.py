"""The ways in which a command ends: one exit code, one sentence."""

import sys
from collections.abc import Callable

DONE = 0
WRONG_INPUT = 2
STOPPED_EARLY = 75


class InputError(Exception):
    """A mistake in what the user gave: says what is wrong, where, and what to do. Shown without a traceback, exit code 2."""


class StoppedEarly(Exception):
    """Work that ended on request and goes on when the same command is run again; exit code 75."""


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
