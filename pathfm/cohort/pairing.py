"""Which slide belongs to which RNA profile: case + sample type for TCGA, sample or patient for other hospitals; tumour only."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from pathfm.cohort.aliquots import choose_aliquot
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.slide_rows import gather
from pathfm.errors import InputError
from pathfm.files import read_parquet
from pathfm.sources import sample_types
from pathfm.sources.patients import folded

BY_TYPE = "case + sample type"
BY_SAMPLE = "sample"
BY_PATIENT = "patient"
RULES = (BY_TYPE, BY_SAMPLE, BY_PATIENT)
SHOWN = 10

SLIDE_COLUMNS = ["slide", "patient", "sample", "sample_type", "project", "site", "tiles", "status"]
PAIR_COLUMNS = ["slide", "aliquot", "patient", "sample_type", "site", "project", "rule"]

UNTYPED = "no sample type is given (the sheet needs a column `Sample Type`, such as Primary Tumor, for `pathfm expression`)"
SPELT = "the slides' and the RNA's tables spell its patient differently (upper and lower case count)"

Types = Mapping[tuple[str, str], set[str]]


@dataclass(frozen=True)
class Pairing:
    """The pairs, a row per slide with PAIR_COLUMNS, and what found no partner: name → reason."""

    pairs: pd.DataFrame
    slides_left_out: dict[str, str]
    profiles_left_out: dict[str, str]


@dataclass(frozen=True, order=True)
class _Offer:
    """The profiles that a slide may pair with, all of one sample type; the smallest offer of a patient's slides is taken first."""

    type_rank: int
    rule_rank: int
    sample: str
    aliquots: tuple[str, ...]

    @property
    def rule(self) -> str:
        return RULES[self.rule_rank]


def read_slides(folder: CohortFolder) -> pd.DataFrame:
    """`slides.parquet`, gathered anew from what the jobs that tile have left; InputError when the cohort has none."""
    gather(folder)
    if not folder.slides.exists():
        raise InputError(f"the cohort {folder.root} has no slides.parquet; make it with `pathfm tile`")
    return read_parquet(folder.slides, SLIDE_COLUMNS)


def pair(slides: pd.DataFrame, profiles: pd.DataFrame, stated: Types | None = None) -> Pairing:
    """Pairs tiled slides (SLIDE_COLUMNS) with RNA profiles (PROFILE_COLUMNS) of tumour; what is not known to be tumour has no partner.

    A patient gets one profile. A slide whose name tells its sample type takes RNA of the same case and type: a diagnostic slide (vial Z)
    has no RNA of its own. Any other slide takes the RNA of its sample; where that has none, RNA of its type, if the RNA's sheet tells it,
    else of its patient, of the lowest type. `stated` tells the types of samples beside those of `profiles`: (patient, sample) → types.
    Of what a patient's slides may take, the lowest sample type is taken, and of several aliquots the one that `choose_aliquot` names;
    slides that may not pair with it are left out.
    """
    slides_out: dict[str, str] = {}
    profiles_out: dict[str, str] = {}
    slide_rows, profile_rows = _rows(slides, "slide"), _rows(profiles, "aliquot")
    types = _types(profile_rows, stated or {})
    in_rna, in_slides = _owners(types), _owners(map(_sample, slide_rows))
    tiled = _fit(slide_rows, "slide", slides_out, lambda slide: _untiled(slide) or _strange(slide, in_rna, in_slides))
    slides_of = _by_patient(_tumours(tiled, "slide", slides_out, types))
    profiles_of = _by_patient(_tumours(_fit(profile_rows, "aliquot", profiles_out, _nobodys), "aliquot", profiles_out, types, UNTYPED))
    spelt = {folded(patient): patient for patient in profiles_of}, {folded(patient): patient for patient in slides_of}
    pairs = []
    for patient in sorted(slides_of.keys() | profiles_of.keys()):
        pairs += _pair_patient(slides_of.get(patient, []), profiles_of.get(patient, []), slides_out, profiles_out)
        if patient not in profiles_of and folded(patient) in spelt[0]:
            slides_out |= {slide["slide"]: SPELT for slide in slides_of[patient]}
        if patient not in slides_of and folded(patient) in spelt[1]:
            profiles_out |= {profile["aliquot"]: SPELT for profile in profiles_of[patient]}
    return Pairing(pd.DataFrame(pairs, columns=PAIR_COLUMNS, dtype=object), slides_out, profiles_out)


