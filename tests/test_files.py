"""What files.py keeps out of a user's sight, and what it does not."""

import logging
import sys

import pytest

from pathfm.files import quiet_abandoned_reads


class Fails:
    def __init__(self, words):
        self.words = words

    def __del__(self):
        raise RuntimeError(self.words)


async def abandoned():
    try:
        await Forever()
    finally:
        raise RuntimeError("abandoned")


class Forever:
    def __await__(self):
        yield


@pytest.fixture
def reported(monkeypatch):
    """What python reports of errors that nobody can catch."""
    words = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: words.append(str(unraisable.exc_value)))
    log = logging.getLogger("asyncio")
    level = log.level
    log.setLevel(logging.ERROR)
    yield words
    log.setLevel(level)


def test_reads_that_end_after_another_has_failed_are_not_reported_and_other_errors_are(reported):
    with pytest.raises(ValueError), quiet_abandoned_reads():
        Fails("Event loop is closed")
        raise ValueError
    Fails("Event loop is closed")
    abandoned().send(None)
    Fails("another error")
    assert reported == ["another error"]


def test_a_read_that_succeeds_leaves_everything_as_it_was(reported, caplog):
    hook = sys.unraisablehook
    with quiet_abandoned_reads():
        Fails("Event loop is closed")
    assert sys.unraisablehook is hook and reported == []
    logging.getLogger("asyncio").error("told")
    with pytest.raises(ValueError), quiet_abandoned_reads():
        raise ValueError
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert caplog.messages == ["told"]
