"""The table "base against tuned, task by task": computed from evaluation folders alone, every difference with its interval."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pathfm.errors import InputError
from pathfm.report import rendering
from pathfm.report.cells import Cell, Measured, mean_of, measure
from pathfm.report.evaluations import HEADLINE, Evaluation, over_folds, paired
from pathfm.report.notes import Note, notes_of
from pathfm.statistics.bootstrap import Draws
from pathfm.tasks.fits import FITS
from pathfm.tasks.registry import TASKS

MEAN = "mean Δ"


@dataclass(frozen=True)
class Row:
    """One line: the score of a base or of a tuned run, or the difference between the two."""

    fit: str  # "split" or "held_out"
    kind: str  # "base", "tuned" or "delta"
    approach: str
    run: str
    cells: tuple[Cell, ...]  # one a column of the table
    probe: str = HEADLINE  # or the name of a further probe

    @property
    def label(self) -> str:
        return f"{self.approach}, Δ" if self.kind == "delta" else self.approach


@dataclass(frozen=True)
class Table:
    """Pure data: the poster's columns and the mean difference, both fits, and what a reader must know about them."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    smoke: bool

    def block(self, fit: str, probe: str = HEADLINE) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.fit == fit and row.probe == probe)

    @property
    def titles(self) -> dict[tuple[str, str], str]:
        """The title of each block (fit, probe) that has a row: the headline's first, then those of further probes."""
        blocks = dict.fromkeys((row.fit, row.probe) for row in self.rows)
        return {(fit, probe): FITS[fit].title + (f" ({probe})" if probe else "") for fit, probe in blocks}

    def to_markdown(self) -> str:
        return rendering.markdown(self)

    def to_latex(self) -> str:
        return rendering.latex(self)

    def to_csv(self) -> str:
        return rendering.csv_text(self)


def make_table(folders: Iterable[str | Path], draws: Draws | None = None) -> Table:
    """The table of the evaluations in `folders`; InputError when one is unfinished or a pair must not be compared."""
    evaluations = [Evaluation.read(folder) for folder in folders]
    if not evaluations:
        raise InputError("no evaluation is given; name at least one folder that `python -m pathfm.evaluate` has finished")
    draws = draws or Draws()
    columns = _columns(evaluations)
    pairs = over_folds(paired(evaluations))
    blocks = dict.fromkeys(block for base, tuned in pairs for one in (base, *tuned) for block in one.blocks)
    rows = [row for block in blocks for row in _block(block, pairs, columns, draws)]
    shown = tuple(columns.values()) + (MEAN,)
    smoke = any(one.smoke for one in evaluations)
    return Table(shown, tuple(rows), tuple(notes_of(evaluations, pairs, rows, columns, draws)), smoke)


def _block(probe: str, pairs: list[tuple[Evaluation, list[Evaluation]]], columns: dict[str, str], draws: Draws) -> list[Row]:
    """The rows of one probe, or of the headline, fit by fit; rows without anything are left out."""
    rows = []
    every_tuned = [tuned for _, all_tuned in pairs for tuned in all_tuned]
    for base, all_tuned in pairs:
        ours = measure(base.block(probe), draws)
        label = base_label(base, [one for one, _ in pairs])
        rows += [Row(fit, "base", label, base.name, _cells(ours, fit, columns)) for fit in FITS]
        for tuned in all_tuned:
            same = ours if tuned.folds == base.folds else measure(base.of_folds(tuned.folds).block(probe), draws)
            rows += _tuned_rows(tuned, tuned_label(tuned, every_tuned), same, measure(tuned.block(probe), draws), columns)
    order = list(FITS)
    rows = [replace(row, probe=probe) for row in rows if not all(cell.empty for cell in row.cells)]
    return sorted(rows, key=lambda row: order.index(row.fit))


def base_label(base: Evaluation, bases: list[Evaluation]) -> str:
    """ "base"; of several with its name, and of those of one name with its choice of genes."""
    if len(bases) == 1:
        return "base"
    panel = base.about.get("panel_choice")
    several = sum(one.name == base.name for one in bases) > 1
    return f"base: {base.name} ({panel})" if several and panel else f"base: {base.name}"


def tuned_label(tuned: Evaluation, every_tuned: list[Evaluation]) -> str:
    """The approach, of several alike with the run's name."""
    alike = [one for one in every_tuned if one.approach == tuned.approach]
    return tuned.approach if len(alike) == 1 else f"{tuned.approach}: {tuned.name}"


def _columns(evaluations: list[Evaluation]) -> dict[str, str]:
    """Task to column: the poster's ten, then whatever else was scored."""
    columns = {task.name: task.column for task in TASKS}
    for one in evaluations:
        columns |= {task: column for task, column in zip(one.scores["task"], one.scores["column"], strict=True) if task not in columns}
    return columns


def _cells(measured: dict[tuple[str, str], Measured], fit: str, columns: dict[str, str]) -> tuple[Cell, ...]:
    """The last, the mean difference, stays empty."""
    return tuple(measured.get((task, fit), Measured()).cell() for task in columns) + (Cell(),)


def _tuned_rows(tuned: Evaluation, label: str, ours: dict, theirs: dict, columns: dict[str, str]) -> list[Row]:
    differences = {fit: [theirs.get((task, fit), Measured()).minus(ours.get((task, fit), Measured())) for task in columns] for fit in FITS}
    in_both = [all(one.value is not None for one in pair) for pair in zip(*differences.values(), strict=True)]
    rows = []
    for fit, found in differences.items():
        other = next(rest for name, rest in differences.items() if name != fit)
        cells = [replace(one.cell(), one_sided=_one_sided(one.cell(), match.cell())) for one, match in zip(found, other, strict=True)]
        alike = [mean_of([one for one, kept in zip(measured, in_both, strict=True) if kept]).cell() for measured in (found, other)]
        cells.append(replace(mean_of(found).cell(), one_sided=_one_sided(*alike)))
        rows.append(Row(fit, "tuned", label, tuned.name, _cells(theirs, fit, columns)))
        rows.append(Row(fit, "delta", label, tuned.name, tuple(cells)))
    return rows


def _one_sided(cell: Cell, match: Cell) -> bool:
    """Whether one fit shows a gain (an interval above 0) that the other, which has a value, does not."""
    if cell.value is None or match.value is None:
        return False
    return (cell.low > 0) != (match.low > 0)
