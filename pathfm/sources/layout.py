"""How a table of text is laid out: its header, what parts its cells, which cells have quotation marks, whether rows have names.

A table may go on under a second header, as files do that were joined with `cat`; the rows below that follow it.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pathfm.errors import InputError
from pathfm.sources.columns import squash

NAMED = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "vertical bar", " ": "blank"}
SAMPLE = 50
R_HEADER = re.compile(r'^"[^"]*"( "[^"]*")+$')
ROW_NUMBERS = frozenset(("", "x", "unnamed0", "rownames", "index"))  # what stands over the row numbers of R and pandas
SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?$')


class OpenQuote(Exception):
    """A quotation mark is open at the end of the lines at hand."""


@dataclass(frozen=True)
class Layout:
    """The names of the columns as they stand, without blanks around them, and what parts the cells.

    `watched` is a name that another header, of whatever other columns and in whatever order, is sure to have.
    """

    names: tuple[str, ...]
    delimiter: str
    watched: str = ""

    @property
    def width(self) -> int:
        return len(self.names)

    @cached_property
    def probes(self) -> tuple[str, ...]:
        """Names one of which another header holds; looked for before anything dearer."""
        first = next(filter(None, self.names), "")
        return tuple({first, self.watched} - {""})


def is_comment(line: str) -> bool:
    return line.startswith(("#", '"#'))


def is_blank(line: str, delimiters: str = "\t,;|") -> bool:
    """Whether a line holds nothing but delimiters, blanks and empty quotation marks."""
    return not line.replace('""', "").strip(f"{delimiters} \t")


def cells_of(lines: Sequence[str], at: int, delimiter: str, width: int | None = None) -> tuple[list[str], int]:
    """The cells of the record that begins in line `at`, and how many lines it takes.

    Between tabs a cell has quotation marks around it or is taken as it stands, unless only a cell that holds tabs or line breaks makes rows
    of `width` cells. Raises OpenQuote when the lines end inside quotation marks, csv.Error for quotation marks that cannot be.
    """
    line = lines[at]
    if '"' not in line:
        return line.split(delimiter), 1
    if delimiter == "\t" and (width is None or line.count("\t") + 1 == width) and not (width and _may_go_on(lines, at, width)):
        return plain_cells(line), 1
    try:
        return _quoted_cells(lines[at:], delimiter)
    except csv.Error:
        if '\\"' not in line:
            raise
        return _quoted_cells(
            lines[at:], delimiter, doublequote=False, escapechar="\\"
        )  # as R writes quotation marks within quotation marks


def _quoted_cells(lines: Sequence[str], delimiter: str, **quotes) -> tuple[list[str], int]:
    text = (f"{line}\n" for line in lines)
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=delimiter in ",;|", strict=True, **quotes)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            raise OpenQuote from None
        raise


def opens(line: str) -> bool:
    """Whether the last of the cells between tabs opens with a quotation mark and does not close."""
    last = line.rpartition("\t")[2].strip()
    return last.startswith('"') and (last == '"' or not last.endswith('"'))


def _may_go_on(lines: Sequence[str], at: int, width: int) -> bool:
    """Whether the last cell of a line that has all its cells may go on below: the next line is no row by itself."""
    return opens(lines[at]) and (at + 1 == len(lines) or lines[at + 1].count("\t") + 1 != width)


def plain_cells(line: str) -> list[str]:
    """The cells between the tabs of a line, none of which holds a tab."""
    return [unquoted(cell) if '"' in cell else cell for cell in line.split("\t")]


def unquoted(cell: str) -> str:
    """A cell between tabs without the quotation marks around it, where there are any."""
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"').replace('\\"', '"')
    return cell


def find_layout(lines: Sequence[str], name: str) -> tuple[int, Layout] | None:
    """The number of lines up to and with the header, and the layout; None when there is no header in these lines.

    Raises InputError when what parts the cells cannot be told.
    """
    stated = None
    for at, line in enumerate(lines):
        separator = SEPARATOR_LINE.match(line)
        if separator:
            stated = separator.group(1)
        elif not is_blank(line) and not is_comment(line):
            try:
                return at + 1, make_layout(lines, at, stated, name)
            except (OpenQuote, csv.Error):
                raise InputError(f"{name}: the quotation marks in line {at + 1}, the column names, do not match") from None
    return None


def make_layout(lines: Sequence[str], at: int, delimiter: str | None, name: str) -> Layout:
    """The layout under the header in line `at`; `delimiter` where it is stated, else it is told from the lines."""
    below = [line for line in lines[at + 1 : at + 1 + SAMPLE] if not is_blank(line) and not is_comment(line)]
    delimiter = delimiter or _delimiter(lines[at], below, name)
    names = [cell.strip() for cell in cells_of(lines, at, delimiter)[0]]
    if not all(map(str.isprintable, names)):
        raise InputError(
            f"{name} is not a table of text: line {at + 1}, the column names, is not UTF-8, UTF-16 or Latin-1; save it as UTF-8"
        )
    if len(names) == 1 and re.search(r"[\t,;|]", names[0]):
        raise InputError(
            f"{name}: all column names stand in one cell of line {at + 1}; the table was opened with another delimiter than its own"
        )
    return Layout(_with_unnamed(names, lines[at], below, delimiter, name), delimiter)


def _delimiter(header: str, below: Sequence[str], name: str) -> str:
    bare = re.sub(r'"[^"]*"', "", header)
    if "\t" in bare:
        return "\t"
    found = [delimiter for delimiter in ",;|" if delimiter in bare]
    if not found and R_HEADER.match(header.strip()):
        return " "
    if not found and any(below and all(sign in re.sub(r'"[^"]*"', "", row) for row in below) for sign in "\t,;|"):
        raise InputError(_title(header, name))
    if not found and len(bare.split()) > 1 and below and all(len(row.split()) == len(bare.split()) for row in below):
        raise InputError(f"{name}: the delimiter cannot be told, only blanks part the column names; save the table with tabs or commas")
    if len(found) < 2:
        return found[0] if found else ","
    even = {delimiter: sum(_counts_alike(row, header, delimiter) for row in below) for delimiter in found}
    best = [delimiter for delimiter in found if even[delimiter] == max(even.values()) > 0]
    if len(best) != 1:
        words = " and ".join(NAMED[delimiter] for delimiter in found)
        raise InputError(f"{name}: the delimiter cannot be told, {words} part the column names; save the table with tabs or commas alone")
    return best[0]


def _counts_alike(row: str, header: str, delimiter: str) -> bool:
    counts = [re.sub(r'"[^"]*"', "", line).count(delimiter) for line in (row, header)]
    return counts[0] in (counts[1], counts[1] + 1)


def _with_unnamed(names: list[str], header: str, below: Sequence[str], delimiter: str, name: str) -> tuple[str, ...]:
    """The names with an empty one for each column that has none: row names as R writes them, or empty cells at the end of every row."""
    rows = []
    for at in range(len(below)):
        try:
            rows.append(cells_of(below, at, delimiter, len(names))[0])
        except (OpenQuote, csv.Error):
            pass  # told where the row is read
    if len(names) > 1 and names[0] and not any(names[1:]) and any(_filled(row) > 1 for row in rows):
        raise InputError(_title(names[0], name))
    fewest = min(map(len, rows), default=0)
    if fewest <= len(names):
        return tuple(names)
    named = _filled(names)
    filled = max(map(_filled, rows))
    row_names = squash(names[0]) not in ROW_NUMBERS and _are_row_names([row[0] for row in rows], header, below)
    if filled > named + 1 or (filled == named + 1 and not row_names):
        return tuple(names)  # refused where the row is read
    if filled <= named and row_names:
        raise InputError(
            f"{name}: the rows have more cells than the column names, and it cannot be told whether the first is the name of a row or "
            "the last is empty; write a name over each column"
        )
    names = ["", *names[:named]] if row_names else names
    return (*names, *[""] * (fewest - len(names)))


def _title(line: str, name: str) -> str:
    return (
        f"{name}: {line.strip()[:60]!r} stands alone where the names of several columns should; take a title out, the names must come first"
    )


def _filled(cells: Sequence[str]) -> int:
    """The number of cells up to the last that is not empty."""
    return max((at for at, cell in enumerate(cells, 1) if cell.strip()), default=0)


def _are_row_names(first: list[str], header: str, below: Sequence[str]) -> bool:
    """Whether they are numbers in order, or R's quoted row names under a header that is quoted throughout."""
    if all(cell.strip().isdecimal() for cell in first):
        numbers = list(map(int, first))
        return numbers == sorted(set(numbers)) and (len(numbers) > 4 or numbers[0] in (0, 1))
    if len(set(first)) < len(first):
        return False
    quoted = not re.sub(r'"[^"]*"', "", header).strip(" \t,;|")
    return quoted and all(row.lstrip().startswith('"') for row in below)


def is_header_again(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row is a header like the one above it, in whatever order: no row of data holds the names of several columns.

    A header that stands behind the end of a row without a line feed between them is none.
    """
    if len(names) == 1:
        return [squash(cell) for cell in cells] == [squash(names[0])]
    known = {squash(name) for name in names} - {""}
    found = [squash(cell) for cell in cells]
    shared = len(known.intersection(found))
    in_place = sum(cell == squash(name) != "" for cell, name in zip(found, names, strict=False))
    alike = 2 * shared >= min(len(cells), len(known)) or (in_place > 1 and found[0] == squash(names[0]) != "")
    long = tuple(name for name in known if len(name) > 3)
    glued = len(cells) != len(names) and any(cell.endswith(long) for cell in found if cell not in known)
    return shared > 1 and alike and not glued
