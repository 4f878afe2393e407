"""Which patients and tiles a step sees: a pure function of (seed, step), the same for any number of hosts and workers."""

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pathfm.errors import InputError


def generator(*key: int) -> np.random.Generator:
    """Random numbers that depend on the key alone."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


class Order(Protocol):
    """Which patient a slot of a step holds, and in which order its tiles are preferred."""

    def patient(self, step: int, slot: int) -> int | None: ...

    def tiles(self, step: int, patient: int, tiles: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Once:
    """The order of validation: every patient once, with the same tiles every time; the last batch is filled up with None."""

    patients: int
    batch: int
    seed: int

    @property
    def steps(self) -> int:
        return -(-self.patients // self.batch)

    def patient(self, step: int, slot: int) -> int | None:
        number = step * self.batch + slot
        return number if number < self.patients else None

    def tiles(self, step: int, patient: int, tiles: int) -> np.ndarray:
        return generator(self.seed, 2, patient).permutation(tiles)


@dataclass(frozen=True)
class Schedule:
    """The order in which training patients are seen.

    Each epoch is a seeded permutation of all patients cut into whole batches: a batch holds a patient at most once, and the
    few patients that are left over wait for the next epoch's permutation.
    """

    patients: int
    batch: int
    seed: int

    def __post_init__(self):
        if self.batch > self.patients:
            raise InputError(
                f"a batch of {self.batch} patients needs at least as many training patients, and there are {self.patients}; "
                f"set --config.batch={self.patients} or less"
            )

    @property
    def steps_per_epoch(self) -> int:
        return self.patients // self.batch

    def patient(self, step: int, slot: int) -> int:
        """The patient in a slot [0, batch) of a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return int(_permutation(self.seed, epoch, self.patients)[position * self.batch + slot])

    def tiles(self, step: int, patient: int, tiles: int) -> np.ndarray:
        """All tile numbers [0, tiles) of a patient in the order in which this step prefers them."""
        return generator(self.seed, 1, step, patient).permutation(tiles)


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, patients: int) -> np.ndarray:
    return generator(seed, 0, epoch).permutation(patients)


def steps_of(duration: str, steps_per_epoch: int, batch: int, total: int | None = None) -> int:
    """A duration in steps, at least one: `270 steps`, `30 epochs`, `100000 examples`, or `5 %` of `total`."""
    number, _, unit = duration.strip().partition(" ")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    per_unit = {
        "steps": 1.0,
        "step": 1.0,
        "epochs": steps_per_epoch,
        "epoch": steps_per_epoch,
        "examples": 1.0 / batch,
        "%": None if total is None else total / 100.0,
    }.get(unit.strip())
    if value <= 0 or per_unit is None:
        raise InputError(f"{duration!r} is not a duration; write for example '270 steps', '30 epochs', '100000 examples' or '5 %'")
    return max(1, round(value * per_unit))
