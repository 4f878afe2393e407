"""The sheets of an Excel workbook (.xlsx), each as a table of text."""

import csv
import datetime
import io
import warnings
import zipfile
import zlib
from pathlib import Path

from pathfm.errors import InputError

MAX_CHARACTERS = 512 << 20
DAMAGES = (KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError)  # what openpyxl raises for XML that it does not expect


def read_sheets(path: Path) -> list[tuple[str, io.BufferedReader]]:
    """Each visible sheet that is not empty, by a name for sentences, as tab-delimited UTF-8 with quotation marks where needed.

    Numbers without a fraction are written as whole numbers, dates as ISO 8601; of a formula the value that Excel kept is read.
    Raises InputError for a workbook that is damaged or larger than a table may be.
    """
    import openpyxl

    damages = (openpyxl.utils.exceptions.InvalidFileException, zipfile.BadZipFile, zlib.error, OSError, *DAMAGES)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # of styles and forms that say nothing of the cells
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheets, left = [], MAX_CHARACTERS
            for sheet in book.worksheets:
                if sheet.sheet_state == "visible":
                    text = _text(sheet, left, path)
                    left -= len(text)
                    sheets.append((f"{path}, sheet {sheet.title!r}", io.BytesIO(text.encode())))
    except damages as error:
        raise InputError(f"{path} cannot be read as an Excel workbook ({error}); save the sheet as CSV") from error
    return [(name, io.BufferedReader(stream)) for name, stream in sheets if stream.getbuffer().nbytes]


def _text(sheet, limit: int, path: Path) -> str:
    sheet.reset_dimensions()  # a workbook may be wrong about its own size
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    for row in sheet.iter_rows(values_only=True):
        writer.writerow(map(_cell, row))
        if out.tell() > limit:
            raise InputError(f"{path} holds more cells than a table of this kind; save the sheet as CSV")
    return out.getvalue()


def _cell(value) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)
