"""The bytes of a table, out of what it was packed in: gzip, zip, tar, an Excel workbook, or nothing.

What is packed is read as a stream and never written to disk; how much may come out is bounded, since a small archive may hold any amount.
"""

import codecs
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pathfm.errors import InputError
from pathfm.sources.workbooks import read_sheets

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
TAR, TAR_AT = b"ustar", 257
OTHER_KINDS = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook of the old kind (.xls); save it as .xlsx or CSV",
    b"BZh": "packed by bzip2; unpack it",
    b"\xfd7zXZ": "packed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"PAR1": "a Parquet file; write it as CSV",
    b"\x89HDF": "an HDF5 file; write it as CSV",
    b"%PDF": "a PDF document, not a table of text",
    b"RDX2": "an R data file; write the table with write.csv",
    b"RDX3": "an R data file; write the table with write.csv",
    b"X\n\x00\x00": "an R data file; write the table with write.csv",
    b"<": "a web page or XML, not a table of text; look at it, the download may have gone wrong",
    b"{": "JSON, not a table of text; download the table as TSV",
    b"[{": "JSON, not a table of text; download the table as TSV",
}
TABLES = frozenset((".tsv", ".txt", ".csv", ".maf", ".tab"))
MAX_MEMBERS = 100_000
BUFFER = 1 << 20


@dataclass
class Budget:
    """How many bytes may still come out of a file, over all that is packed in it."""

    limit: int
    used: int = 0


class Bounded(io.RawIOBase):
    """A stream that says in a sentence why it cannot be read, and refuses to give more than its budget, where it has one."""

    def __init__(self, stream, name: str, budget: Budget | None = None):
        self.stream, self.name, self.budget = stream, name, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            count = self.stream.readinto(buffer)
        except EOFError:
            raise InputError(f"{self.name} ends in the middle of its gzip stream; fetch it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{self.name} is not a sound gzip file ({error}); fetch it again") from error
        except (zipfile.BadZipFile, tarfile.TarError) as error:
            raise InputError(f"{self.name} is not a sound archive ({error}); fetch it again") from error
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror or error}") from error
        if self.budget:
            self.budget.used += count
            if self.budget.used > self.budget.limit:
                raise InputError(_too_much(self.name, self.budget.limit))
        return count


def _too_much(name: str, limit: int) -> str:
    return f"{name} holds more than {limit:,} bytes once decompressed; that is no table of this kind"


@contextmanager
def open_bytes(path: str | Path, limit: int) -> Iterator[io.BufferedReader]:
    """The file's bytes, decompressed when they are gzip (whatever the name says); at most `limit` of them.

    Raises InputError when the file is missing, unreadable, broken gzip or too long; the last two while it is read.
    """
    path = Path(path)
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    with file:
        yield _unpacked(file, str(path), Budget(limit))


def open_tables(path: str | Path, limit: int) -> Iterator[tuple[str, io.BufferedReader]]:
    """Each table in a file, by a name for sentences, as bytes of text that are read before the next one is asked for.

    A plain or gzipped file is one table. Of an archive (.zip, .tar, .tar.gz) the members that are called like tables of text are given,
    themselves gzipped or not, of an Excel workbook the sheets. Raises InputError for anything else.
    """
    with open_bytes(path, limit) as stream:
        start = stream.peek(TAR_AT + len(TAR))
        if start.startswith(ZIP):
            yield from _of_zip(str(path), Budget(limit))
        elif start[TAR_AT:].startswith(TAR):
            yield from _of_tar(stream, str(path), Budget(limit))
        else:
            _refuse_other_kinds(start, str(path))
            yield str(path), stream


def _unpacked(stream, name: str, budget: Budget) -> io.BufferedReader:
    """A binary stream, decompressed when it is gzip."""
    raw = io.BufferedReader(Bounded(stream, name), BUFFER)
    packed = raw.peek(len(GZIP)).startswith(GZIP)
    return io.BufferedReader(Bounded(gzip.GzipFile(fileobj=raw) if packed else raw, name, budget), BUFFER)


def _of_zip(path: str, budget: Budget) -> Iterator[tuple[str, io.BufferedReader]]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is not a sound zip archive ({error}); fetch it again") from error
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        names = [entry.filename for entry in entries]
        if "xl/workbook.xml" in names:
            if sum(entry.file_size for entry in entries) > budget.limit:
                raise InputError(_too_much(path, budget.limit))
            yield from read_sheets(Path(path))
            return
        if "content.xml" in names and "mimetype" in names:
            raise InputError(f"{path} is an OpenDocument file; save the sheet as .xlsx or CSV")
        entries = [entry for entry in entries if _is_table(entry.filename)]
        _refuse_without_tables(path, len(entries), names)
        for entry in entries:
            name = f"{path}, {entry.filename!r}"
            if entry.flag_bits & 1:
                raise InputError(f"{name} is locked with a password; unpack it and give the table itself")
            try:
                member = archive.open(entry)
            except (NotImplementedError, zipfile.BadZipFile) as error:
                raise InputError(f"{name} cannot be unpacked ({error}); give the table itself") from error
            with member:
                yield from _table(_unpacked(member, name, budget), name)


def _of_tar(stream: io.BufferedReader, path: str, budget: Budget) -> Iterator[tuple[str, io.BufferedReader]]:
    tables, others = 0, []
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for entry in archive:
                if entry.isfile() and _is_table(entry.name):
                    tables += 1
                    _refuse_without_tables(path, tables, others)
                    name = f"{path}, {entry.name!r}"
                    yield from _table(_unpacked(archive.extractfile(entry), name, budget), name)
                elif entry.isfile() and len(others) < 3:
                    others.append(entry.name)
    except tarfile.TarError as error:
        raise InputError(f"{path} is not a sound tar archive ({error}); fetch it again") from error
    _refuse_without_tables(path, tables, others)


def _is_table(name: str) -> bool:
    member = PurePosixPath(name.lower().removesuffix(".gz"))
    hidden = any(part.startswith((".", "__macosx")) for part in member.parts if part not in (".", ".."))
    return member.suffix in TABLES and not hidden


def _table(stream: io.BufferedReader, name: str) -> Iterator[tuple[str, io.BufferedReader]]:
    start = stream.peek(1)
    if start:
        _refuse_other_kinds(start, name)
        yield name, stream


def _refuse_without_tables(path: str, tables: int, names: list[str]) -> None:
    if not tables:
        held = ", ".join(map(repr, names[:3])) or "nothing"
        raise InputError(f"{path} holds no table of text ({', '.join(sorted(TABLES))}) but {held}; give the table itself")
    if tables > MAX_MEMBERS:
        raise InputError(f"{path} holds more than {MAX_MEMBERS:,} tables; give the table itself")


def _refuse_other_kinds(start: bytes, name: str) -> None:
    start = start.removeprefix(codecs.BOM_UTF8).lstrip()
    for magic, kind in OTHER_KINDS.items():
        if start.startswith(magic):
            raise InputError(f"{name} is {kind}")
