"""Tables as the field hands them out, and as a spreadsheet, R or pandas save them again.

Known without being told: gzip, zip, tar and .xlsx (`containers.py`); UTF-8, UTF-16 and Latin-1 and all ends of lines (`text.py`); tabs,
commas, semicolons, quotation marks round some cells or all, row numbers in a column of their own (`layout.py`); comments, a header that
comes again in joined files, and cells that lack at the end of rows (`records.py`); the spellings of a column's name (`columns.py`). What
cannot be told is refused.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from pathfm.errors import InputError
from pathfm.sources import text
from pathfm.sources.columns import respell, unique
from pathfm.sources.containers import open_bytes, open_tables
from pathfm.sources.layout import Layout, find_layout, opens, unquoted
from pathfm.sources.records import BCR_CODES, GoesOn, Lines, records

MAX_BYTES_WHOLE = 1 << 30
MAX_BYTES_IN_PARTS = 32 << 30
MAX_ROWS = 20_000_000
MISSING = frozenset(
    (
        *("", "'--", "--", "na", "n/a", "nan", "#n/a", "<na>", "null", "not reported", "unknown", "not available", "not applicable"),
        *(
            f"[{words}]"
            for words in ("not available", "not applicable", "not evaluated", "not reported", "unknown", "discrepancy", "pending")
        ),
    )
)


def read_bytes(path: str | Path, limit: int) -> bytes:
    """All bytes of a file, decompressed when they are gzip; see `containers.open_bytes`."""
    with open_bytes(path, limit) as stream:
        return b"".join(iter(lambda: stream.read(8 << 20), b""))


def read_lines(path: str | Path, limit: int) -> list[str]:
    """The lines of the only list or table in a file, packed and encoded in any of the ways in which tables are read."""
    lines: list[str] | None = None
    for name, stream in open_tables(path, limit):
        if lines is not None:
            raise InputError(f"{path} holds several tables; give the one that is meant")
        lines = "".join(block.decode() for _, block, _ in text.blocks(stream, name)).split("\n")
    return lines or []


WORDS = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Ask:
    """What a reader wants of a table; see `read_parts`."""

    wanted: Callable[[str], bool] = lambda name: True
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: Collection[str] = MISSING
    short_rows: bool = False
    suits: Callable[[Sequence[str]], bool] = lambda names: True


def read_table(path: str | Path, wanted: Callable[[str], bool] = lambda name: True, max_rows: int = MAX_ROWS, **ask) -> pd.DataFrame:
    """The whole table, its index the line (in the file, or in its archive's member) where each row begins; see `read_parts`."""
    table = pd.concat(read_parts(path, wanted, MAX_BYTES_WHOLE, max_rows, **ask))
    return table.where(table.notna(), None)


def read_parts(
    path: str | Path,
    wanted: Callable[[str], bool] = lambda name: True,
    max_bytes: int = MAX_BYTES_IN_PARTS,
    max_rows: int = MAX_ROWS,
    **ask,
) -> Iterator[pd.DataFrame]:
    """The columns that `wanted` names, part by part (at least one), as strings without blanks at their ends; missing values are None.

    known: names by which columns are known however they are spelt, each with others that mean the same, in order of preference; the names
    in the header are put into this spelling before `wanted` is asked. Two columns of one known name must not contradict each other.
    missing: the words that stand for a missing value, in lower case.
    short_rows: whether cells may lack at the end of a row, as where a program leaves out empty ones; else only behind all wanted columns.
    suits: whether a header is that of the table looked for; of an archive's or workbook's several tables all that suit are read.

    A column name that occurs twice is followed by `.1`, `.2`, … . Rows that say nothing in the wanted columns are left out. Under another
    header in the middle of a file its own columns are given. Only a part of the wanted columns is held in memory. Raises InputError with
    file and line.
    """
    return (part for _, part in _all_parts(path, max_bytes, max_rows, Ask(wanted, **ask)))


def read_tables(path: str | Path, wanted: Callable[[str], bool] = lambda name: True, **ask) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each table in a file for itself, by a name for sentences: the members of an archive, the sheets of a workbook, and what stands under
    each header of joined files. See `read_parts`.
    """
    for view, parts in groupby(_all_parts(path, MAX_BYTES_WHOLE, MAX_ROWS, Ask(wanted, **ask)), key=itemgetter(0)):
        yield view.name, pd.concat([part for _, part in parts])


def _all_parts(path: str | Path, max_bytes: int, max_rows: int, ask: Ask) -> Iterator[tuple["View", pd.DataFrame]]:
    rows, passed = 0, []
    found = False
    for name, stream in open_tables(path, max_bytes):
        for view, part in _parts(name, stream, ask, name != str(path)):
            found = True
            rows += len(part)
            if rows > max_rows:
                raise InputError(f"{path} has more than {max_rows:,} rows; that is no table of this kind")
            yield view, part
        if not found and len(passed) < 3:
            passed.append(name.removeprefix(f"{path}, "))
    if not found:
        held = f" in {', '.join(passed)}" if passed else ""
        raise InputError(f"{path} holds no table of the kind that is needed here{held}; give the table itself")


def _parts(name: str, stream, ask: Ask, packed: bool) -> Iterator[tuple["View", pd.DataFrame]]:
    """The parts of one table; none where it is packed with others and does not suit."""
    view = None
    carried, carried_from = b"", 0
    for first, block, last in text.blocks(stream, name):
        if carried:
            first, block, carried = carried_from, carried + block, b""
        if view is None:
            found = find_layout(block.decode().split("\n"), name)
            if found is None:
                continue
            above, layout = found
            view = View(layout, ask, name)
            if packed and not ask.suits(view.spelt):
                return
            yield view, view.frame([], [])
            block, first = block.split(b"\n", above)[-1] if block.count(b"\n") >= above else b"", first + above
        if not view.columns:
            return
        if block and (part := view.fast(block, first)) is not None:
            yield view, part
            continue
        rows: list[Sequence[str]] = []
        lines: list[int] = []
        whole = Lines.of(block, first, last)
        try:
            for line, record in records(whole, view.layout, view.reach, ask.short_rows, name):
                if isinstance(record, Layout):
                    yield view, view.frame(rows, lines)
                    view, rows, lines = View(record, ask, name), [], []
                    yield view, view.frame([], [])
                else:
                    rows.append([record[place] for place in view.places])
                    lines.append(line)
        except GoesOn as open_end:
            carried, carried_from = "\n".join(whole.lines[open_end.at :]).encode() + b"\n", first + open_end.at
        yield view, view.frame(rows, lines)
    if view is None and not packed:
        raise InputError(f"{name} is empty: it has no line of column names")


class View:
    """The wanted columns of a table, under one header."""

    def __init__(self, layout: Layout, ask: Ask, name: str):
        self.ask, self.name = ask, name
        self.spelt = unique(respell(layout.names, ask.known))
        columns = [column for column in self.spelt if ask.wanted(column)]
        repeated = [(name, *name.rpartition(".")[::2]) for name in self.spelt]
        self.twins = {twin: name for twin, name, count in repeated if count.isdecimal() and name in ask.known and name in columns}
        self.columns = columns + [twin for twin in self.twins if twin not in columns]
        self.places = [self.spelt.index(column) for column in self.columns]
        self.reach = max(self.places, default=0) + 1
        self.layout = replace(layout, watched=max((layout.names[place] for place in self.places), key=len, default=""))

    def frame(self, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> pd.DataFrame:
        """Rows of the wanted cells as a table of clean strings."""
        cells = zip(*rows, strict=True) if rows else [()] * len(self.columns)
        factors = [pd.factorize(np.array(column, dtype=object)) for column in cells]
        return self._frame([(codes, list(words)) for codes, words in factors], np.array(lines, dtype=np.int64))

    def fast(self, block: bytes, first: int) -> pd.DataFrame | None:
        """The same as `records` and `frame` for a block of nothing but whole rows in single lines; None for any other."""
        if self.layout.delimiter == " " or any(mark in block for mark in self.marks) or block.startswith((b"#", b'"#', b"\n")):
            return None
        if opens(block[block.rfind(b"\n", 0, -1) + 1 :].decode()):  # and may close in the next block
            return None
        try:
            table = pacsv.read_csv(
                pa.BufferReader(block),
                read_options=pacsv.ReadOptions(
                    column_names=list(map(str, range(self.layout.width))), use_threads=False, block_size=len(block) + 1
                ),
                parse_options=pacsv.ParseOptions(delimiter=self.layout.delimiter, quote_char=False),
                convert_options=pacsv.ConvertOptions(
                    include_columns=list(map(str, self.places)), column_types={str(place): WORDS for place in self.places}
                ),
            )
        except pa.ArrowInvalid:
            return None
        columns = [column.combine_chunks() for column in table.columns]
        columns = [column.chunk(0) if isinstance(column, pa.ChunkedArray) else column for column in columns]
        factors = [(column.indices.to_numpy(), list(map(unquoted, column.dictionary.to_pylist()))) for column in columns]
        return self._frame(factors, np.arange(first, first + table.num_rows))

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What a block of nothing but plain rows does not hold."""
        quotes = b'\n"#' if self.layout.delimiter == "\t" else b'"'
        return (quotes, b"\n#", b"\n\n", BCR_CODES.encode(), *(probe.encode() for probe in self.layout.probes))

    def _frame(self, factors: list[tuple[np.ndarray, list[str]]], lines: np.ndarray) -> pd.DataFrame:
        columns = {}
        for column, (codes, words) in zip(self.columns, factors, strict=True):
            clean = np.array([self._clean(word) for word in words] + [None], dtype=object)
            columns[column] = clean[codes]
        table = pd.DataFrame(columns, index=lines, dtype=object)
        for twin, column in self.twins.items():
            table[column] = self._one(table[column], table[twin], column)
        table = table.drop(columns=[twin for twin in self.twins if not self.ask.wanted(twin)])
        return table[table.notna().any(axis=1)] if len(table) else table

    def _clean(self, word: str) -> str | None:
        word = word.strip()
        return None if word.lower() in self.ask.missing else word

    def _one(self, values: pd.Series, others: pd.Series, column: str) -> pd.Series:
        differ = values.notna() & others.notna() & (values != others)
        if differ.any():
            line = differ.idxmax()
            raise InputError(
                f"{self.name}: two columns are called {column!r} and say different things, {values[line]!r} and {others[line]!r} in "
                f"line {line}; leave one"
            )
        return values.where(values.notna(), others)
