"""Families of ten tasks over one cohort in which nothing differs: how often a table shows an arrow, and whether the mean Δ covers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from coverage_worlds import DESIGNS, ClassWorld, GeneWorld, hospital_of

from pathfm.statistics.accuracy import accuracy_estimate
from pathfm.statistics.estimate import Estimate
from pathfm.statistics.expression import correlation_estimate
from pathfm.statistics.intervals import of_difference


@dataclass(frozen=True)
class Family:
    """Ten tasks: five of classes and one of expression over parts of one cohort, four of other images."""

    n: int
    hospitals: int
    tau: float
    between: float
    alike: float = 0.7

    def worlds(self) -> list[tuple[ClassWorld, np.ndarray]]:
        """Tasks of classes with the names of their hospitals; breast, kidney and lung each have a part of the cohort."""
        own = [(self.n, self.hospitals, 0.1), (self.n, self.hospitals, 0.4), *[(self.n // 4, self.hospitals // 3, 0.3)] * 3]
        cohort = [ClassWorld(n, hospitals, rare, tau=self.tau, alike=self.alike) for n, hospitals, rare in own]
        further = [ClassWorld(n, 80 if n > 500 else n, 0.4, alike=self.alike) for n in (132, 977, 1000, 100)]
        first = [0, 0, 0, self.hospitals // 3, 2 * (self.hospitals // 3), *(10**6 * (1 + np.arange(4)))]
        return [(world, start + hospital_of(world.n, world.hospitals)) for world, start in zip([*cohort, *further], first, strict=True)]

    def estimates(self, repeats: int, seed: int) -> Iterator[list[Estimate]]:
        """The ten Δ of each repeat; the truth is 0."""
        rng = np.random.default_rng([seed, self.n, self.hospitals])
        tasks, batch = self.worlds(), max(repeats // DESIGNS, 1)
        genes = GeneWorld(self.n, self.hospitals, self.between, alike=self.alike, genes=20)
        for _ in range(repeats // batch):
            classes = []
            for world, names in tasks:
                truth, hospital = world.truth(rng, names - names[0]), names - names[0]
                base, tuned = world.right(rng, hospital, 0, batch)
                classes.append(accuracy_estimate(truth, tuned.astype(float) - base, [f"{name:09d}" for name in names]))
            for repeat in range(batch):
                hospital = hospital_of(genes.n, genes.hospitals)
                units = np.array([f"{name:09d}" for name in hospital])
                truth, *predictions = genes.expression(rng, hospital, 0)
                ends = [correlation_estimate(one, truth, np.zeros(genes.n), units) for one in predictions]
                yield [*(one.repeat(repeat) for one in classes), ends[1].minus(ends[0])]


FAMILIES = (
    *(Family(600, 40, 0, 0, alike) for alike in (0.5, 0.7, 0.9)),
    *(Family(n, hospitals, tau, between) for n, hospitals in ((600, 40), (2000, 150)) for tau, between in ((0.03, 0.05), (0.06, 0.15))),
    Family(300, 24, 0.06, 0.1),
)


def leaves_zero_out(estimate: Estimate, level: float) -> bool:
    low, high = of_difference(estimate, level)
    return bool(low > 0 or high < 0)
