"""How often the intervals hold the truth: tables from simulated worlds, by the functions that make the report's intervals.

Usage: python tools/coverage.py [--repeats 1000] [--seed 0] [--only WORD of a table's title]. Some minutes on one core; docs/intervals.md
has what it printed.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from coverage_families import FAMILIES, Family, leaves_zero_out
from coverage_others import beside, mcnemar
from coverage_trainings import TRAINED_FAMILY_HEAD, TRAINED_HEAD, TRAINED_WORLDS, trained_family_rows, trained_rows
from coverage_worlds import DESIGNS, RECALL, ClassWorld, GeneWorld, R, hospital_of

from pathfm.statistics.accuracy import accuracy_estimate
from pathfm.statistics.estimate import Estimate, mean_of
from pathfm.statistics.expression import correlation_estimate
from pathfm.statistics.intervals import family_level, of_correlation, of_difference, of_share

GAIN = 0.03


@dataclass(frozen=True)
class Found:
    """What came of the intervals of one row, [repeats] each."""

    low: np.ndarray
    high: np.ndarray
    truth: float

    @property
    def covers(self) -> float:
        return float(np.mean((self.low <= self.truth) & (self.truth <= self.high)))

    @property
    def width(self) -> float:
        return float(np.median(self.high - self.low))

    @property
    def arrows(self) -> float:
        return float(np.mean((self.low > 0) | (self.high < 0)))


def percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f}"


def grid(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


CLASS_WORLDS = (
    *(ClassWorld(n, n, alike=alike) for n in (20, 60, 200, 2000) for alike in (0.5, 0.9)),
    *(ClassWorld(n, n, 0.1, alike=alike) for n in (100, 200, 2000) for alike in (0.5, 0.9)),
    ClassWorld(1000, 1000, 0.02, classes=20),
    *(ClassWorld(200, 8, 0.5, tau=tau) for tau in (0, 0.03, 0.06, 0.1)),
    *(ClassWorld(200, 12, 0.2, tau=tau) for tau in (0, 0.06)),
    *(ClassWorld(600, 40, 0.1, tau=tau, alike=alike) for tau, alike in ((0, 0.5), (0, 0.9), (0.03, 0.7), (0.06, 0.7), (0.1, 0.7))),
    *(ClassWorld(2000, 150, rare, tau=tau) for rare in (0.5, 0.1) for tau in (0, 0.03, 0.1)),
    ClassWorld(1500, 150, 0.01, classes=20, tau=0.03),
)

GENE_WORLDS = (
    *(GeneWorld(n, n, alike=alike) for n in (20, 60, 200, 2000) for alike in (0.5, 0.9)),
    *(GeneWorld(200, 8, between) for between in (0, 0.05, 0.15)),
    *(GeneWorld(600, 40, between) for between in (0, 0.05, 0.15)),
    *(GeneWorld(1000, 40, between, folds=5) for between in (0, 0.05, 0.15)),
    *(GeneWorld(2000, 150, between, folds=5) for between in (0.05, 0.15)),
)


def class_estimates(world: ClassWorld, gain: float, repeats: int, seed: int) -> Iterator[tuple]:
    """For each design: truth, hospital, right of base and tuned [repeats, n], and the estimates of both and of Δ."""
    rng = np.random.default_rng([seed, world.n, world.hospitals])
    hospital = hospital_of(world.n, world.hospitals)
    designs = min(DESIGNS, repeats)
    for _ in range(designs):
        truth = world.truth(rng, hospital)
        right = world.right(rng, hospital, gain, repeats // designs)
        base, tuned = (accuracy_estimate(truth, one, hospital) for one in right)
        yield truth, hospital, right, base, tuned.minus(base)


def intervals(estimates: Sequence[Estimate], of, truth: float) -> Found:
    ends = [of(one) for one in estimates]
    return Found(*(np.concatenate([np.atleast_1d(end[side]) for end in ends]) for side in (0, 1)), truth)


def class_rows(worlds: Sequence[ClassWorld], repeats: int, seed: int) -> Iterator[list[str]]:
    for world in worlds:
        null, gained = (list(class_estimates(world, gain, repeats, seed)) for gain in (0, GAIN))
        found = [intervals([one[-1] for one in made], of_difference, gain) for made, gain in ((null, 0), (gained, GAIN))]
        level = intervals([one[3] for one in null], of_share, RECALL)
        changed = np.mean([(one[2][0] != one[2][1]).sum(axis=1).mean() for one in null])
        effective = np.mean([one[-1].effective.mean() for one in null])
        hospitals = f"{world.hospitals} ({effective:.1f})" if world.clustered else f"– ({effective:.0f})"
        first = [f"{world.n}", f"{world.rare:g}, {world.classes}", hospitals, f"{100 * world.tau:g}", f"{world.alike:g}", f"{changed:.1f}"]
        ours = [percent(found[0].covers), percent(found[1].covers), percent(found[1].width), percent(found[0].arrows)]
        others = [percent(one.covers) for one in beside(world, gained, GAIN)]
        yield [*first, *ours, *others, percent(mcnemar(null)), percent(level.covers), percent(level.width)]


CLASS_HEAD = (
    *("n", "rarest class, classes", "hospitals (effective)", "sd of Δ over them", "correlation", "changed"),
    *("covers, Δ = 0", "covers, Δ = 3", "width", "arrows, Δ = 0", "SciPy covers", "GEE covers", "McNemar p < .05, Δ = 0"),
    *("score covers", "its width"),
)


def gene_estimates(world: GeneWorld, gain: float, repeats: int, seed: int) -> list[tuple[Estimate, Estimate]]:
    """Base and Δ of each repeat."""
    rng = np.random.default_rng([seed, world.n, world.hospitals])
    hospital = hospital_of(world.n, world.hospitals)
    found = []
    for _ in range(repeats):
        truth, *predictions = world.expression(rng, hospital, gain)
        base, tuned = (correlation_estimate(one, truth, world.fold_of(hospital), hospital) for one in predictions)
        found.append((base, tuned.minus(base)))
    return found


def gene_rows(worlds: Sequence[GeneWorld], repeats: int, seed: int) -> Iterator[list[str]]:
    for world in worlds:
        made = gene_estimates(world, GAIN, repeats, seed)
        found = intervals([one[1] for one in made], of_difference, GAIN)
        level = intervals([one[0] for one in made], of_correlation, R)
        effective = float(made[0][1].effective)
        hospitals = f"{world.hospitals} ({effective:.1f})" if world.hospitals < world.n else "–"
        first = [f"{world.n}", hospitals, f"{100 * world.between:g} %", f"{world.folds}", f"{world.alike:g}"]
        yield [*first, percent(found.covers), percent(found.width), percent(level.covers), percent(level.width)]


GENE_HEAD = (
    "n",
    "hospitals (effective)",
    "variance between them",
    "folds",
    "correlation",
    "covers, Δ = 3",
    "width",
    "r covers",
    "its width",
)


def family_rows(families: Sequence[Family], repeats: int, seed: int) -> Iterator[list[str]]:
    for family in families:
        made = list(family.estimates(repeats, seed))
        single = [intervals([one[task] for one in made], of_difference, 0.0) for task in range(len(made[0]))]
        mean = intervals([mean_of(one) for one in made], of_difference, 0.0)
        levels = [family_level(one) for one in made]
        arrows = [[leaves_zero_out(task, level) for task in one] for one, level in zip(made, levels, strict=True)]
        loose = np.mean([any(leaves_zero_out(task, 0.95) for task in one) for one in made])
        first = [f"{family.n}", f"{family.hospitals}", f"{100 * family.tau:g}", f"{100 * family.between:g} %", f"{family.alike:g}"]
        covers = [one.covers for one in single]
        ours = [f"{percent(min(covers))} to {percent(max(covers))}", percent(mean.covers), percent(mean.width)]
        yield [*first, *ours, percent(np.mean([any(one) for one in arrows])), percent(loose)]


FAMILY_HEAD = (
    *("n", "hospitals", "sd of Δ over them", "gene variance between them", "correlation", "ten tasks cover", "mean Δ covers", "its width"),
    *("null tables with an arrow", "… were an arrow one interval's"),
)


def report(repeats: int, seed: int, only: str = "") -> Iterator[str]:
    """The tables whose title has `only` in it, line by line."""
    for title, head, rows in (
        ("Δ of balanced accuracy", CLASS_HEAD, class_rows(CLASS_WORLDS, repeats, seed)),
        ("Δ of mean gene r", GENE_HEAD, gene_rows(GENE_WORLDS, repeats, seed)),
        ("Ten tasks together, no difference in any", FAMILY_HEAD, family_rows(FAMILIES, repeats, seed)),
        ("Several trainings, Δ = 3 of balanced accuracy", TRAINED_HEAD, trained_rows(TRAINED_WORLDS, repeats, seed)),
        ("Six tasks together, several trainings, no difference in any", TRAINED_FAMILY_HEAD, trained_family_rows(repeats, seed)),
    ):
        if only not in title:
            continue
        yield f"### {title}"
        yield ""
        yield from grid(head, rows)
        yield ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="the tables with this word in their title")
    arguments = parser.parse_args()
    for line in report(arguments.repeats, arguments.seed, arguments.only):
        print(line, flush=True)
