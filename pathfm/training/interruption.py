"""Stopping on request: SIGTERM or Ctrl-C ends the run after the step in progress, with a checkpoint."""

import signal

import jax


class Interruption:
    """While open, the first SIGTERM or SIGINT is noted instead of killing; a second one kills.

    With several processes all must leave at the same step: jax's preemption service agrees on it.
    """

    def __enter__(self) -> "Interruption":
        self._noted = False
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _) -> None:
        self._noted = True
        signal.signal(number, self._before[number])

    def requested(self, step: int) -> bool:
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            return multihost_utils.reached_preemption_sync_point(step)
        return self._noted