def _rows(table: pd.DataFrame, name: str) -> list[dict]:
    """The rows in the order of their names, null as None."""
    plain = table.astype(object).where(table.notna(), None)
    return plain.sort_values(name).to_dict("records")


def _types(profiles: list[dict], stated: Types) -> dict[tuple[str, str], set[str]]:
    """(patient, sample) → the sample types that anything tells of it; empty for a sample without one. Samples are folded."""
    types = defaultdict(set)
    for (patient, sample), found in stated.items():
        types[patient, folded(sample)] |= found
    for profile in profiles:
        types[_sample(profile)] |= {profile["sample_type"]} - {None}
    return {name: found for name, found in types.items() if all(name)}


def _sample(row: dict) -> tuple[str | None, str]:
    """Patient and sample; of one patient no two samples are told apart by upper and lower case alone."""
    return row["patient"], folded(row["sample"] or "")


def _owners(samples: Iterable[tuple[str | None, str]]) -> dict[str, set[str | None]]:
    owners = defaultdict(set)
    for patient, sample in samples:
        owners[sample].add(patient)
    return owners


def _fit(rows: list[dict], name: str, left_out: dict[str, str], unfit) -> Iterator[dict]:
    for row in rows:
        if reason := unfit(row):
            left_out[row[name]] = reason
        else:
            yield row


def _untiled(slide: dict) -> str | None:
    if slide["status"] != "done":
        return "it was not tiled"
    return _nobodys(slide) if slide["tiles"] else "it has no tiles"


def _nobodys(row: dict) -> str | None:
    return None if row["patient"] else "its patient is not known"


def _strange(slide: dict, in_rna: Mapping[str, set], in_slides: Mapping[str, set]) -> str | None:
    """A sample that is this patient's among the slides and another's in the RNA's sheet; a name that several patients use tells nothing."""
    patient, sample = _sample(slide)
    known = in_rna.get(sample)
    return "the RNA's sheet gives its sample to another patient" if known and patient not in known and len(in_slides[sample]) == 1 else None


def _tumours(rows: Iterator[dict], name: str, left_out: dict[str, str], types: Types, untyped: str | None = None) -> Iterator[dict]:
    """The rows with their `tissue`, the type by their name or their sample's, where it is tumour, or None where `untyped` is no reason."""
    for row in rows:
        found = {row["sample_type"]} - {None} | types.get(_sample(row), set())
        if len(found) > 1 and all(map(sample_types.is_tumour, found)):
            found -= {sample_types.TUMOR}
        tissue = next(iter(found), None)
        if len(found) > 1:
            left_out[row[name]] = f"several sample types are given: {', '.join(sorted(map(sample_types.name_of, found)))}"
        elif tissue is None and untyped:
            left_out[row[name]] = untyped
        elif tissue is None or sample_types.is_tumour(tissue):
            yield row | {"tissue": tissue}
        else:
            known = "" if sample_types.is_decided(tissue) else " known to be"
            left_out[row[name]] = f"not{known} tumour tissue ({sample_types.name_of(tissue)})"


def _by_patient(rows: Iterator[dict]) -> dict[str, list[dict]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["patient"]].append(row)
    return groups


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


def _offer(slide: dict, profiles: list[dict]) -> _Offer | None:
    """What the slide may take; nothing when its type is known and the patient has no RNA of it."""
    own = [profile for profile in profiles if slide["sample"] and _sample(profile) == _sample(slide)]
    if not slide["sample_type"] and own:
        return _offered(BY_SAMPLE, own, slide["sample"])
    if slide["tissue"] not in (None, sample_types.TUMOR):
        return _offered(BY_TYPE, [profile for profile in profiles if profile["tissue"] == slide["tissue"]])
    lowest = min((profile["tissue"] for profile in profiles), key=sample_types.rank, default=None)
    return _offered(BY_PATIENT, [profile for profile in profiles if profile["tissue"] == lowest])


def _offered(rule: str, profiles: list[dict], sample: str = "") -> _Offer | None:
    if not profiles:
        return None
    aliquots = tuple(profile["aliquot"] for profile in profiles)
    return _Offer(sample_types.rank(profiles[0]["tissue"]), RULES.index(rule), sample, aliquots)


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
