"""Tables of text as the field hands them out: tabs or commas, gzipped or not, with lines of `#` above the header."""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from pathfm.errors import InputError

MAX_BYTES_WHOLE = 1 << 30
MAX_BYTES_IN_PARTS = 32 << 30
MAX_ROWS = 20_000_000
MAX_HEADER = 1 << 20
MISSING = ("", "'--", "--", "NA", "N/A", "[Not Available]", "[Not Applicable]", "[Unknown]")
GZIP_MAGIC = b"\x1f\x8b"


class Bounded(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes: a small gzip file may hold any amount."""

    def __init__(self, stream, limit: int, path: Path):
        self.stream, self.left, self.limit, self.path = stream, limit, limit, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self.stream.readinto(buffer)
        self.left -= count
        if self.left < 0:
            raise InputError(f"{self.path} holds more than {self.limit:,} bytes once decompressed; that is no table of this kind")
        return count


@contextmanager
def open_bytes(path: str | Path, limit: int) -> Iterator[io.BufferedReader]:
    """The file's bytes, decompressed when they are gzip (whatever the name says); at most `limit` of them.

    Raises InputError when the file is missing, unreadable, broken gzip or too long.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            stream = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == GZIP_MAGIC else file
            yield io.BufferedReader(Bounded(stream, limit, path), 1 << 20)
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except EOFError:
        raise InputError(f"{path} ends in the middle of its gzip stream; fetch it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is not a sound gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def read_bytes(path: str | Path, limit: int) -> bytes:
    """All bytes of a file, decompressed; see `open_bytes`."""
    with open_bytes(path, limit) as stream:
        return b"".join(iter(lambda: stream.read(8 << 20), b""))


def read_table(path: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> pd.DataFrame:
    """The whole table; see `read_parts`."""
    return pd.concat(read_parts(path, wanted, MAX_BYTES_WHOLE), ignore_index=True)


def read_parts(
    path: str | Path, wanted: Callable[[str], bool] = lambda name: True, max_bytes: int = MAX_BYTES_IN_PARTS, max_rows: int = MAX_ROWS
) -> Iterator[pd.DataFrame]:
    """The columns that `wanted` names, part by part (at least one), as strings without blanks at their ends; missing values are None.

    Lines of `#` above the header are skipped, the delimiter is a tab where the header has one and else a comma. A column name that occurs
    twice is followed by `.1`, `.2`, … . Only a part of the wanted columns is held in memory. Raises InputError with file and line.
    """
    with open_bytes(path, max_bytes) as stream:
        names, delimiter, line = _header(stream, path)
        columns = [name for name in names if wanted(name)]
        yield pd.DataFrame({name: [] for name in columns}, dtype=object)
        rows = 0
        try:
            for batch in _open_csv(stream, names, columns, delimiter) if columns and stream.peek(1) else ():
                rows += batch.num_rows
                if rows > max_rows:
                    raise InputError(f"{path} has more than {max_rows:,} rows; that is no table of this kind")
                yield _tidy(batch.to_pandas())
        except pa.ArrowInvalid as error:
            raise InputError(f"{path}: {_place(error, line)}") from error


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype(object).apply(lambda column: column.str.strip())
    return frame.where(frame.notna() & ~frame.isin(MISSING), None)


def _header(stream: io.BufferedReader, path: str | Path) -> tuple[list[str], str, int]:
    for number in range(1, 10_000):
        raw = stream.readline(MAX_HEADER)
        if not raw:
            break
        try:
            text = raw.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not a table of text: line {number} is not UTF-8") from error
        if text.strip() and not text.startswith("#"):
            delimiter = "\t" if "\t" in text else ","
            cells = next(csv.reader([text], delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL))
            return _unique([cell.strip() for cell in cells]), delimiter, number
    raise InputError(f"{path} is empty: it has no line of column names")


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return unique


def _open_csv(stream, names: list[str], columns: list[str], delimiter: str) -> pacsv.CSVStreamingReader:
    return pacsv.open_csv(
        pa.PythonFile(stream, mode="r"),
        read_options=pacsv.ReadOptions(column_names=names, use_threads=False, block_size=8 << 20),
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter, quote_char=False if delimiter == "\t" else '"', newlines_in_values=delimiter != "\t"
        ),
        convert_options=pacsv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string())),
    )


def _place(error: pa.ArrowInvalid, header_line: int) -> str:
    row = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error))
    if not row:
        return f"not a table of text ({str(error).splitlines()[0][:200]})"
    number, expected, got = map(int, row.groups())
    return f"line {header_line + number} has {got} fields where the header has {expected}; the file is cut or damaged"
