"""Several trainings of one recipe: how often the interval of their mean holds the recipe's Δ, and what other ways to make it would."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from coverage_families import leaves_zero_out
from coverage_worlds import DESIGNS, RECALL, ClassWorld, TrainedWorld, bounded, hospital_of
from scipy.stats import t as student

from pathfm.statistics.accuracy import accuracy_estimate
from pathfm.statistics.estimate import LEVEL, Estimate, mean_of
from pathfm.statistics.intervals import family_level, of_difference, of_share
from pathfm.statistics.trainings import over_trainings

SPREADS = (0, 0.02, 0.05)
NUMBERS = (2, 3, 5)
TRAINED_WORLDS = (
    *(TrainedWorld(ClassWorld(200, 200), trainings, spread) for trainings in NUMBERS for spread in SPREADS),
    *(TrainedWorld(ClassWorld(200, 8, tau=0.03), trainings, spread) for trainings in NUMBERS for spread in SPREADS),
    *(TrainedWorld(ClassWorld(600, 40, 0.1, tau=0.03), trainings, spread) for trainings in NUMBERS for spread in SPREADS),
    *(TrainedWorld(ClassWorld(2000, 150, tau=0.03), trainings, spread) for trainings in NUMBERS for spread in SPREADS),
    *(TrainedWorld(ClassWorld(600, 40, 0.1, tau=0.03), trainings, 0.02, own=0.8) for trainings in NUMBERS),
    *(TrainedWorld(ClassWorld(600, 40, 0.1, tau=0.03), trainings, 0.02, bases=True) for trainings in NUMBERS),
)
TRAINED_HEAD = (
    *("n", "hospitals", "trainings", "sd of Δ over them", "of each alone", "bases", "covers", "width", "of it trainings"),
    *("patients alone cover", "Satterthwaite covers", "interaction taken away", "its width", "score covers"),
)


def trained_estimates(world: TrainedWorld, gain: float, repeats: int, seed: int) -> Iterator[tuple[Estimate, list[Estimate], Estimate]]:
    """For each design: Δ as the report makes it, Δ of each training, and the tuned runs' score, [repeats] each."""
    rng = np.random.default_rng([seed, world.patients.n, world.patients.hospitals, world.trainings])
    hospital = hospital_of(world.patients.n, world.patients.hospitals)
    designs = min(DESIGNS, repeats)
    for _ in range(designs):
        truth = world.patients.truth(rng, hospital)
        base, tuned = world.right(rng, hospital, gain, repeats // designs)
        change, numbers = tuned.astype(float) - base, range(world.trainings)
        each, scores = ([accuracy_estimate(truth, one[:, number], hospital) for number in numbers] for one in (change, tuned))
        yield over_trainings(each, numbers), each, over_trainings(scores, numbers)


def interaction(each: Sequence[Estimate]) -> np.ndarray:
    """[repeats]: the part of the variance between trainings that these patients alone make, from the units' own differences."""
    influences = np.stack([one.influence for one in each])
    return ((influences - influences.mean(axis=0)) ** 2).sum(axis=(0, -1)) / (len(each) - 1)


def satterthwaite(estimate: Estimate) -> tuple[np.ndarray, np.ndarray]:
    """The interval with the degrees of freedom of Satterthwaite (1946) over both parts of the variance."""
    parts = estimate.of_sample**2 / estimate.freedom + estimate.of_trainings**2 / (estimate.trainings - 1)
    reach = student.ppf((1 + LEVEL) / 2, estimate.variance**2 / parts) * estimate.error
    return estimate.value - reach, estimate.value + reach


def without_interaction(estimate: Estimate, each: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """The report's interval where what the patients make of the spread is taken from it."""
    spread = estimate.of_trainings
    left = np.maximum(spread - interaction(each) / estimate.trainings, 0) / np.where(spread > 0, spread, 1)
    return of_difference(replace(estimate, training=estimate.training * np.sqrt(left)[..., None]))


def trained_rows(worlds: Sequence[TrainedWorld], repeats: int, seed: int, gain: float = 0.03) -> Iterator[list[str]]:
    for world in worlds:
        made = list(trained_estimates(world, gain, repeats, seed))
        ours = _ends(of_difference(one) for one, _, _ in made)
        alone = _ends(of_difference(replace(one, training=None)) for one, _, _ in made)
        others = _ends(satterthwaite(one) for one, _, _ in made), _ends(without_interaction(one, each) for one, each, _ in made)
        scores, share = _ends(of_share(one) for _, _, one in made), np.median(np.concatenate([one.share for one, _, _ in made]))
        hospitals = f"{world.patients.hospitals}" if world.patients.clustered else "–"
        first = [f"{world.patients.n}", hospitals, f"{world.trainings}", f"{100 * world.spread:g}", f"{100 * world.own:g} %"]
        found = [_covers(ours, gain), _width(ours), f"{100 * share:.0f} %", _covers(alone, gain), *(_covers(one, gain) for one in others)]
        yield [*first, "own" if world.bases else "one", *found, _width(others[1]), _covers(scores, RECALL + gain)]


TASKS = ((600, 40, 0.1, 0), (600, 40, 0.4, 0), *((150, 13, 0.3, 13 * part) for part in range(3)), (977, 80, 0.4, 10**6))
"""Patients, hospitals, share of the rarest class and first hospital of six tasks, five of them over one cohort."""
TOGETHER = 0.5  # of the variance between trainings: what a training does to all tasks alike
FAMILY_DRAWS = 4000


def trained_family(trainings: int, spread: float, repeats: int, seed: int) -> Iterator[list[Estimate]]:
    """Of each design the Δ of six tasks, [repeats]; the truth is 0."""
    rng = np.random.default_rng([seed, trainings])
    designs = min(DESIGNS, repeats)
    batch = repeats // designs
    for _ in range(designs):
        alike, found = bounded(rng, (batch, trainings, 1)), []
        for n, hospitals, rare, first in TASKS:
            world = TrainedWorld(
                ClassWorld(n, hospitals, rare, tau=0.03 if first < 10**6 else 0), trainings, np.sqrt(1 - TOGETHER) * spread
            )
            hospital = hospital_of(n, hospitals)
            truth, names = world.patients.truth(rng, hospital), [f"{first + number:09d}" for number in hospital]
            base, tuned = world.right(rng, hospital, np.sqrt(TOGETHER) * spread * alike, batch)
            change, numbers = tuned.astype(float) - base, range(trainings)
            found.append(over_trainings([accuracy_estimate(truth, change[:, number], names) for number in numbers], numbers))
        yield found


def trained_family_rows(repeats: int, seed: int) -> Iterator[list[str]]:
    for trainings in NUMBERS:
        for spread in SPREADS:
            made = list(trained_family(trainings, spread, repeats, seed))
            tasks = [100 * _holds(_ends(of_difference(one[task]) for one in made), 0) for task in range(len(TASKS))]
            means = [mean_of(one) for one in made]
            ends, alone = (_ends(of_difference(one) for one in some) for some in (means, [replace(one, training=None) for one in means]))
            arrows = []
            for one in made:
                for repeat in range(len(one[0].value)):
                    family = [task.repeat(repeat) for task in one]
                    level = family_level(family, draws=FAMILY_DRAWS)
                    arrows.append(any(leaves_zero_out(task, level) for task in family))
            first = [f"{trainings}", f"{100 * spread:g}", f"{min(tasks):.1f} to {max(tasks):.1f}"]
            yield [*first, _covers(ends, 0), _width(ends), _covers(alone, 0), f"{100 * np.mean(arrows):.1f}"]


TRAINED_FAMILY_HEAD = (
    *(
        "trainings",
        "sd of Δ over them",
        "six tasks cover",
        "mean Δ covers",
        "its width",
        "patients alone cover",
        "null tables with an arrow",
    ),
)


def _holds(ends: np.ndarray, truth: float) -> float:
    return float(np.mean((ends[0] <= truth) & (truth <= ends[1])))


def _ends(intervals: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """[2, repeats]"""
    return np.concatenate([np.stack(one) for one in intervals], axis=1)


def _covers(ends: np.ndarray, truth: float) -> str:
    return f"{100 * _holds(ends, truth):.1f}"


def _width(ends: np.ndarray) -> str:
    return f"{100 * np.median(ends[1] - ends[0]):.1f}"
