"""Which slide belongs to which RNA profile: case + sample type for TCGA, sample or patient for other hospitals; tumour only."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.cohort import barcodes
from pathfm.cohort.aliquots import choose_aliquot
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.slide_rows import gather
from pathfm.errors import InputError
from pathfm.files import read_parquet

BY_TYPE = "case + sample type"
BY_SAMPLE = "sample"
BY_PATIENT = "patient"
SHOWN = 10

SLIDE_COLUMNS = ["slide", "patient", "sample", "sample_type", "project", "site", "tiles", "status"]
PROFILE_COLUMNS = ["aliquot", "patient", "sample", "sample_type", "project", "site"]
PAIR_COLUMNS = ["slide", "aliquot", "patient", "sample_type", "site", "project", "rule"]


@dataclass(frozen=True)
class Pairing:
    """The pairs, a row per slide with PAIR_COLUMNS, and what found no partner: name → reason."""

    pairs: pd.DataFrame
    slides_left_out: dict[str, str]
    profiles_left_out: dict[str, str]


@dataclass(frozen=True, order=True)
class _Offer:
    """The profiles that a slide may pair with; the smallest offer of a patient's slides is taken first."""

    rank: int
    key: str
    rule: str
    aliquots: tuple[str, ...]


def read_slides(folder: CohortFolder) -> pd.DataFrame:
    """`slides.parquet`, gathered anew from what the jobs that tile have left; InputError when the cohort has none."""
    gather(folder)
    if not folder.slides.exists():
        raise InputError(f"the cohort {folder.root} has no slides.parquet; make it with `pathfm tile`")
    return read_parquet(folder.slides, SLIDE_COLUMNS)


def read_profiles(folder: CohortFolder) -> pd.DataFrame:
    """The rows (`obs`) of `expression.h5ad`, without its matrix; InputError when the cohort has none."""
    import h5py
    from anndata.io import read_elem

    if not folder.expression.exists():
        raise InputError(f"the cohort {folder.root} has no expression.h5ad; make it with `pathfm expression`")
    try:
        with h5py.File(folder.expression, "r") as file:
            profiles = read_elem(file["obs"])
    except (OSError, KeyError) as error:
        raise InputError(f"{folder.expression} cannot be read as AnnData: {error}") from error
    missing = [column for column in PROFILE_COLUMNS if column not in profiles]
    if missing:
        raise InputError(f"{folder.expression} lacks the obs column {missing[0]!r}; make it again with `pathfm expression`")
    return profiles[PROFILE_COLUMNS]


def pair(slides: pd.DataFrame, profiles: pd.DataFrame) -> Pairing:
    """Pairs tiled tumour slides (SLIDE_COLUMNS) with tumour RNA profiles (PROFILE_COLUMNS).

    A patient gets one profile. A slide whose sample type is known takes RNA of the same case and type: a diagnostic slide (vial Z)
    has no RNA of its own. Any other slide takes the RNA of its sample, and where that has none, of its patient. Of several types or
    samples the lowest is taken, of several aliquots the one that `choose_aliquot` names; slides that may not pair with it are left
    out.
    """
    slides_out: dict[str, str] = {}
    profiles_out: dict[str, str] = {}
    slides_of = _by_patient(_rows(slides, "slide"), _unfit_slide, "slide", slides_out)
    profiles_of = _by_patient(_rows(profiles, "aliquot"), _unfit_tissue, "aliquot", profiles_out)
    pairs = []
    for patient in sorted(slides_of.keys() | profiles_of.keys()):
        pairs += _pair_patient(slides_of.get(patient, []), profiles_of.get(patient, []), slides_out, profiles_out)
    return Pairing(pd.DataFrame(pairs, columns=PAIR_COLUMNS), slides_out, profiles_out)


def _by_patient(rows: list[dict], unfit, name: str, left_out: dict[str, str]) -> dict[str, list[dict]]:
    fit = defaultdict(list)
    for row in rows:
        if reason := unfit(row):
            left_out[row[name]] = reason
        else:
            fit[row["patient"]].append(row)
    return fit


