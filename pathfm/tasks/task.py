"""What a task is: its place in the table, and from features of patients or images to scores and predictions. No jax here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol

import numpy as np
import pandas as pd

from pathfm.benchmarks.benchmark import Benchmark
from pathfm.probes.bags import Bags, OfTiles
from pathfm.probes.driver import Probed
from pathfm.probes.held_out import PARTS
from pathfm.probes.protocol import Probe
from pathfm.progress import say
from pathfm.tasks.fits import FITS

FLAGS = ["too_small", "edge", "unconverged", "constant_genes", "resamples", "sites", "left_out"]
SCORES = [
    "task",
    "column",
    "probe",
    "fit",
    "fold",
    "metric",
    "headline",
    "value",
    "n",
    "smallest_class",
    "setting",
    "chosen",
    "parts",
    *FLAGS,
]
"""The columns of scores.parquet; docs/formats.md says what they mean."""
PREDICTIONS = ["task", "probe", "fit", "fold", "unit", "patient", "site", "truth", "prediction", "right", "probability"]
EXPRESSION_OBS = ["patient", "fold", "probe", "fit", "part", "site", "cancer"]


@dataclass(frozen=True)
class PredictedExpression:
    """Predicted and true expression of scored patients, rows alike: one row per patient, probe and fit."""

    prediction: np.ndarray  # float32 [rows, genes]
    truth: np.ndarray  # float32 [rows, genes]
    obs: pd.DataFrame  # patient, fold, probe, fit, part (of the held-out fit, else 0), site, cancer


@dataclass(frozen=True)
class Result:
    """What came out of a task: scores with their flags, and the predictions that they are of."""

    scores: pd.DataFrame  # the columns of SCORES
    predictions: pd.DataFrame | None = None  # of classes: the columns of PREDICTIONS
    expression: PredictedExpression | None = None


class Features(Protocol):
    """Frozen features of one encoder."""

    matrix: np.ndarray  # float32 [patients, features], rows as the people's
    of_images: Callable[[Benchmark], np.ndarray] | None  # → float32 [images, features]; None: the encoder is not here
    bags: Bags | None  # the tiles of each patient, rows as the matrix's; None: they were not kept


@dataclass(frozen=True)
class People:
    """The patients of the fold that have features, and what is known of them."""

    table: pd.DataFrame  # patient, role, site, cancer and the label of each task of the cohort (null: none)
    fold: int
    split_hash: str | None
    expression: np.ndarray | None = None  # float32 [patients, genes] in the panel's units; None: no panel
    by_site: bool = False  # the split keeps hospitals whole, and so does the held-out fit

    def known(self, column: str) -> pd.Series:
        """A column of the table; null for everybody where there is none."""
        return self.table[column] if column in self.table else pd.Series(None, self.table.index, dtype=object)

    @property
    def rows(self) -> "Rows":
        """The patients as rows of a probe."""
        sites = self.known("site").to_numpy(object)
        return Rows(self.table["patient"].to_numpy(), self.table["role"].to_numpy(), sites=sites, by_site=self.by_site)


@dataclass(frozen=True)
class Probing:
    """With which probes, and how."""

    probes: Sequence[Probe]  # the first that takes a task's target gives the table's headline
    balanced: bool = True  # classes weigh alike in a fit
    resamples: int = 0  # further fits on training patients drawn with replacement
    permutations: int = 1000  # for the number of genes better than chance
    seed: int = 0


@dataclass(frozen=True)
class Task(ABC):
    """A column of the table."""

    name: str
    column: str
    source: ClassVar[Literal["benchmark", "cohort"]]
    metric: ClassVar[str]  # the one that the table shows
    fits: ClassVar[tuple[str, ...]] = tuple(FITS)

    @abstractmethod
    def run(self, features: Features, people: People, probing: Probing) -> Result | None:
        """Scores and predictions of every probe that takes the task's target; None, with a line, where data or probes are not there."""


@dataclass(frozen=True)
class Rows:
    """The rows of a probe, [n] each: the unit (image or patient id), its patient (None: unknown, the unit counts as one), its role, and
    the site (hospital) that the patient is of (None or null: unknown, becomes "").
    """

    units: np.ndarray
    roles: np.ndarray  # "train", "val", "test"; without "val" a fifth of train is cut off for it
    patients: np.ndarray | None = None
    sites: np.ndarray | None = None
    by_site: bool = False  # the parts of the held-out fit are made of whole sites, as those of the split

    def __post_init__(self):
        object.__setattr__(self, "units", np.asarray(self.units, object))
        object.__setattr__(self, "roles", np.asarray(self.roles, object))
        object.__setattr__(self, "patients", self.units if self.patients is None else np.asarray(self.patients, object))
        known = [None] * len(self.units) if self.sites is None else self.sites
        object.__setattr__(self, "sites", np.array([site if isinstance(site, str) else "" for site in known], object))

    def take(self, rows: np.ndarray) -> "Rows":
        return Rows(self.units[rows], self.roles[rows], self.patients[rows], self.sites[rows], self.by_site)

    @property
    def whole(self) -> np.ndarray | None:
        """The sites that parts keep whole; None where parts are made of single patients."""
        return self.sites if self.by_site else None

    @property
    def hospitals(self) -> int:
        """How many the parts are made of; 0 where they are made of patients."""
        return len(np.unique(self.sites.astype(str))) if self.by_site else 0

    @property
    def in_few_hospitals(self) -> bool:
        """Whether the hospitals are too few for a held-out fit."""
        return self.by_site and self.hospitals < PARTS


def score_rows(values: dict[str, float], probe: Probe, probed: Probed | None, **facts) -> pd.DataFrame:
    """A row for each metric of one probe and fit; `facts` are further columns, and without `probed` nothing was fitted."""
    rows = pd.DataFrame({"metric": list(values), "value": list(values.values())}).assign(probe=probe.name, setting=probe.setting)
    of_fits = {"chosen": np.nan, "parts": 0, "edge": 0, "unconverged": 0}
    if probed is not None:
        of_fits = {name: getattr(probed, name) for name in of_fits}
    return rows.assign(**{"constant_genes": 0, "resamples": 0, "sites": 0, "left_out": "", **of_fits, **facts})


def able(probing: Probing, task: Task, target: type, bags: Bags | None = None) -> Probing | None:
    """Probing by the probes that take the target, and where there are no bags need none; None, with a line, when there is none."""
    taking = [probe for probe in probing.probes if target in probe.takes]
    probes = [probe for probe in taking if bags is not None or not isinstance(probe, OfTiles)]
    if lacking := [probe.name for probe in taking if probe not in probes]:
        say(f"{task.name}: {', '.join(lacking)} left out, which sees the tiles of patients, and here are none")
    if not probes:
        say(f"{task.name}: left out, no probe among {', '.join(probe.name for probe in probing.probes)} can be fitted to it")
        return None
    return replace(probing, probes=probes)
