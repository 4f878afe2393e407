"""Whose a slide is, and its µm/px where the file does not tell: the user's tables, and the barcode in its name."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from pathfm.errors import InputError
from pathfm.sources import barcodes
from pathfm.sources.patients import refuse_damaged
from pathfm.sources.tables import MISSING, read_table

MAX_ROWS = 1_000_000


def read_overrides(path: Path) -> dict[str, float]:
    """The user's µm/px by slide id or file name, from a table `slide,mpp`. Raises InputError with the row of a bad number.

    A comma in a number is that of a decimal fraction: with thousands parted by it no number would be an mpp.
    """
    overrides: dict[str, float] = {}
    for line, row in _rows(path, ("slide", "mpp")):
        text = row["mpp"] or ""
        try:
            mpp = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
        except ValueError:
            mpp = math.nan
        if not 0 < mpp < 1000:
            raise InputError(f"{path}, line {line}: {text!r} is no mpp of {row['slide']}; give µm per pixel, such as 0.25")
        if overrides.setdefault(row["slide"], mpp) != mpp:
            raise InputError(f"{path}, line {line}: {row['slide']} has another mpp further up; keep one of the two rows")
    return overrides


def read_owners(path: Path) -> dict[str, dict[str, str | None]]:
    """patient, sample and site by slide id or file name, from a table `slide,patient,sample,site`; an empty cell is None.

    `NA` is TCGA's site of this code in the row of such a patient, and a missing value elsewhere.
    """
    owners: dict[str, dict[str, str | None]] = {}
    for line, row in _rows(path, ("slide", "patient", "sample", "site")):
        owner = {name: None if (row[name] or "").lower() in MISSING else row[name] for name in ("patient", "sample", "site")}
        for name in ("patient", "sample"):
            refuse_damaged(owner[name], f"{path}, line {line}")
        if row["site"] == "NA" and barcodes.is_tcga(owner["patient"] or "") and barcodes.site(owner["patient"]) == "NA":
            owner["site"] = "NA"
        if owners.setdefault(row["slide"], owner) != owner:
            raise InputError(f"{path}, line {line}: {row['slide']} belongs to another patient, sample or site further up; keep one row")
    return owners


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str | None]]]:
    """The rows of a table with their line, empty cells None; InputError when it is unreadable, too long or lacks a column."""
    known = dict.fromkeys(columns, ())
    rows = read_table(path, max_rows=MAX_ROWS, known=known, missing=("",), short_rows=True, suits=lambda names: {*columns} <= {*names})
    missing = [name for name in columns if name not in rows]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]!r}; its first line must be {','.join(columns)}")
    for line, row in zip(rows.index, rows.to_dict("records"), strict=True):
        if not row["slide"]:
            raise InputError(f"{path}, line {line}: the slide has no name; write its id or file name")
        yield line, row


def lookup(table: dict, path: Path):
    """What a table by slide id or file name says of the slide at `path`; None when it does not name it."""
    return table.get(path.name, table.get(path.stem))


def unknown(table: dict, paths: Iterable[Path]) -> list[str]:
    """The names in a table that are no slide's id or file name."""
    names = {name for path in paths for name in (path.name, path.stem)}
    return sorted(set(table) - names)


def identity(slide: str, owner: dict[str, str | None] | None) -> dict[str, str | None]:
    """Whose slide it is: by the TCGA barcode in its name, and before that by the row of the user's table."""
    tcga = barcodes.is_tcga(slide)
    by_name = {
        "patient": barcodes.patient(slide) if tcga else None,
        "sample": barcodes.sample(slide) if tcga and barcodes.sample_type(slide) else None,
        "site": barcodes.site(slide) if tcga else None,
    }
    known = by_name | {name: value for name, value in (owner or {}).items() if value}
    sample = known["sample"] or ""
    return known | {
        "sample_type": barcodes.sample_type(sample) or barcodes.sample_type(slide),
        "preparation": barcodes.preparation(slide),
        "project": None,
    }
