"""The differences of a table as a picture: a panel for each tuned run and fit."""

from pathfm.report import plots
from pathfm.report.figures import Drawing, Figure
from pathfm.report.table import Row, Table
from pathfm.report.words import number
from pathfm.tasks.fits import FITS

CAPTION = (
    "Tuned minus base, task by task. Thick: the 95 % interval of one difference by itself. Thin: the band that holds all tasks of a run "
    "together; where it leaves the line at zero out, the table has an arrow."
)
MARGIN = 1.05


def forest_figure(table: Table) -> Figure | None:
    """Every difference of the headline's rows, all panels on one scale; None where there is none."""
    rows = [row for fit in FITS for row in table.block(fit) if row.kind == "delta"]
    ends = [abs(end) for row in rows for cell in row.cells if cell.value is not None for end in (*cell.band, cell.low, cell.high)]
    if not ends:
        return None
    largest = MARGIN * max(max(ends), 1.0)
    return Figure(CAPTION, tuple(_panel(row, table, largest) for row in rows))


def _panel(row: Row, table: Table, largest: float) -> Drawing:
    there = [(column, cell) for column, cell in zip(table.columns, row.cells, strict=True) if cell.value is not None]
    drawn = [(column, cell.value, (cell.low, cell.high), cell.band) for column, cell in there]
    words = "; ".join(
        f"{column} {number(cell.value, True)} from {number(cell.low, True)} to {number(cell.high, True)}" for column, cell in there
    )
    title = f"{row.approach}, {FITS[row.fit].label}"
    return Drawing(title, plots.forest_panel(drawn, (-largest, largest)), f"Differences in points with 95 % intervals. {words}.")