def _pair_patient(slides: list[dict], profiles: list[dict], slides_out: dict[str, str], profiles_out: dict[str, str]) -> list[dict]:
    """The pairs of one patient; notes the reasons of the others."""
    known = {profile["aliquot"]: profile for profile in profiles}
    offers = [_offer(slide, profiles) for slide in slides]
    chosen = choose_aliquot(min(filter(None, offers)).aliquots) if any(offers) else None
    pairs = []
    for slide, offer in zip(slides, offers, strict=True):
        if offer is None:
            slides_out[slide["slide"]] = "no RNA of its sample type" if known else "no tumour RNA of its patient"
        elif chosen not in offer.aliquots:
            slides_out[slide["slide"]] = "another sample of its patient was taken"
        else:
            pairs.append(_pair(slide, known[chosen], offer.rule))
    for aliquot in known.keys() - {chosen}:
        unwanted = "no slide of its sample type" if slides else "no tumour slide of its patient"
        profiles_out[aliquot] = "another aliquot of its patient was taken" if chosen else unwanted
    return pairs


def _rows(table: pd.DataFrame, name: str) -> list[dict]:
    """The rows in the order of their names, null as None."""
    plain = table.astype(object).where(table.notna(), None)
    return plain.sort_values(name).to_dict("records")


def _unfit_slide(slide: dict) -> str | None:
    if slide["status"] != "done":
        return "it was not tiled"
    if not slide["tiles"]:
        return "it has no tiles"
    return _unfit_tissue(slide)


def _unfit_tissue(row: dict) -> str | None:
    if not row["patient"]:
        return "its patient is not known"
    if row["sample_type"] and not barcodes.is_tumour(row["sample_type"]):
        return "not tumour tissue"
    return None


def _offer(slide: dict, profiles) -> _Offer | None:
    def having(column: str) -> tuple[str, ...]:
        return tuple(profile["aliquot"] for profile in profiles if profile[column] == slide[column])

    if slide["sample_type"]:
        same = having("sample_type")
        return _Offer(0, slide["sample_type"], BY_TYPE, same) if same else None
    if slide["sample"] and (same := having("sample")):
        return _Offer(1, slide["sample"], BY_SAMPLE, same)
    every = having("patient")
    return _Offer(2, "", BY_PATIENT, every) if every else None


def _pair(slide: dict, profile: dict, rule: str) -> dict:
    either = {column: slide[column] or profile[column] for column in ("sample_type", "site", "project")}
    return {"slide": slide["slide"], "aliquot": profile["aliquot"], "patient": slide["patient"], "rule": rule, **either}


def listing(left_out: Mapping[str, str], noun: str) -> list[str]:
    """A line per reason with the number of names and the first ten of them, the most frequent reason first."""
    lines = []
    for reason, count in Counter(left_out.values()).most_common():
        names = sorted(name for name in left_out if left_out[name] == reason)[:SHOWN]
        lines.append(f"{noun} left out, {reason}: {count:,} ({', '.join(names)}{', …' if count > SHOWN else ''})")
    return lines


def permuted_patients(patients: list[str], sites: list[str] | None, seed: int) -> list[str]:
    """Whose expression each patient gets in the null control: a seeded permutation, within sites where `sites` [patients] are given.

    It does not depend on the order in which the patients are named, and nobody keeps his own expression unless he is alone in his site.
    """
    group_of = dict(zip(patients, sites or [""] * len(patients), strict=True))
    members = defaultdict(list)
    for patient in sorted(group_of):
        members[group_of[patient]].append(patient)
    random = np.random.default_rng(seed)
    donor = {}
    for group in sorted(members):
        circle = [members[group][index] for index in random.permutation(len(members[group]))]
        donor |= zip(circle, circle[1:] + circle[:1], strict=True)
    return [donor[patient] for patient in patients]
