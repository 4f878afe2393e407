"""Patients who are in one batch twice, where a term cannot have that."""

from typing import Protocol

from pathfm.errors import InputError
from pathfm.settings.terms import TermSettings, terms_of


class Batches(Protocol):
    """The order of training patients, as `pathfm.input.schedule.Schedule`."""

    @property
    def batch(self) -> int: ...

    @property
    def steps_per_epoch(self) -> int: ...

    def patient(self, step: int, slot: int) -> int | None: ...


def refuse_repeats(objective: TermSettings, order: Batches) -> None:
    """InputError where a batch of the first epoch holds a patient twice and a term would push this patient's own pairs apart."""
    strict = [name for name, one in terms_of(objective).items() if getattr(one, "refuses_repeats", False)]
    for step in range(order.steps_per_epoch if strict else 0):
        patients = [order.patient(step, slot) for slot in range(order.batch)]
        if len(set(patients)) < len(patients):
            raise InputError(
                f"step {step} has a patient twice, and SigLIP with diagonal targets ({strict[0]}) would push his image from his own "
                "expression; set objective.targets to masked or multi"
            )
