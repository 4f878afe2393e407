"""Clinical tables → a project and diagnoses for each patient.

Read are the GDC's `clinical.tsv` (plain or prefixed columns, several rows a case), cBioPortal's patient and sample tables, and any table
of patient and cancer type. GDC's terms are those of ICD-O-3; cBioPortal's codes are OncoTree's (http://oncotree.mskcc.org).
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pathfm.cohort import barcodes
from pathfm.cohort.tables import read_table
from pathfm.errors import InputError

CANCERS = frozenset(
    "ACC BLCA BRCA CESC CHOL COAD DLBC ESCA GBM HNSC KICH KIRC KIRP LAML LGG LIHC LUAD LUSC MESO OV PAAD PCPG PRAD READ SARC SKCM STAD "
    "TGCT THCA THYM UCEC UCS UVM".split()
)
PATIENT_COLUMNS = ("cases.submitter_id", "submitter_id", "case_submitter_id", "patient_id", "bcr_patient_barcode", "patient", "case_id")
PROJECT_COLUMNS = ("project_id", "project", "cancer_type_acronym", "cancer_type")
DIAGNOSIS_COLUMNS = ("primary_diagnosis", "oncotree_code", "site", "diagnosis_is_primary_disease")

BREAST = {
    "infiltrating duct carcinoma, nos": "IDC",
    "lobular carcinoma, nos": "ILC",
    "breast invasive ductal carcinoma": "IDC",
    "breast invasive lobular carcinoma": "ILC",
    "idc": "IDC",
    "ilc": "ILC",
}
UNSTATED = ("not reported", "unknown", "brca", "breast")
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


def read_clinical(paths: list[str | Path]) -> tuple[dict[str, Facts], Counter]:
    """Patient → facts, and counts of rows that were not used; raises InputError for a table without patients or without any fact."""
    facts: dict[str, Facts] = {}
    unused: Counter = Counter()
    for path in paths:
        table = _known_columns(path)
        for row in table.to_dict("records"):
            if row["patient"] is None:
                unused["row without a patient"] += 1
            elif (row.get("diagnosis_is_primary_disease") or "").lower() == "false":
                unused["row of another disease of the patient"] += 1
            else:
                _add(facts.setdefault(_patient(row["patient"]), Facts()), row)
    return facts, unused


def _known_columns(path: str | Path) -> pd.DataFrame:
    """The table's columns under plain names; of repeated columns the first that is filled counts."""
    wanted = {*PROJECT_COLUMNS, *DIAGNOSIS_COLUMNS, *PATIENT_COLUMNS}
    table = read_table(path, lambda name: _plain(name) in wanted)
    patient = _patient_column(table, path)
    columns: dict[str, pd.Series] = {}
    for name in sorted(table, key=lambda name: table[name].isna().all()):
        columns.setdefault(_plain(name), table[name])
    columns["patient"] = table[patient]
    if not columns.keys() & {*PROJECT_COLUMNS, *DIAGNOSIS_COLUMNS}:
        raise InputError(
            f"{path} tells nothing of the labels: it has no column for project, cancer type, primary diagnosis or OncoTree code"
        )
    return pd.DataFrame(columns)


def _plain(name: str) -> str:
    """`diagnoses.primary_diagnosis` and `PRIMARY_DIAGNOSIS` are `primary_diagnosis`; the n-th column of a name keeps its `.n`."""
    name = name.lower().replace(" ", "_")
    last = name.rpartition(".")[2]
    return name if last.isdigit() else last


def _patient_column(table: pd.DataFrame, path: str | Path) -> str:
    """The first column in the order of PATIENT_COLUMNS that is filled; in GDC's older tables other entities have submitter ids too."""
    lower = {name.lower().replace(" ", "_"): name for name in reversed(list(table))}
    present = [lower[name] for name in PATIENT_COLUMNS if name in lower]
    filled = [name for name in present if table[name].notna().any()]
    barcoded = [name for name in filled if table[name].dropna().map(barcodes.is_tcga).all()]
    if not filled:
        raise InputError(f"{path} names no patients: none of the columns {', '.join(PATIENT_COLUMNS)} is there and filled")
    return (barcoded or filled)[0]


def _patient(name: str) -> str:
    return barcodes.patient(name) if barcodes.is_tcga(name) else name


def _add(facts: Facts, row: dict[str, str | None]) -> None:
    if row.get("project_id"):
        facts.project.add(row["project_id"])
    for value in filter(None, map(row.get, PROJECT_COLUMNS)):
        code = value.upper().removeprefix("TCGA-")
        if code in CANCERS or value.startswith("TCGA-"):
            facts.cancer.add(code)
    if row.get("oncotree_code"):
        facts.oncotree.add(row["oncotree_code"].upper())
    for value in filter(None, (row.get("primary_diagnosis"), row.get("oncotree_code"))):
        if value.lower() not in UNSTATED:
            facts.breast.add(BREAST.get(value.lower(), OTHER))
    if row.get("site"):
        facts.site.add(row["site"])
