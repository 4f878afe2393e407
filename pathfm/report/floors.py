"""Floors in the table: what has learned nothing, as rows, and the bases that are not shown to lie above it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pathfm.errors import InputError
from pathfm.report.cells import Cell
from pathfm.report.evaluations import Evaluation, why_incomparable
from pathfm.report.measured import Measured


def floors_of(base: Evaluation, bases: Sequence[Evaluation]) -> list[Evaluation]:
    """The floors among `bases` that are laid under this base and were evaluated on the same.

    A base may be there several times, as with several gene panels: InputError when a floor can be compared with none of these.
    """
    alike = [one for one in bases if not one.floor and one.weight_hash == base.weight_hash]
    floors = []
    for floor in bases:
        if not floor.floor or floor.floor["under"] != base.weight_hash:
            continue
        reasons = [why_incomparable(one, floor) for one in alike]
        if all(reasons):
            raise InputError(
                f"{floor.files.path} and the base above it, {base.files.path}, cannot be compared: {reasons[0]}; evaluate both on the same "
                "cohort, fold and panel"
            )
        if not why_incomparable(base, floor):
            floors.append(floor)
    return floors


def marked(
    cells: tuple[Cell, ...], ours: Mapping[tuple, Measured], floors: Sequence[Mapping[tuple, Measured]], fit: str, columns: Sequence[str]
) -> tuple[Cell, ...]:
    """The base's cells, those marked whose difference to a floor has an interval that does not lie above 0."""
    return tuple(_marked(cell, (task, fit), ours, floors) for cell, task in zip(cells, columns, strict=True))


def _marked(cell: Cell, key: tuple[str, str], ours: Mapping[tuple, Measured], floors: Sequence[Mapping[tuple, Measured]]) -> Cell:
    differences = [ours[key].minus(floor[key]).cell() for floor in floors if key in ours and key in floor]
    return replace(cell, at_floor=any(one.value is not None and not one.low > 0 for one in differences))
