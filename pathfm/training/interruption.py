"""Stopping on request: SIGTERM or Ctrl-C ends a run at the next step, with a checkpoint, and all of its processes at the same one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import jax
from jax.experimental import multihost_utils

from pathfm.errors import StoppedEarly


@contextmanager
def stop_at_once() -> Iterator[None]:
    """While open, SIGTERM raises StoppedEarly: for work that leaves nothing half done. Processes that join stop listening for it here."""

    def stop(*_) -> None:
        raise StoppedEarly("stopped on request; run the same command again to go on")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if not jax.distributed.is_initialized():
            signal.signal(signal.SIGTERM, before)


class Interruption:
    """While open, SIGTERM and the first Ctrl-C are noted instead of killing; a second Ctrl-C kills.

    One process alone notes them itself. Several leave SIGTERM to jax, whose handler stands since they joined: of a SIGTERM to any of them
    it tells the others in the background, and settles on a point that none has passed. That costs a look at a number at each point.
    """

    def __enter__(self) -> "Interruption":
        self._alone = jax.process_count() == 1
        self._noted, self._point = False, 0
        self._before = {signal.SIGINT: signal.signal(signal.SIGINT, self._note)}
        if self._alone:
            self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _) -> None:
        if number == signal.SIGINT:
            signal.signal(number, self._before[number])
        if self._alone:
            self._noted = True
        else:
            signal.raise_signal(signal.SIGTERM)

    def requested(self) -> bool:
        """Whether to stop here. Every process must ask at the same points: before each step, and before each batch of a validation."""
        if not self._alone and not self._noted:
            self._point += 1
            self._noted = multihost_utils.reached_preemption_sync_point(self._point)
        return self._noted
