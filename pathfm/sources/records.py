"""The records of a table of text, line by line: what is a row, what a comment, what another header, and which rows are damaged."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pathfm.errors import InputError
from pathfm.sources.layout import NAMED, Layout, OpenQuote, cells_of, is_blank, is_comment, is_header_again, make_layout, plain_cells

HEADER_SAMPLE = 50
BCR_CODES = "CDE_ID:"  # the third header line of the biospecimen core resource's tables


class GoesOn(Exception):
    """What begins in the line `at` cannot be told before the lines that follow are there."""

    def __init__(self, at: int):
        super().__init__(at)
        self.at = at


@dataclass(frozen=True)
class Lines:
    """Whole lines of a table, the number of the first, whether the table ends with them, and whether the last lacks its line feed."""

    lines: Sequence[str]
    first: int
    ends: bool
    cut: bool

    @classmethod
    def of(cls, block: bytes, first: int, ends: bool) -> "Lines":
        lines = block.decode().split("\n")
        cut = lines[-1] != ""
        return cls(lines if cut else lines[:-1], first, ends, cut)


def records(text: Lines, layout: Layout, reach: int, short: bool, name: str) -> Iterator[tuple[int, list[str] | Layout]]:
    """(line, cells) of each row, or (line, layout) where another header begins.

    Comments and blank lines are left out, and empty cells behind the last column. Cells may lack at the end of a row when `short` allows it
    or when none of the first `reach` columns does, and are empty then. Raises InputError with the line for a row of another width, GoesOn
    when the lines end too early.
    """
    at = 0
    while at < len(text.lines):
        line = text.lines[at]
        if is_blank(line, layout.delimiter):
            at += 1
            continue
        if is_comment(line):
            following = _behind_comments(text, at, layout)
            if following > at:
                at = following
                continue
        cells, taken = _cells(text, at, layout, name)
        if any(probe in line for probe in layout.probes) and is_header_again(cells, layout.names):
            if len(text.lines) - at <= HEADER_SAMPLE and not text.ends:
                raise GoesOn(at)
            layout = make_layout(text.lines, at, layout.delimiter, name)
            yield text.first + at, layout
        elif not cells[0].startswith(BCR_CODES) or not all(cell.startswith(BCR_CODES) for cell in cells if cell):
            if len(cells) != layout.width:
                is_cut = text.cut and at + taken == len(text.lines)
                cells = _of_width(cells, layout, reach, short and not is_cut, f"{name}: line {text.first + at}")
            yield text.first + at, cells
        at += taken


def _behind_comments(text: Lines, at: int, layout: Layout) -> int:
    """The line behind a comment; `at` itself where the line is a row that begins with `#`.

    A comment has other cells than a row, or stands above a header.
    """
    if text.lines[at].count(layout.delimiter) + 1 != layout.width:
        return at + 1
    following = next(
        (number for number in range(at, len(text.lines)) if not is_comment(line := text.lines[number]) and not is_blank(line)), None
    )
    if following is None:
        if not text.ends:
            raise GoesOn(at)
        return at
    return following if is_header_again(text.lines[following].split(layout.delimiter), layout.names) else at


def _cells(text: Lines, at: int, layout: Layout, name: str) -> tuple[list[str], int]:
    plain = plain_cells(text.lines[at]), 1
    try:
        cells, taken = cells_of(text.lines, at, layout.delimiter, layout.width)
    except OpenQuote:
        if not text.ends:
            raise GoesOn(at) from None
        if layout.delimiter == "\t":
            return plain
        raise InputError(
            f"{name}: a quotation mark is opened in line {text.first + at} and never closed; the file is cut or damaged"
        ) from None
    except csv.Error as error:
        if layout.delimiter == "\t":
            return plain
        raise InputError(f"{name}: the quotation marks in line {text.first + at} do not match ({error})") from error
    return (cells, taken) if taken == 1 or len(cells) == layout.width else plain


def _of_width(cells: list[str], layout: Layout, reach: int, short: bool, place: str) -> list[str]:
    count, width = len(cells), layout.width
    if count > width and not any(cell.strip() for cell in cells[width:]):
        return cells[:width]
    if count > width:
        raise InputError(
            f"{place} has {count} fields where the header has {width}; a cell holds a {NAMED.get(layout.delimiter, 'delimiter')} without "
            "quotation marks, or two lines were joined into one"
        )
    if short or count > reach or not any(layout.names[count:]):
        return cells + [""] * (width - count)
    raise InputError(f"{place} has {count} fields where the header has {width}; the file is cut or damaged")
