"""The planted world: patients with hidden programmes, the hospitals that treat them, their labels, slides and aliquots.

Everything is a pure function of (patients, seed). The labels follow from the programmes by rank, so that classes are balanced; patients of
each class are dealt out to the hospitals in turn, so that every class lies in many of them.
"""

import uuid
import zlib
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from string import ascii_uppercase

import numpy as np
import pandas as pd

from pathfm.cohort.sites import tcga_hospitals
from pathfm.errors import InputError

PROGRAMMES = ("proliferation", "immune", "gland", "necrosis")
NORMAL_TISSUE = np.array([-1.6, -0.6, 1.6, -2.0])
HABITS = ("cellularity", "nuclear size", "nuclear darkness", "fibres", "cytoplasm")

LEAST_HOSPITALS = 12
PATIENTS_PER_HOSPITAL = 10
LEAST_PATIENTS = 16
PATIENTS_FOR_KIDNEY = 144
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, eq=False)  # itself a key of caches
class World:
    """`people` has a row per patient, `slides` and `aliquots` a row per file (their column `person` is the row of `people`).

    `programmes` [patients, programmes] drive pictures and expression; `habits` [patients, habits] drive pictures alone. Both are
    roughly standard normal.
    """

    seed: int
    hospitals: tuple[str, ...]
    people: pd.DataFrame
    programmes: np.ndarray
    habits: np.ndarray
    slides: pd.DataFrame
    aliquots: pd.DataFrame

    def rng(self, *keys: str | int) -> np.random.Generator:
        """The generator that belongs to these keys, whoever asks and in whatever order."""
        return np.random.default_rng([self.seed, *(zlib.crc32(str(key).encode()) for key in keys)])


