"""The table "base against tuned, task by task": computed from evaluation folders alone, every difference with its interval."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathfm.errors import InputError
from pathfm.report import rendering
from pathfm.report.cells import Cell
from pathfm.report.evaluations import HEADLINE, Evaluation, over_folds, paired
from pathfm.report.floors import floors_of, marked
from pathfm.report.limits import Limits, limits_of
from pathfm.report.measured import BESIDE, EXPRESSION, Key, Measured, mean_difference, measure
from pathfm.report.notes import Note, notes_of
from pathfm.report.trainings import Group, Trainings, mean_over, over_seeds
from pathfm.report.units import known_sites
from pathfm.report.words import MEAN
from pathfm.statistics.estimate import LEVEL, difference_of
from pathfm.statistics.intervals import family_level, of_difference
from pathfm.tasks.fits import FITS
from pathfm.tasks.registry import TASKS


@dataclass(frozen=True)
class Row:
    """One line: the score of a base or of a tuned run, or the difference between the two."""

    fit: str  # "split" or "held_out"
    kind: str  # "base", "tuned" or "delta"
    approach: str
    run: str
    cells: tuple[Cell, ...]  # one a column of the table
    probe: str = HEADLINE  # or the name of a further probe
    trainings: int = 1  # of its recipe, whose spread is in the intervals where there are several

    @property
    def label(self) -> str:
        return f"{self.approach}, Δ" if self.kind == "delta" else self.approach


@dataclass(frozen=True)
class Table:
    """Pure data: the poster's columns and the mean difference, both fits, and what a reader must know about them."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    limits: tuple[Limits, ...]  # what each row of differences could have shown
    notes: tuple[Note, ...]
    smoke: bool

    def block(self, fit: str, probe: str = HEADLINE) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.fit == fit and row.probe == probe)

    def limits_of(self, fit: str, probe: str = HEADLINE) -> tuple[Limits, ...]:
        return tuple(one for one in self.limits if one.fit == fit and one.probe == probe)

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


def make_table(folders: Iterable[str | Path]) -> Table:
    """The table of the evaluations in `folders`; InputError when one is unfinished or a pair must not be compared."""
    evaluations = [Evaluation.read(folder) for folder in folders]
    if not evaluations:
        raise InputError("no evaluation is given; name at least one folder that `python -m pathfm.evaluate` has finished")
    sites, columns = known_sites(evaluations), _columns(evaluations)
    pairs = over_folds(paired(evaluations))
    groups = over_seeds(pairs)
    probes = dict.fromkeys(block for base, tuned in pairs for one in (base, *tuned) for block in one.blocks)
    blocks = [_block(probe, groups, columns, sites) for probe in probes]
    rows = tuple(row for block, _ in blocks for row in block)
    limits = tuple(one for _, block in blocks for one in block)
    smoke = any(one.smoke for one in evaluations)
    return Table(tuple(columns.values()), rows, limits, tuple(notes_of(evaluations, pairs, groups, rows, columns)), smoke)


def _block(probe: str, groups: list[Group], columns: dict[str, str], sites: dict[str, str]) -> tuple[list[Row], list[Limits]]:
    """The rows of one probe, or of the headline, fit by fit, and what its differences could show; rows without anything are left out."""
    rows: list[Row] = []
    limits: list[Limits] = []
    bases, every_base = [group.base.first for group in groups], [base for group in groups for base in group.base.each]
    every_tuned = [row.first for group in groups for row in group.tuned]
    for group in groups:
        ours = {id(base): measure(base.block(probe), sites) for base in group.base.each}
        label, together = base_label(group.base.first, bases) + counted(group.base), mean_over(group.base, list(ours.values()))
        below = [measure(one.block(probe), sites) for base in group.base.each for one in floors_of(base, every_base)]
        for fit in FITS:
            cells = marked(_cells(together, fit, columns), together, below, fit, columns)
            rows.append(Row(fit, "base", label, group.base.names, cells, trainings=group.base.number))
        for row in group.tuned:
            same = [
                ours[id(base)] if one.folds == base.folds else measure(base.of_folds(one.folds).block(probe), sites)
                for one, base in zip(row.each, row.bases, strict=True)
            ]
            each, label = [measure(one.block(probe), sites) for one in row.each], tuned_label(row.first, every_tuned) + counted(row)
            differences = {fit: _differences(row, same, each, fit, columns) for fit in FITS}
            rows += _tuned_rows(row, label, mean_over(row, each), differences, columns)
            limits += [limits_of(fit, label, found) for fit, found in differences.items() if any(one.there for one in found.values())]
    order = list(FITS)
    rows = [replace(row, probe=probe) for row in rows if not all(cell.empty for cell in row.cells)]
    return sorted(rows, key=lambda row: order.index(row.fit)), [replace(one, probe=probe) for one in limits]


