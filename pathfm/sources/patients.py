"""Who a name in a table means, and which column of a table names the patients."""

import re
from itertools import pairwise

import pandas as pd

from pathfm.errors import InputError
from pathfm.sources import barcodes
from pathfm.sources.columns import squash

NAMES = ("cases.submitter_id", "submitter_id", "case_submitter_id", "patient_id", "bcr_patient_barcode", "patient", "case_id")
PATIENT_COLUMNS = tuple(map(squash, (*NAMES, "case_barcode", "patient_barcode", "tcga_participant_barcode", "participant", "case")))
# Of samples, of R's and pandas' row names: they name patients where they hold TCGA barcodes throughout
BARCODE_COLUMNS = tuple(
    map(
        squash,
        ("sample_id", "sample", "sample_barcode", "sample_submitter_id", "submitter_id.samples", "barcode", "tumor_sample_barcode")
        + ("", "x", "unnamed: 0"),
    )
)
ANY_SPELLING = re.compile(r"^tcga([-._])[a-z0-9]{2}\1[a-z0-9]{4}(?![a-z0-9])", re.IGNORECASE | re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
SHORTENED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)


def folded(name: str) -> str:
    """The name of a patient or sample without what people write in several ways: upper and lower case, spaces around it."""
    return name.strip().casefold()


def canonical(name: str) -> str:
    """A TCGA barcode in capitals with hyphens, where it came with small letters (Firehose) or dots (R); any other name as it is."""
    return re.sub(r"[._]", "-", name.upper()) if ANY_SPELLING.match(name) else name


def is_barcode(name: str) -> bool:
    return barcodes.is_tcga(canonical(name))


def patient_of(name: str) -> str:
    """The case of a TCGA barcode in any spelling; another name as it is."""
    return barcodes.patient(canonical(name)) if is_barcode(name) else name


def tumour_patient(name: str) -> str | None:
    """The patient of a barcode of 12, 15, 16 or 28 characters, None for a normal sample's; any other name is itself a patient's."""
    code = barcodes.sample_type(canonical(name)) if is_barcode(name) else None
    return None if code and not barcodes.is_tumour(code) else patient_of(name)


def find_patients(table: pd.DataFrame, name: str) -> list[str | None]:
    """The patient of each row of a table whose index is the line, None where none is named.

    TCGA barcodes go before other names, and names before the GDC's UUIDs. Raises InputError when no column names patients, when two that
    may be the patient's name different ones in a row, and for names that a spreadsheet has taken for numbers and shortened.
    """
    names = _filled(table, PATIENT_COLUMNS)
    barcoded = [column for column in names if _all(table[column], is_barcode)]
    samples = [column for column in _filled(table, BARCODE_COLUMNS) if _all(table[column], is_barcode)]
    words = [column for column in names if not _all(table[column], UUID.fullmatch)]
    columns = [*barcoded, *samples] if barcoded else words or samples or names[:1]
    if not columns:
        raise InputError(f"{name} names no patients: none of the columns {', '.join(NAMES)} is there and filled")
    patients = {column: table[column].map(patient_of, na_action="ignore") for column in columns}
    for one, other in pairwise(columns):
        differ = patients[one].notna() & patients[other].notna() & (patients[one] != patients[other])
        if differ.any():
            at = int(differ.to_numpy().argmax())
            raise InputError(
                f"{name}, line {table.index[at]}: the columns {one!r} and {other!r} may both name the patient and differ, "
                f"{table[one].iloc[at]} and {table[other].iloc[at]}; take one of them out"
            )
    chosen = patients[columns[0]]
    for line, patient in chosen.dropna().drop_duplicates().items():
        refuse_damaged(patient, f"{name}, line {line}")
        if squash(patient) in PATIENT_COLUMNS:
            raise InputError(f"{name}, line {line}: column names stand among the rows in a way that is not understood; part the tables")
    return [None if pd.isna(patient) else patient for patient in chosen]


def refuse_damaged(name: str | None, place: str) -> None:
    """InputError for a TCGA barcode that is cut, and for a name that a spreadsheet took for a number and shortened, such as 1.23E+11."""
    if name and name.upper().startswith("TCGA-") and not is_barcode(name):
        raise InputError(f"{place}: {name!r} is no whole TCGA barcode; the file is cut or damaged")
    if name and SHORTENED.fullmatch(name):
        raise InputError(
            f"{place}: {name} is a name that a spreadsheet has shortened as a number; format the column as text and save it again"
        )


def _filled(table: pd.DataFrame, known: tuple[str, ...]) -> list[str]:
    """The columns of known names that are not empty, in the order of `known`; of a name that occurs twice the first."""
    spelt = {squash(column): column for column in reversed(list(table))}
    return [spelt[name] for name in known if name in spelt and table[spelt[name]].notna().any()]


def _all(column: pd.Series, is_one) -> bool:
    return all(map(is_one, column.dropna().unique()))
