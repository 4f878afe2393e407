"""The ways in which a command ends: one exit code, one sentence."""

DONE = 0
WRONG_INPUT = 2
STOPPED_EARLY = 75


class InputError(Exception):
    """A mistake in what the user gave: says what is wrong, where, and what to do. Shown without a traceback, exit code 2."""


class StoppedEarly(Exception):
    """Work that ended on request and goes on when the same command is run again; exit code 75."""
