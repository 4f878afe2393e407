"""What is drawn independently in a task: the site of the patient, the patient, or the image."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.report.evaluations import Evaluation
from pathfm.sources.barcodes import is_tcga
from pathfm.tasks.registry import BY_NAME

FEWEST_SITES = 3  # of fewer nothing can be said about further ones


@dataclass(frozen=True)
class Units:
    """The unit of each scored row, under a name that is the same in every task of the same people."""

    names: np.ndarray  # [rows] str
    kinds: tuple[str, ...]  # "site", "patient" or "image"; sites and patients where some sites are not known


def known_sites(evaluations: Iterable[Evaluation]) -> dict[str, str]:
    """Patient → site, as far as any of the evaluations knows it."""
    sites: dict[str, str] = {}
    for one in evaluations:
        tables = [one.predictions] if one.expression is None else [one.predictions, one.expression.obs]
        for table in tables:
            rows = table[["patient", "site"]].drop_duplicates().astype(object)
            rows = rows[rows["site"].map(_says_something).astype(bool)]
            sites |= dict(zip(rows["patient"].astype(str), rows["site"].astype(str), strict=True))
    return sites


def _says_something(site) -> bool:
    return isinstance(site, str) and site not in ("", "nan", "None")


def units_of(task: str, rows: pd.DataFrame, sites: Mapping[str, str]) -> Units:
    """The units of the scored `rows`, which have `patient`, and of images `unit`."""
    patients = rows["patient"].astype(str).to_numpy(object)
    of_cohort = task not in BY_NAME or BY_NAME[task].source == "cohort"
    prefix = "patient" if of_cohort or all(map(is_tcga, patients)) else f"{task} patient"
    places = [sites.get(patient) for patient in patients] if of_cohort else [None] * len(patients)
    if len(set(filter(None, places))) >= FEWEST_SITES:
        names = [f"{prefix} {patient}" if site is None else f"site {site}" for patient, site in zip(patients, places, strict=True)]
        return Units(np.array(names, str), ("site",) if all(places) else ("site", "patient"))
    images = not of_cohort and bool((rows["unit"].astype(str) == rows["patient"].astype(str)).all())
    return Units(np.array([f"{prefix} {patient}" for patient in patients], str), ("image",) if images else ("patient",))
