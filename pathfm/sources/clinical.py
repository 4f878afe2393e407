"""Clinical tables → a project and diagnoses for each patient.

Read are the GDC's `clinical.tsv` (plain or prefixed columns, several rows a case), the `nationwidechildrens.org_clinical_patient_*.txt`
of its archive (three header lines), cBioPortal's patient and sample tables, those of Xena, TCGAbiolinks and the PanCan Atlas, and any table
of patient and cancer type. GDC's terms are those of ICD-O-3, the archive's those of TCGA's biospecimen core resource; cBioPortal's codes
are OncoTree's (http://oncotree.mskcc.org).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pathfm.errors import InputError
from pathfm.sources.columns import squash
from pathfm.sources.patients import BARCODE_COLUMNS, PATIENT_COLUMNS, find_patients
from pathfm.sources.tables import read_tables

CANCERS = frozenset(
    "ACC BLCA BRCA CESC CHOL COAD DLBC ESCA GBM HNSC KICH KIRC KIRP LAML LGG LIHC LUAD LUSC MESO OV PAAD PCPG PRAD READ SARC SKCM STAD "
    "TGCT THCA THYM UCEC UCS UVM".split()
)
PROJECT_COLUMNS = tuple(
    map(
        squash,
        "project_id project cancer_type_acronym cancer_type project_short_name cancer_type_abbreviation acronym disease_code "
        "admin.disease_code type".split(),
    )
)
DIAGNOSES = tuple(map(squash, "primary_diagnosis oncotree_code histological_type histologic_diagnosis".split()))
PRIMARY_DISEASE = squash("diagnosis_is_primary_disease")
FACTS = frozenset((*PROJECT_COLUMNS, *DIAGNOSES, "site", PRIMARY_DISEASE))
ENTITIES = re.compile(r"^((cases?|project|diagnoses|demographic)(\.\d+)?\.)+|\.(project|diagnoses|demographic)$", re.IGNORECASE)
BCR_FILE = re.compile(r"nationwidechildrens\.org_clinical_patient_([a-z]+)\.txt(\.gz)?['\"]?$", re.IGNORECASE)

BREAST = {
    "infiltrating duct carcinoma, nos": "IDC",
    "lobular carcinoma, nos": "ILC",
    "breast invasive ductal carcinoma": "IDC",
    "breast invasive lobular carcinoma": "ILC",
    "infiltrating ductal carcinoma": "IDC",
    "infiltrating lobular carcinoma": "ILC",
    "idc": "IDC",
    "ilc": "ILC",
}
UNSTATED = ("brca", "breast")
ONCOTREE_CANCER = {"CCRCC": "KIRC", "PRCC": "KIRP", "CHRCC": "KICH", "LUAD": "LUAD", "LUSC": "LUSC"}
OTHER = "other"


@dataclass
class Facts:
    """What the tables say of one patient; each set holds every distinct value that was seen.

    `breast` holds IDC, ILC and "other" (mixed, special types, other organs); `cancer` TCGA's abbreviations.
    """

    project: set[str] = field(default_factory=set)
    cancer: set[str] = field(default_factory=set)
    oncotree: set[str] = field(default_factory=set)
    breast: set[str] = field(default_factory=set)
    site: set[str] = field(default_factory=set)


def read_clinical(paths: Sequence[str | Path]) -> tuple[dict[str, Facts], Counter]:
    """Patient → facts, and counts of rows that were not used.

    Raises InputError for a table without patients or without any fact, and for one in which two columns name different patients.
    """
    facts: dict[str, Facts] = {}
    unused: Counter = Counter()
    for path in paths:
        tables = list(read_tables(path, _is_of_use, short_rows=True, suits=_suits))
        filled = [(name, table) for name, table in tables if len(table)]
        for name, table in filled or tables[:1]:
            _add_table(facts, unused, table, name)
    return facts, unused


def _is_of_use(name: str) -> bool:
    return squash(name) in {*PATIENT_COLUMNS, *BARCODE_COLUMNS} or _plain(name) in FACTS


def _suits(names: Sequence[str]) -> bool:
    """Whether a header is that of a clinical table, to find it in an archive: it names patients, and a project or a diagnosis."""
    who = {squash(name) for name in names if name} & {*PATIENT_COLUMNS, *BARCODE_COLUMNS}
    return bool(who) and bool(set(map(_plain, names)) & (FACTS - {"site", "type", PRIMARY_DISEASE}))


def _plain(name: str) -> str:
    """`diagnoses.primary_diagnosis` and `Primary Diagnosis` are `primarydiagnosis`; the n-th column of a name keeps its `.n`."""
    return squash(name) if squash(name) in FACTS else squash(ENTITIES.sub("", name))


def _add_table(facts: dict[str, Facts], unused: Counter, table: pd.DataFrame, name: str) -> None:
    patients = find_patients(table, name)
    told = BCR_FILE.search(name)
    if not told and not set(map(_plain, table)) & FACTS:
        raise InputError(
            f"{name} tells nothing of the labels: it has no column for project, cancer type, primary diagnosis or OncoTree code"
        )
    for patient, rows in zip(patients, _rows(table), strict=True):
        for row in rows:
            if patient is None:
                unused["row without a patient"] += 1
            elif "false" in map(str.lower, row[PRIMARY_DISEASE]):
                unused["row of another disease of the patient"] += 1
            else:
                _add(facts.setdefault(patient, Facts()), row)
                if told and told.group(1).upper() in CANCERS:
                    facts[patient].cancer.add(told.group(1).upper())


def _rows(table: pd.DataFrame) -> Iterator[list[dict[str, list[str]]]]:
    """The values of each row by plain names of columns; several where its diagnoses are numbered (`diagnoses.0.…`, `diagnoses.1.…`)."""
    numbers = {column: match.group(1) if (match := re.search(r"\.(\d+)\.", column)) else "" for column in table}
    columns = [(column, _plain(column), numbers[column]) for column in table if _plain(column) in FACTS]
    several = sorted({number for _, _, number in columns if number}) or [""]
    for values in table.to_dict("records"):
        rows = []
        for number in several:
            row: dict[str, list[str]] = defaultdict(list)
            for column, plain, own in columns:
                if own in ("", number) and values[column] is not None:
                    row[plain].append(values[column])
            rows.append(row)
        yield rows


def _add(facts: Facts, row: dict[str, list[str]]) -> None:
    facts.project.update(row["projectid"])
    for value in (value for column in PROJECT_COLUMNS for value in row[column]):
        code = value.upper().removeprefix("TCGA-")
        if code in CANCERS or value.startswith("TCGA-"):
            facts.cancer.add(code)
    facts.oncotree.update(map(str.upper, row["oncotreecode"]))
    for value in (value for column in DIAGNOSES for value in row[column]):
        if value.lower() not in UNSTATED:
            facts.breast.add(BREAST.get(value.lower(), OTHER))
    facts.site.update(row["site"])
