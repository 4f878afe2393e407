"""Which hospital a patient comes from: one site each, with the codes of one hospital merged."""

import io
import os
from collections.abc import Mapping

import pandas as pd

from pathfm.cohort.tables import read_bytes
from pathfm.errors import InputError

MAX_BYTES = 64 << 20


def read_institutions(path: str | os.PathLike) -> dict[str, str]:
    """Site code → institution, from a CSV with the columns `tss` and `institution`; InputError names a bad row.

    The code `NA` (Washington University) is a code, not a missing value.
    """
    try:
        table = pd.read_csv(io.BytesIO(read_bytes(path, MAX_BYTES)), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from error
    if not {"tss", "institution"} <= set(table.columns):
        raise InputError(f"{path} needs the columns tss and institution; it has {', '.join(table.columns)}")
    institutions: dict[str, str] = {}
    for row, (code, name) in enumerate(zip(table["tss"].str.strip(), table["institution"].str.strip(), strict=True), start=2):
        if not code or not name:
            raise InputError(f"{path}, line {row}: a code and an institution are both needed")
        if institutions.setdefault(code, name) != name:
            raise InputError(f"{path}, line {row}: the code {code} has two institutions, {institutions[code]!r} and {name!r}; keep one")
    return institutions


def merge_sites(pairs: pd.DataFrame, institutions: Mapping[str, str]) -> pd.DataFrame:
    """The pairs with each site code replaced by its institution; a code without one stays as it is."""
    return pairs.assign(site=[institutions.get(site, site) for site in pairs["site"]])


def one_site(pairs: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Patient → site for the patients with exactly one, and patient → reason for the others, who cannot be split by site."""
    sites = {patient: sorted(set(own.dropna())) for patient, own in pairs.groupby("patient")["site"]}
    known = {patient: own[0] for patient, own in sites.items() if len(own) == 1}
    left_out = {patient: "more than one site" if own else "no site" for patient, own in sites.items() if len(own) != 1}
    return known, left_out
