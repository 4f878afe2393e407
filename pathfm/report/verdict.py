"""What a table says, in words: which tasks moved beyond the 95 % band of all tasks of them, and what a reader must not trust."""

from collections.abc import Iterable

from pathfm.report.measured import BESIDE
from pathfm.report.table import Row, Table
from pathfm.report.words import MEAN, listed, number
from pathfm.statistics.scores import SMALLEST_CLASS
from pathfm.tasks.fits import FITS, HELD_OUT, SPLIT


def verdict(table: Table) -> list[str]:
    """One or two sentences for each tuned run, on the headline fit; of what is not there nothing is said."""
    rows = [row for row in table.block(SPLIT.name) if row.kind == "delta"]
    if not rows:
        return ["Only base models were evaluated, so there is nothing to compare yet."]
    return [sentence for row in rows for sentence in _of_run(row, table)]


def _of_run(row: Row, table: Table) -> Iterable[str]:
    cells = {column: cell for column, cell in zip(table.columns, row.cells, strict=True) if cell.value is not None}
    cells = {column: cell for column, cell in cells.items() if column not in BESIDE.values()}
    mean = cells.pop(MEAN, None)
    if mean is None:
        yield f"{_capital(row.approach)} shares no scored task with its base."
        return
    if all(cell.unchanged for cell in [mean, *cells.values()]):
        yield f"{_capital(row.approach)} changed no prediction."
        return
    moved = {
        way: [f"{column} ({number(cell.value, True)})" for column, cell in cells.items() if cell.arrow == way] for way in ("up", "down")
    }
    if not any(moved.values()):
        yield f"{_capital(row.approach)} moved none of {_tasks(len(cells))} beyond the 95 % band of all tasks."
    else:
        parts = [f"{word} on {listed(moved[way])}" for way, word in (("up", "better"), ("down", "worse")) if moved[way]]
        count = sum(map(len, moved.values()))
        yield f"{_capital(row.approach)} moved {count} of {_tasks(len(cells))} beyond the 95 % band of all tasks: {'; '.join(parts)}."
        if gains := [gain for gain in _one_sided_gains(row, table) if gain in moved["up"]]:
            yield f"{_capital(HELD_OUT.subject)} does not show the gain on {listed(gains)}."
    sign = {"up": "a gain", "down": "a loss", "": "not to be told from zero"}[mean.arrow]
    if mean.arrow and row.trainings == 1:
        sign += " of this one training"
    if mean.arrow == "up" and mean.one_sided:
        sign += f" that {HELD_OUT.subject} does not show"
    interval = f"[{number(mean.low, True)}, {number(mean.high, True)}]"
    yield f"Its mean difference is {number(mean.value, True)} points {interval}: {sign}."


def flags(table: Table) -> list[str]:
    """What a reader must know before trusting a number."""
    warnings = [note.text[:1].upper() + note.text[1:] + "." for note in table.notes if note.kind == "warning"]
    return list(dict.fromkeys([*warnings, *_one_sided(table), *_too_small(table)]))


def _one_sided(table: Table) -> Iterable[str]:
    for row in table.rows:
        there, other = FITS[row.fit], next(fit for fit in FITS.values() if fit.name != row.fit)
        if gains := _one_sided_gains(row, table):
            probe = f" ({row.probe})" if row.probe else ""
            yield f"{row.approach}{probe}: a gain in {there.subject} only, which {other.subject} does not show, on {listed(gains)}."


def _one_sided_gains(row: Row, table: Table) -> list[str]:
    cells = [pair for pair in zip(table.columns, row.cells, strict=True) if pair[0] not in BESIDE.values()]
    return [f"{column} ({number(cell.value, True)})" for column, cell in cells if cell.one_sided and cell.beyond == "up"]


def _too_small(table: Table) -> Iterable[str]:
    for row in table.rows:
        if row.kind != "delta":
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell.few is not None:
                    yield f"{column}: {cell.text}; fewer than {SMALLEST_CLASS} scored units in its rarest class."


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
