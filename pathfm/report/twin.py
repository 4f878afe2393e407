"""The table for other programs: a row a cell, numbers as they are and not as they are written."""

import pandas as pd

from pathfm.report.cells import Cell
from pathfm.report.table import Row, Table

NUMBERS = ["value", "low", "high", "band_low", "band_high"]
COLUMNS = ["fit", "probe", "kind", "approach", "run", "column", *NUMBERS, "arrow", "one_sided", "unconverged", "unchanged", "few", "units"]


def table_frame(table: Table) -> pd.DataFrame:
    """COLUMNS and `smoke`, a row for each cell that holds a number, or says how few units kept it from one."""
    cells = [
        _cell(row, column, cell) for row in table.rows for column, cell in zip(table.columns, row.cells, strict=True) if not cell.empty
    ]
    frame = pd.DataFrame(cells, columns=COLUMNS).astype(dict.fromkeys(NUMBERS, float) | {"few": "Int64"})
    return frame.assign(smoke=table.smoke)


def _cell(row: Row, column: str, cell: Cell) -> tuple:
    named = (row.fit, row.probe, row.kind, row.approach, row.run, column)
    numbers = (cell.value, cell.low, cell.high, *(cell.band or (None, None)))
    return (*named, *numbers, cell.arrow, cell.one_sided, cell.unconverged, cell.unchanged, cell.few, cell.unit)