def counted(row: Trainings) -> str:
    """What follows the name of a row of several trainings."""
    return f", {len(row.each)} trainings" if len(row.each) > 1 else ""


def base_label(base: Evaluation, bases: list[Evaluation]) -> str:
    """ "base"; of several with its name, and of those of one name with its choice of genes. A floor by its kind, of several with what it is
    laid under.
    """
    if base.floor:
        under = next((one.name for one in bases if one.weight_hash == base.floor["under"]), base.floor["under"][:8])
        several = sum(one.approach == base.approach for one in bases if one.floor) > 1
        return f"{base.approach}, under {under}" if several else base.approach
    bases = [one for one in bases if not one.floor]
    if len(bases) == 1:
        return "base"
    panel = base.about.get("panel_choice")
    several = sum(one.name == base.name for one in bases) > 1
    return f"base: {base.name} ({panel})" if several and panel else f"base: {base.name}"


def tuned_label(tuned: Evaluation, every_tuned: list[Evaluation]) -> str:
    """The approach, of several alike with the run's name; weights that training left as they were are called that."""
    alike = [one for one in every_tuned if one.approach == tuned.approach]
    label = tuned.approach if len(alike) == 1 else f"{tuned.approach}: {tuned.name}"
    return f"{label} (the weights of its base)" if tuned.unmoved else label


def _columns(evaluations: list[Evaluation]) -> dict[str, str]:
    """Task to column: the poster's ten, whatever else was scored, their mean, and last the further measures of expression."""
    columns = {task.name: task.column for task in TASKS}
    for one in evaluations:
        scores = one.scores[one.scores["headline"]]
        columns |= {task: column for task, column in zip(scores["task"], scores["column"], strict=True) if task not in columns}
    there = any(EXPRESSION in set(one.scores["task"]) for one in evaluations)
    return columns | {MEAN: MEAN} | (BESIDE if there else {})


def _cells(measured: dict[Key, Measured], fit: str, columns: dict[str, str]) -> tuple[Cell, ...]:
    """That of the mean difference stays empty."""
    return tuple(measured.get((task, fit), Measured()).cell() for task in columns)


def _differences(
    row: Trainings, ours: Sequence[Mapping[Key, Measured]], theirs: Sequence[Mapping[Key, Measured]], fit: str, columns: dict[str, str]
) -> dict[str, Measured]:
    """Over the row's trainings, each less its own base: by task and under MEAN over the tasks that have one."""
    each = [
        {task: tuned.get((task, fit), Measured()).minus(base.get((task, fit), Measured())) for task in columns}
        for base, tuned in zip(ours, theirs, strict=True)
    ]
    found = mean_over(row, each)
    return found | {MEAN: mean_difference(_of_tasks(found))}


def _of_tasks(found: dict[str, Measured]) -> list[Measured]:
    """Without the further measures of a task that is there already."""
    return [one for task, one in found.items() if task not in BESIDE and task != MEAN and one.there]


def _tuned_rows(
    tuned: Trainings, label: str, theirs: dict[Key, Measured], differences: dict[str, dict[str, Measured]], columns: dict[str, str]
) -> list[Row]:
    rows = []
    for fit, found in differences.items():
        other = next(rest for name, rest in differences.items() if name != fit)
        level = family_level([one.estimate for one in _of_tasks(found)])
        cells = []
        for task, one in found.items():
            pair = (one, other[task]) if task != MEAN else _means_of_both(found, other)
            band = _band(one, LEVEL if task in (MEAN, *BESIDE) else level)
            cells.append(replace(one.cell(), band=band, one_sided=_one_sided(*pair)))
        rows.append(Row(fit, "tuned", label, tuned.names, _cells(theirs, fit, columns), trainings=tuned.number))
        rows.append(Row(fit, "delta", label, tuned.names, tuple(cells), trainings=tuned.number))
    return rows


def _band(one: Measured, level: float) -> tuple[float, float] | None:
    """The interval of this level, in points."""
    if not one.there:
        return None
    low, high = of_difference(one.estimate, level)
    return 100 * float(low), 100 * float(high)


def _means_of_both(found: dict[str, Measured], other: dict[str, Measured]) -> tuple[Measured, Measured]:
    """The mean differences of two fits over the tasks that both have."""
    both = [task for task, one in found.items() if task not in (MEAN, *BESIDE) and one.there and other[task].there]
    return mean_difference([found[task] for task in both]), mean_difference([other[task] for task in both])


def _one_sided(one: Measured, match: Measured) -> bool:
    """Whether one fit shows a gain (an interval above 0) that the other does not, and the two differ by more than chance."""
    if not one.there or not match.there:
        return False
    if (one.cell().beyond == "up") == (match.cell().beyond == "up"):
        return False
    low, high = of_difference(difference_of(one.estimate, match.estimate), LEVEL)
    return bool(low > 0 or high < 0)