@lru_cache(maxsize=2)
def make_world(patients: int, seed: int) -> World:
    """The world of this many patients; InputError for fewer than sixteen (four classes in four hospitals each)."""
    if patients < LEAST_PATIENTS:
        raise InputError(f"--patients {patients} is too few for the demo's classes; give {LEAST_PATIENTS} or more")
    if seed < 0:
        raise InputError(f"--seed {seed} is negative; give 0 or more")
    rng = np.random.default_rng([seed, zlib.crc32(b"world")])
    programmes = rng.standard_normal((patients, len(PROGRAMMES)))
    habits = rng.standard_normal((patients, len(HABITS)))
    hospitals = tuple(map(site_code, range(max(LEAST_HOSPITALS, patients // PATIENTS_PER_HOSPITAL))))
    people = diagnoses(rng, programmes)
    people["site"] = [hospitals[index] for index in deal(rng, people, len(hospitals))]
    people.insert(0, "patient", [f"TCGA-{site}-{number:04d}" for number, site in enumerate(people["site"], start=1)])
    people["sequenced"] = rng.permutation(patients) >= patients // 32
    return World(seed, hospitals, people, programmes, habits, slide_table(rng, seed, people), aliquot_table(rng, seed, people))


def planted_programmes(world: World) -> pd.DataFrame:
    """The truth, patient × programme: what a probe of the planted programmes predicts."""
    return pd.DataFrame(world.programmes, columns=list(PROGRAMMES), index=pd.Index(world.people["patient"], name="patient"))


def diagnoses(rng: np.random.Generator, programmes: np.ndarray) -> pd.DataFrame:
    """Project, histology and TP53 of each patient, by rank of a noisy score of the programmes.

    A world of fewer than 144 patients has no kidney tumours, so that each hospital still sees patients of every class.
    """
    proliferation, immune, gland, necrosis = programmes.T
    patients = len(programmes)

    organs = ranked(rng, immune + 0.5 * necrosis, np.arange(patients), 2 if patients < PATIENTS_FOR_KIDNEY else 3)
    lobular, ductal = ranked(rng, gland, organs[0], 2)
    squamous, adeno = ranked(rng, gland - 0.7 * necrosis, organs[-1], 2)
    table = pd.DataFrame({"project": np.full(patients, "TCGA-BRCA"), "diagnosis": np.full(patients, "Infiltrating duct carcinoma, NOS")})
    table.loc[lobular, "diagnosis"] = "Lobular carcinoma, NOS"
    table.loc[squamous] = ["TCGA-LUSC", "Squamous cell carcinoma, NOS"]
    table.loc[adeno] = ["TCGA-LUAD", "Adenocarcinoma, NOS"]
    if len(organs) == 3:
        clear, papillary = ranked(rng, proliferation + 0.7 * gland, organs[1], 2)
        table.loc[clear] = ["TCGA-KIRC", "Clear cell adenocarcinoma, NOS"]
        table.loc[papillary] = ["TCGA-KIRP", "Papillary adenocarcinoma, NOS"]
    wild, mutant = ranked(rng, proliferation, np.arange(patients), 2)
    table["tp53"] = np.where(np.isin(np.arange(patients), mutant), "mutant", "wild type")
    return table


def ranked(rng: np.random.Generator, score: np.ndarray, members: np.ndarray, count: int) -> list[np.ndarray]:
    """The members (numbers into `score`) in `count` equal parts, by rank of their score and some noise."""
    noisy = score[members] + 0.5 * rng.standard_normal(len(members))
    return np.array_split(members[np.argsort(noisy)], count)


def deal(rng: np.random.Generator, people: pd.DataFrame, hospitals: int) -> np.ndarray:
    """The hospital of each patient: class by class, TP53 mutants first, one to each in turn."""
    order = (
        people[["project", "diagnosis", "tp53"]]
        .assign(chance=rng.random(len(people)))
        .sort_values(["project", "diagnosis", "tp53", "chance"])
        .index
    )
    turn = rng.permutation(hospitals)
    hospital = np.empty(len(people), np.int64)
    hospital[order] = turn[np.arange(len(people)) % hospitals]
    return hospital


def slide_table(rng: np.random.Generator, seed: int, people: pd.DataFrame) -> pd.DataFrame:
    """A diagnostic slide of everybody, a second one of every eighth patient, and frozen normal tissue of every twenty-fourth."""
    second, normal = chosen(rng, len(people), 8), chosen(rng, len(people), 24)
    rows = []
    for person, patient in enumerate(people["patient"]):
        names = [f"{patient}-01Z-00-DX1"] + [f"{patient}-01Z-00-DX2"] * (person in second) + [f"{patient}-11A-01-TS1"] * (person in normal)
        rows += [{"slide": f"{name}.{file_uuid(seed, name)}", "person": person, "normal": "-11A-" in name} for name in names]
    return pd.DataFrame(rows)


def aliquot_table(rng: np.random.Generator, seed: int, people: pd.DataFrame) -> pd.DataFrame:
    """An aliquot of everybody's tumour, a second vial of every twenty-fourth patient, and normal tissue of every sixteenth."""
    second, normal = chosen(rng, len(people), 24), chosen(rng, len(people), 16)
    rows = []
    for person, (patient, site) in enumerate(zip(people["patient"], people["site"], strict=True)):
        plate = f"A{zlib.crc32(site.encode()) % 900 + 100}"
        samples = ["01A"] + ["01B"] * (person in second) + ["11A"] * (person in normal)
        for sample in samples:
            aliquot = f"{patient}-{sample}-11R-{plate}-07"
            file = f"{file_uuid(seed, aliquot, 'file')}.rna_seq.augmented_star_gene_counts.tsv"
            row = {
                "aliquot": aliquot,
                "person": person,
                "normal": sample == "11A",
                "folder": file_uuid(seed, aliquot, "folder"),
                "file": file,
            }
            rows.append(row)
    return pd.DataFrame(rows)


def chosen(rng: np.random.Generator, patients: int, every: int) -> set[int]:
    return set(rng.permutation(patients)[: max(1, patients // every)].tolist())


def site_code(index: int) -> str:
    """In the form of TCGA's tissue source sites, and none of those that TCGA has given to a hospital: 0A, 0B and on."""
    codes = (first + second for first in ALPHABET for second in ascii_uppercase if first + second not in tcga_hospitals())
    return next(islice(codes, index, None))


def file_uuid(seed: int, *names: str) -> str:
    """The UUID, version 4 in form, that these names have in the world of this seed."""
    return str(uuid.UUID(bytes=sha256("/".join((str(seed), *names)).encode()).digest()[:16], version=4))
