"""Trainings of one recipe on several seeds, which are one row of the table, each with the training of the base that it was tuned from."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pathfm.files import digest
from pathfm.report.evaluations import Evaluation, why_incomparable
from pathfm.report.measured import Measured
from pathfm.statistics.trainings import over_trainings

K = TypeVar("K", bound=Hashable)
Pairs = Sequence[tuple[Evaluation, list[Evaluation]]]


@dataclass(frozen=True)
class Trainings:
    """The evaluations of one row, by seed; of several folds each is over all of them."""

    each: tuple[Evaluation, ...]
    bases: tuple[Evaluation, ...]  # of each; of a base itself

    @property
    def first(self) -> Evaluation:
        return self.each[0]

    @property
    def names(self) -> str:
        return ", ".join(one.name for one in self.each)

    @property
    def lineages(self) -> list[int]:
        """What each drew its chance from: its training of the base where there are several of these, else itself."""
        bases = [id(base) for base in self.bases]
        return bases if len(set(bases)) > 1 else [id(one) for one in self.each]

    @property
    def number(self) -> int:
        """Of independent trainings."""
        return len(set(self.lineages))


@dataclass(frozen=True)
class Group:
    """A base, or its trainings, with the rows of what was tuned from it."""

    base: Trainings
    tuned: tuple[Trainings, ...]


def over_seeds(pairs: Pairs) -> list[Group]:
    """Pairs (already joined over folds) whose bases differ in their seed alone become one group, and so do the tuned runs within it."""
    of_bases = _series([base for base, _ in pairs])
    tuned_from = {id(base): all_tuned for base, all_tuned in pairs}
    return [_group(bases, [(base, tuned) for base in bases for tuned in tuned_from[id(base)]]) for bases in of_bases]


def _group(bases: Sequence[Evaluation], tuned: Sequence[tuple[Evaluation, Evaluation]]) -> Group:
    own = {id(one): base for base, one in tuned}
    rows = _series([one for _, one in tuned])
    return Group(Trainings(tuple(bases), tuple(bases)), tuple(Trainings(tuple(row), tuple(own[id(one)] for one in row)) for row in rows))


def _series(evaluations: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Those that may stand in one row, each row by seed, rows in the order given."""
    rows: list[list[Evaluation]] = []
    for one in evaluations:
        row = next((row for row in rows if _joins(row, one)), None)
        rows.append([one]) if row is None else row.append(one)
    return [sorted(row, key=lambda one: one.seed) for row in rows]


def _joins(row: Sequence[Evaluation], one: Evaluation) -> bool:
    return of_one_recipe(row[0], one) and not why_incomparable(row[0], one) and one.seed not in {other.seed for other in row}


def of_one_recipe(one: Evaluation, other: Evaluation) -> bool:
    """Whether the two are trainings of one recipe, scored alike; floors are none."""
    return not one.floor and not other.floor and one.card.get("recipe_hash") is not None and one.series == other.series


def apart(groups: Sequence[Group]) -> Iterator[str]:
    """Rows that share a recipe with one before them and are none of it: `NAME (why)`."""
    for rows in ([group.base for group in groups], *(group.tuned for group in groups)):
        for number, row in enumerate(rows):
            earlier = next((one.first for one in rows[:number] if of_one_recipe(one.first, row.first)), None)
            if earlier is not None:
                yield f"{row.names} ({why_incomparable(earlier, row.first) or 'trained on the same seed'})"


def mean_over(row: Trainings, each: Sequence[Mapping[K, Measured]]) -> dict[K, Measured]:
    """What was measured of each training of the row, as the mean over them; what some of them lack has no estimate."""
    keys = dict.fromkeys(key for one in each for key in one)
    return {key: _mean([one.get(key, Measured()) for one in each], row.lineages) for key in keys}


def _mean(each: Sequence[Measured], lineages: Sequence[int]) -> Measured:
    if len(each) == 1 or not any(one.there for one in each):
        return each[0]
    if not all(one.there for one in each):
        return Measured()
    return replace(
        each[0],
        estimate=over_trainings([one.estimate for one in each], lineages),
        unconverged=any(one.unconverged for one in each),
        predicted=digest([one.predicted for one in each]),
        unchanged=all(one.unchanged for one in each),
    )


def partly(groups: Sequence[Group]) -> Iterator[str]:
    """`NAME, NAME (COLUMN, COLUMN)`: the rows that lack a task which some of their trainings have."""
    for row in (row for group in groups for row in (group.base, *group.tuned)):
        columns = [dict(zip(one.scores["task"], one.scores["column"], strict=True)) for one in row.each]
        lacking = {task: column for some in columns for task, column in some.items() if any(task not in others for others in columns)}
        if lacking:
            yield f"{row.names} ({', '.join(lacking.values())})"
