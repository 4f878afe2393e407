"""The list of samples that were sequenced: one a line, a column of a table, or cBioPortal's `cases_sequenced.txt`."""

import csv
from pathlib import Path

from pathfm.errors import InputError
from pathfm.sources.columns import squash
from pathfm.sources.layout import R_HEADER, OpenQuote, cells_of, is_blank, is_comment
from pathfm.sources.patients import is_barcode, tumour_patient
from pathfm.sources.tables import MISSING, read_lines

HEADINGS = frozenset("barcode sample sampleid samplebarcode patient patientid case caseid submitterid tumorsamplebarcode".split())
NAMELESS = frozenset(("x", "v1", "0"))  # what R and pandas write over a column without a name
CASE_LIST = "case_list_ids:"
MAX_BYTES = 256 << 20


def read_sequenced(path: str | Path) -> set[str]:
    """The patients of a list of samples, normal ones left out.

    Of a table the column of TCGA barcodes is taken, else the first that a heading calls that of samples, else the first.
    Raises InputError when nobody is named, and when it cannot be told who is.
    """
    lines = read_lines(path, MAX_BYTES)
    listed = [line.removeprefix(CASE_LIST).split() for line in lines if line.startswith(CASE_LIST)]
    names = [name for line in listed for name in line] if listed else _names(_rows(lines, path), path)
    patients = {patient for patient in map(tumour_patient, names) if patient}
    if not patients:
        raise InputError(f"{path} names no sequenced tumour sample; one barcode a line is expected")
    return patients


def _rows(lines: list[str], path: str | Path) -> list[list[str]]:
    lines = [line for line in lines if not is_blank(line) and not is_comment(line)]
    joined = "\n".join(lines[:2])
    delimiter = " " if lines and R_HEADER.match(lines[-1].strip()) else next((sign for sign in "\t;," if sign in joined), ",")
    try:
        return [[cell.strip() for cell in cells_of([line], 0, delimiter)[0]] for line in lines]
    except (OpenQuote, csv.Error):
        raise InputError(f"{path}: the quotation marks do not match; one barcode a line is expected") from None


def _names(rows: list[list[str]], path: str | Path) -> list[str]:
    column = _column(rows, path)
    cells = [row[column] if column < len(row) else "" for row in rows]
    if cells and (squash(cells[0]) in NAMELESS or (is_barcode(cells[-1]) and not is_barcode(cells[0]))):
        cells = cells[1:]
    return [cell for cell in cells if cell.lower() not in MISSING and squash(cell) not in HEADINGS]


def _column(rows: list[list[str]], path: str | Path) -> int:
    width = max(map(len, rows), default=1)
    below = rows[1:] or rows
    barcoded = [at for at in range(width) if all(at < len(row) and is_barcode(row[at]) for row in below)]
    if barcoded:
        for row in below:
            named = {tumour_patient(row[at]) for at in barcoded} - {None}
            if len(named) > 1:
                raise InputError(f"{path} names several patients in one row, {' and '.join(sorted(named))}; one barcode a line is expected")
        return barcoded[0]
    headed = [at for at, cell in enumerate(rows[0] if rows else ()) if squash(cell) in HEADINGS]
    if headed:
        unnamed = all(len(row) == len(rows[0]) + 1 for row in below) if len(rows) > 1 else 0  # R's row names
        return headed[0] + unnamed
    numbered = any(
        [row[0] for row in some] == list(map(str, range(start, len(some) + start))) for some in (rows, below) for start in (0, 1)
    )
    if width > 1 and len(below) > 1 and numbered:
        raise InputError(
            f"{path} begins with a column of row numbers, and nothing tells which column names samples; give one barcode a line"
        )
    return 0
