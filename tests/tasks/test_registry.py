"""The ten tasks of the table, and the further ones."""

import dataclasses

import pytest

from pathfm.tasks.registry import BY_NAME, TASKS


def test_the_columns_are_the_posters_in_order():
    columns = ["BACH", "PCam", "MHIST", "CRC MSI", "cancer", "TP53", "breast", "kidney", "lung", "expression"]
    assert [task.column for task in TASKS] == columns
    assert [task.column for task in BY_NAME.values()] == [*columns, "CRC-9", "TCGA-UT", "confounds", "retrieval"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS[0].name = "other"
