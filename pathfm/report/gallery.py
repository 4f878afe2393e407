"""The gallery of tiles: which tiles of other patients a tile is nearest to, by base and tuned encoder, and where that changed most."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.report.evaluations import Evaluation
from pathfm.report.figures import Named
from pathfm.report.robustness import NEIGHBOURS
from pathfm.report.tiles import Tiles
from pathfm.statistics.confounds import neighbours, neighbours_in_common

MOST_RUNS = 8
MOST_QUERIES = 6  # tiles of each kind
SHOWN = 5  # nearest tiles of each
FINER = 5 * NEIGHBOURS  # by so many neighbours tiles are told apart that have as many of the nearest in common
FEWEST_PATIENTS = 3
SPREAD = (("cancer", "site"), ("cancer",), ("site",), ("patient",))  # by what tiles are made to differ, as long as there are such
NOT_KNOWN = "not known"
AGAIN = "was evaluated by a version of pathfm that kept no tiles; evaluate it again"
BROUGHT = "is of features that were brought, which have no tiles"


@dataclass(frozen=True)
class Picture:
    """A tile, and how it stands to the tile that was asked about."""

    address: str  # data:
    words: str  # for who cannot see it
    cancer: str
    site: str
    same_cancer: bool = False
    same_site: bool = False
    shared: bool = False  # among the nearest of base and tuned alike


@dataclass(frozen=True)
class Row:
    """A tile and its nearest tiles by each encoder."""

    query: Picture
    common: int  # of its nearest tiles, how many base and tuned have in common
    strips: tuple[tuple[str, tuple[Picture, ...]], ...]  # encoder, its nearest tiles


@dataclass(frozen=True)
class Gallery:
    """A tuned run beside its base."""

    title: str
    caption: str
    nearest: tuple[Row, ...]
    changed: tuple[Row, ...]


def galleries(pairs: Sequence[tuple[Evaluation, list[Evaluation]]], runs: dict[int, Named]) -> tuple[list[Gallery], list[str]]:
    """One for each tuned run whose evaluation and whose base's kept their tiles, at most MOST_RUNS; and why others have none."""
    found, why = [], [f"{run.name} {BROUGHT}" for run in runs.values() if not run.evaluation.about.get("seen_patients_known", True)]
    for base, tuned in pairs:
        for one in tuned:
            names = runs[id(base)].name, runs[id(one)].name
            missing = [reason for name, other in zip(names, (base, one), strict=True) if (reason := _lacking(name, other))]
            both = _both(base, one)
            if missing or both is None:
                why += missing or [f"{names[1]} and its base have too few test patients in common"]
            elif len(found) == MOST_RUNS:
                why.append(f"{names[1]} is left out: a page shows the tiles of {MOST_RUNS} runs")
            else:
                found.append(gallery(*names, *both))
    return found, [f"{reason}." for reason in dict.fromkeys(why)]


def _lacking(name: str, evaluation: Evaluation) -> str:
    """Why an evaluation has no tiles; an empty text when it has."""
    return "" if any(one.files.tiles.exists() for one in evaluation.by_fold or (evaluation,)) else f"{name} {AGAIN}"


def _both(base: Evaluation, tuned: Evaluation) -> tuple[Tiles, Tiles, str] | None:
    """The tiles that both have of the first fold of which both have any, rows alike, and the fold in words; None: too few patients."""
    of_fold = {tuple(one.folds): one for one in base.by_fold or (base,)}
    for one in tuned.by_fold or (tuned,):
        other = of_fold.get(tuple(one.folds))
        if other is None or (ours := other.files.read_tiles()) is None or (theirs := one.files.read_tiles()) is None:
            continue
        places = {name: row for row, name in enumerate(theirs.names)}
        rows = [row for row, name in enumerate(ours.names) if name in places]
        ours = ours.take(rows)
        if ours.table["patient"].nunique() >= FEWEST_PATIENTS:
            return ours, theirs.take([places[name] for name in ours.names]), f", fold {one.folds[0]}" if tuned.by_fold else ""
    return None


def gallery(base: str, run: str, ours: Tiles, theirs: Tiles, fold: str = "") -> Gallery:
    """Of the tiles of a base and of a run that was tuned from it, rows alike."""
    patients = ours.table["patient"].to_numpy(str)
    left = len(patients) - int(np.unique(patients, return_counts=True)[1].max())  # tiles of other patients, for who has fewest
    finer = min(FINER, left)
    near = [neighbours(tiles.features, finer, patients) for tiles in (ours, theirs)]
    k = min(NEIGHBOURS, left)
    common = neighbours_in_common(*(one[:, :k] for one in near))
    moved = np.lexsort((neighbours_in_common(*near), common))
    drawer = _Drawer(ours.table, (base, run), near, common)
    chosen = spread_over(ours.table, range(len(patients)), SPREAD)
    changed = spread_over(ours.table, [row for row in moved if common[row] < k], SPREAD[-1:])
    chance = np.mean([k / (patients != patient).sum() for patient in patients])
    return Gallery(
        title=f"{run} beside {base}{fold}",
        caption=f"{len(patients):,} tiles of {len(np.unique(patients))} test patients, drawn by their names. Of a tile’s {k} nearest tiles "
        f"of other patients, by cosine, base and tuned have {common.mean():.1f} in common on average; by chance {k * chance:.1f}.",
        nearest=tuple(map(drawer.row, chosen)),
        changed=tuple(map(drawer.row, changed)),
    )


def spread_over(table: pd.DataFrame, order: Sequence[int], passes: Sequence[tuple[str, ...]]) -> list[int]:
    """At most MOST_QUERIES rows of the table in this order: in each pass those that differ from all chosen so far in all its columns."""
    words = {column: table[column].to_numpy(str) for columns in passes for column in columns}
    chosen: list[int] = []
    for columns in passes:
        for row in order:
            if len(chosen) < MOST_QUERIES and all(words[column][row] not in words[column][chosen] for column in columns):
                chosen.append(int(row))
    return chosen


@dataclass(frozen=True)
class _Drawer:
    table: pd.DataFrame
    encoders: tuple[str, str]
    near: Sequence[np.ndarray]  # of each encoder [tiles, neighbours]
    common: np.ndarray

    def row(self, number: int) -> Row:
        shown = [one[number, :SHOWN] for one in self.near]
        shared = set(shown[0]) & set(shown[1])
        strips = tuple(
            (name, tuple(self.picture(tile, number, rank, tile in shared) for rank, tile in enumerate(tiles, start=1)))
            for name, tiles in zip(self.encoders, shown, strict=True)
        )
        return Row(self.picture(number), int(self.common[number]), strips)

    def picture(self, tile: int, of: int | None = None, rank: int = 0, shared: bool = False) -> Picture:
        row = self.table.iloc[tile]
        known = {name: row[name] or NOT_KNOWN for name in ("cancer", "site")}
        same = {name: of is not None and row[name] != "" and row[name] == self.table[name].iloc[of] for name in known}
        words = f"{known['cancer']}, hospital {known['site']}"
        if of is not None:
            words = f"nearest number {rank}: {words}" + (", shown for both encoders" if shared else "")
        address = f"data:image/jpeg;base64,{base64.b64encode(row['thumbnail']).decode()}"
        return Picture(address, f"Tile, {words}", **known, same_cancer=same["cancer"], same_site=same["site"], shared=shared)
