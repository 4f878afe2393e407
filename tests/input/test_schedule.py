"""The order of patients: whole epochs, a patient once a batch, a function of (seed, step) alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathfm.errors import InputError
from pathfm.input.schedule import Schedule, steps_of


@given(patients=st.integers(1, 50), batch=st.integers(1, 50), seed=st.integers(0, 5), step=st.integers(0, 200))
def test_a_batch_holds_a_patient_at_most_once(patients, batch, seed, step):
    if batch > patients:
        with pytest.raises(InputError, match="needs at least as many training patients"):
            Schedule(patients, batch, seed)
        return
    schedule = Schedule(patients, batch, seed)
    drawn = [schedule.patient(step, slot) for slot in range(batch)]
    assert len(set(drawn)) == batch
    assert set(drawn) <= set(range(patients))


def test_an_epoch_holds_every_patient_once():
    schedule = Schedule(24, 8, seed=3)
    drawn = [schedule.patient(step, slot) for step in range(3, 6) for slot in range(8)]
    assert sorted(drawn) == list(range(24))
    assert drawn != [schedule.patient(step, slot) for step in range(3) for slot in range(8)]


def test_tiles_are_a_permutation_that_changes_with_step_and_patient():
    schedule = Schedule(5, 2, seed=0)
    order = schedule.tiles(7, 2, 10)
    assert sorted(order) == list(range(10))
    np.testing.assert_array_equal(order, schedule.tiles(7, 2, 10))
    assert list(order) != list(schedule.tiles(8, 2, 10))
    assert list(order) != list(schedule.tiles(7, 3, 10))


@pytest.mark.parametrize(("duration", "steps"), [("270 steps", 270), ("3 epochs", 12), ("640 examples", 10), ("5 %", 10), ("0.1 %", 1)])
def test_durations(duration, steps):
    assert steps_of(duration, steps_per_epoch=4, batch=64, total=200) == steps


@pytest.mark.parametrize("duration", ["", "ten steps", "10", "-3 steps", "5 parsecs", "5 %"])
def test_what_is_no_duration_is_refused(duration):
    with pytest.raises(InputError, match="is not a duration"):
        steps_of(duration, steps_per_epoch=4, batch=64)
