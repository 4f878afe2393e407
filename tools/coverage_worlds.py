"""Worlds in which the true difference between a base and a tuned encoder is known: classes and expression of patients of hospitals."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, truncnorm

RECALL = 0.65  # of the base
BASE_SPREAD = 0.03  # sd over hospitals of the base's recall, where hospitals differ
COMPOSITION = 0.7  # how unlike hospitals are in the classes of their patients
SKEW = 1.1  # sd of the log size of a hospital: 8 are worth 3–4 equal ones, 40 15, 678 220, as TCGA's
R = 0.35  # of a gene, with the base
GENES = 40
DESIGNS = 20  # divisions of the classes over hospitals
SHARED = 0.5  # of a gene's variance, by one factor of all genes


def hospital_sizes(n: int, hospitals: int) -> np.ndarray:
    """[hospitals]: patients, lognormal by quantiles, at least one each; as many hospitals as patients: one each."""
    if hospitals >= n:
        return np.ones(n, int)
    share = np.exp(SKEW * norm.ppf((np.arange(hospitals) + 0.5) / hospitals))
    exact = (n - hospitals) * share / share.sum()
    sizes = 1 + np.floor(exact).astype(int)
    sizes[np.argsort(np.floor(exact) - exact)[: n - sizes.sum()]] += 1
    return sizes


def hospital_of(n: int, hospitals: int) -> np.ndarray:
    """[n]: the hospital of each patient."""
    return np.repeat(np.arange(min(n, hospitals)), hospital_sizes(n, hospitals))


def bounded(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal within two sd, scaled to an sd of 1, so that no hospital's accuracy leaves 0 to 1."""
    return truncnorm.rvs(-2, 2, size=shape, random_state=rng) / truncnorm.std(-2, 2)


@dataclass(frozen=True)
class ClassWorld:
    """Patients of classes; a prediction of the base and of the tuned encoder is right or wrong."""

    n: int
    hospitals: int  # as many as patients: patients are independent
    rare: float = 0.5  # share of the first class
    classes: int = 2
    tau: float = 0.0  # sd over hospitals of the true Δ
    alike: float = 0.7  # correlation of base and tuned

    @property
    def clustered(self) -> bool:
        return self.hospitals < self.n

    def truth(self, rng: np.random.Generator, hospital: np.ndarray) -> np.ndarray:
        """[n]: classes in fixed numbers, unlike from hospital to hospital."""
        shares = np.array([self.rare] + [(1 - self.rare) / (self.classes - 1)] * (self.classes - 1))
        counts = np.round(shares * self.n).astype(int)
        counts[-1] = self.n - counts[:-1].sum()
        lean = COMPOSITION * rng.normal(size=self.hospitals)[hospital] if self.clustered else 0
        truth = np.empty(self.n, int)
        truth[np.argsort(lean + rng.gumbel(size=self.n))] = np.repeat(np.arange(self.classes), counts)
        return truth

    def right(self, rng: np.random.Generator, hospital: np.ndarray, gain: float, repeats: int) -> tuple[np.ndarray, np.ndarray]:
        """[repeats, n] of 0 and 1 for base and tuned, whose recalls differ by `gain` in the mean over hospitals."""
        count = hospital.max() + 1
        base = RECALL + (BASE_SPREAD * bounded(rng, (repeats, count)) if self.clustered else np.zeros((repeats, count)))
        tuned = base + gain + (self.tau * bounded(rng, (repeats, count)) if self.tau else 0)
        both = base * tuned + self.alike * np.sqrt(base * (1 - base) * tuned * (1 - tuned))
        both = np.minimum(both, np.minimum(base, tuned))
        first = rng.random((repeats, self.n)) < base[:, hospital]
        share = np.where(first, (both / base)[:, hospital], ((tuned - both) / (1 - base))[:, hospital])
        return first.astype(np.int8), (rng.random((repeats, self.n)) < share).astype(np.int8)


@dataclass(frozen=True)
class TrainedWorld:
    """Several trainings of one recipe, each with a gain of its own, scored on the same patients of a ClassWorld."""

    patients: ClassWorld
    trainings: int
    spread: float  # sd over trainings of the true gain
    own: float = 0.3  # share of the patients whom a training predicts by itself; the others as its recipe does
    bases: bool = False  # each from a training of its own of the base, whose recall has the same spread

    def right(
        self, rng: np.random.Generator, hospital: np.ndarray, gain: float | np.ndarray, repeats: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """[repeats, trainings, n] of 0 and 1 for bases and tuned, whose recalls differ by `gain` ([repeats, trainings, 1] of tasks that go
        together) in the mean over all trainings.
        """
        world, shape = self.patients, (repeats, self.trainings, hospital.max() + 1)
        of_base = RECALL + (BASE_SPREAD * bounded(rng, (repeats, 1, shape[2])) if world.clustered else np.zeros((repeats, 1, shape[2])))
        if self.bases:
            of_base = of_base + self.spread * bounded(rng, (*shape[:2], 1))
        of_tuned = of_base + gain + self.spread * bounded(rng, (*shape[:2], 1))
        of_tuned = of_tuned + (world.tau * bounded(rng, (repeats, 1, shape[2])) if world.tau else 0)
        both = of_base * of_tuned + world.alike * np.sqrt(of_base * (1 - of_base) * of_tuned * (1 - of_tuned))
        both = np.minimum(both, np.minimum(of_base, of_tuned))
        base = self._drawn(rng, repeats, of_base.shape[1]) < of_base[..., hospital]
        share = np.where(base, (both / of_base)[..., hospital], ((of_tuned - both) / (1 - of_base))[..., hospital])
        return base.astype(np.int8), (self._drawn(rng, repeats, self.trainings) < share).astype(np.int8)

    def _drawn(self, rng: np.random.Generator, repeats: int, trainings: int) -> np.ndarray:
        """[repeats, trainings, n] uniform: of most patients the same for all trainings."""
        shape = (repeats, trainings, self.patients.n)
        return np.where(rng.random(shape) < self.own, rng.random(shape), rng.random((repeats, 1, self.patients.n)))


@dataclass(frozen=True)
class GeneWorld:
    """Patients with measured and predicted expression; the population's r of every gene is R, and with the tuned encoder R + gain."""

    n: int
    hospitals: int
    between: float = 0.0  # share of the variance, of truth and of either prediction's error, that lies between hospitals
    folds: int = 1  # of whole hospitals
    alike: float = 0.7  # correlation of the errors of base and tuned
    genes: int = GENES

    def fold_of(self, hospital: np.ndarray) -> np.ndarray:
        return hospital % self.folds

    def expression(self, rng: np.random.Generator, hospital: np.ndarray, gain: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Truth and the predictions by base and tuned, [n, genes] each."""
        truth, error, other = (self._unit_variance(rng, hospital) for _ in range(3))
        errors = error, self.alike * error + np.sqrt(1 - self.alike**2) * other
        base, tuned = (r * truth + np.sqrt(1 - r**2) * one for r, one in zip((R, R + gain), errors, strict=True))
        return truth, base, tuned

    def _unit_variance(self, rng: np.random.Generator, hospital: np.ndarray) -> np.ndarray:
        of_hospitals, of_patients = (self._of_genes(rng, count) for count in (hospital.max() + 1, self.n))
        return np.sqrt(self.between) * of_hospitals[hospital] + np.sqrt(1 - self.between) * of_patients

    def _of_genes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        signs = np.where(np.arange(self.genes) % 2, 1, -1)
        return np.sqrt(SHARED) * rng.normal(size=(count, 1)) * signs + np.sqrt(1 - SHARED) * rng.normal(size=(count, self.genes))
