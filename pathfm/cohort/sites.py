"""Which hospital a patient comes from: one site each, with the codes of one hospital merged."""

import csv
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import pandas as pd

from pathfm.errors import InputError
from pathfm.sources import barcodes
from pathfm.sources.tables import read_table

KNOWN = {"tss": ("tss_code",), "institution": ("source_site",)}  # the second as the GDC's table of tissue source sites has them


def read_institutions(path: str | os.PathLike) -> dict[str, str]:
    """Site code → institution, from a table with the columns `tss` and `institution`; InputError names a bad row.

    The code `NA` (Washington University) is a code, not a missing value.
    """
    table = read_table(path, known=KNOWN, missing=("",), short_rows=True, suits=lambda names: {*KNOWN} <= {*names})
    if not {*KNOWN} <= {*table}:
        raise InputError(f"{path} needs the columns tss and institution; it has {', '.join(table)}")
    institutions: dict[str, str] = {}
    for line, code, name in zip(table.index, table["tss"], table["institution"], strict=True):
        if not code or not name:
            raise InputError(f"{path}, line {line}: a code and an institution are both needed")
        if institutions.setdefault(code, name) != name:
            raise InputError(f"{path}, line {line}: the code {code} has two institutions, {institutions[code]!r} and {name!r}; keep one")
    bare = sorted(code for code in institutions if code.isdecimal() and len(code) == 1)
    if bare and any(len(code) == 2 for code in institutions):
        raise InputError(f"{path}: the code {bare[0]} has lost its zero in a spreadsheet; write 0{bare[0]}, in a column of text")
    return institutions


@cache
def tcga_hospitals() -> dict[str, str]:
    """TCGA's code → hospital, of the table beside this file; `tcga_sites.md` has its source and what was merged."""
    with files("pathfm.cohort").joinpath("tcga_sites.csv").open(encoding="utf-8", newline="") as table:
        return {row["tss"]: row["hospital"] for row in csv.DictReader(table)}


def hospital_of(code: str) -> str:
    """The hospital of TCGA's code, several of which may be one hospital's; a code that TCGA has not given stays as it is."""
    return tcga_hospitals().get(code, code)


def of_hospitals(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs with the hospital for the site code of every TCGA patient; the sites of others stay as they are."""
    tcga = pairs["patient"].map(barcodes.is_tcga)
    return pairs.assign(site=pairs["site"].where(~tcga, pairs["site"].map(hospital_of, na_action="ignore")))


def merge_sites(pairs: pd.DataFrame, institutions: Mapping[str, str]) -> pd.DataFrame:
    """The pairs with each site code replaced by its institution; a code without one stays as it is."""
    return pairs.assign(site=[institutions.get(site, site) for site in pairs["site"]])


def one_site(pairs: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Patient → site for the patients with exactly one, and patient → reason for the others, who cannot be split by site."""
    sites = {patient: sorted(set(own.dropna())) for patient, own in pairs.groupby("patient")["site"]}
    known = {patient: own[0] for patient, own in sites.items() if len(own) == 1}
    left_out = {patient: "more than one site" if own else "no site" for patient, own in sites.items() if len(own) != 1}
    return known, left_out
