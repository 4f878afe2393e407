"""The ten tasks of the table."""

import dataclasses

import pytest

from pathfm.tasks.registry import BY_NAME, TASKS


def test_the_columns_are_the_posters_in_order():
    columns = ["BACH", "PCam", "MHIST", "CRC MSI", "cancer", "TP53", "breast", "kidney", "lung", "expression"]
    assert [task.column for task in TASKS] == columns
    assert len(BY_NAME) == 10
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS[0].name = "other"
