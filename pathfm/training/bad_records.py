"""Tile records that do not decode, counted over all processes of a run, so that all of them stop or none."""

import jax
import numpy as np

from pathfm.errors import InputError
from pathfm.input.bags import TileIndex, name_bad_records
from pathfm.training.processes import Common, everyones


class BadRecords:
    """The records of an index that did not decode so far; more than the share `most` of all ends the run.

    One process alone names them as they come, several when they settle, where each learns what the others met.
    """

    def __init__(self, index: TileIndex, most: float):
        self._index, self._most = index, most
        self._known: set[int] = set()
        self._new: set[int] = set()

    def note(self, bad: np.ndarray) -> None:
        """Takes up the positions [batch, any number] that a batch of this process brings; -1 is none."""
        self._new |= set(bad[bad >= 0].tolist()) - self._known
        if jax.process_count() == 1:
            self.settle()

    def settle(self) -> None:
        """Names what is new. All processes must do so at the same point. Raises InputError above the share."""
        found = np.array(sorted(everyones(self._new)), np.int64)
        self._new = set()
        try:
            self._known |= name_bad_records(found, self._index, self._known, self._most)
        except InputError as error:
            raise Common(str(error)) from error
