"""Files that are either whole or absent, names that stay inside their folder, and hashes of what they hold."""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import CoroutineType
from typing import Any

from pathfm.errors import InputError

MAX_TABLE_ROWS = 50_000_000
MAX_TEMPORARY_STEM = 100
ABANDONED_AFTER = 3600.0
PARTIAL = re.compile(r"\..*\.(?P<host>[0-9a-f]{6})-(?P<process>\d+)\.partial", re.DOTALL)


@contextmanager
def replacing(path: str | os.PathLike, sync: bool = True) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is synced and renamed to `path`, on any error it is removed.

    A killed process leaves at most a file whose name starts with `.` and ends with `.partial`. `sync=False` is for what can be made
    again: after a power cut such a file may be empty. Raises InputError when the file system refuses (full disk, no permission).
    """
    path = Path(path)
    temporary = path.with_name(f".{fitting(path.name, MAX_TEMPORARY_STEM)}.{_host()}-{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if sync:
            _sync(temporary)
        os.replace(temporary, path)
        if sync:
            _sync(path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; free some space or choose another folder") from error
    finally:
        with suppress(OSError):  # the error that led here says more
            temporary.unlink(missing_ok=True)


def fitting(name: str, room: int) -> str:
    """`name`, or where it has more than `room` bytes a hash that stands for it: file systems bound names, mostly at 255 bytes."""
    data = os.fsencode(name)
    return name if len(data) <= room else hashlib.sha256(data).hexdigest()[:32]


def clear_partials(folder: str | os.PathLike) -> None:
    """Removes the temporary files that killed processes left in `folder`; those of processes that still write stay.

    Whether a process of another machine still writes cannot be asked: its file counts as left after an hour without a change.
    """
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:  # no folder, nothing left in it; whoever writes there will say more
        return
    for path in (Path(folder, name) for name in names if name.startswith(".") and name.endswith(".partial")):
        with suppress(OSError):  # gone already, or not ours to remove: it is in nobody's way
            if _abandoned(path):
                path.unlink()


def _abandoned(path: Path) -> bool:
    writer = PARTIAL.fullmatch(path.name)
    if writer and writer["host"] == _host():
        return not _running(int(writer["process"]))
    return time.time() - path.stat().st_mtime > ABANDONED_AFTER


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _running(process: int) -> bool:
    """Whether the process is there and is no zombie, which is how one that nobody waited for shows after its end."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


@contextmanager
def alone(path: str | os.PathLike) -> Iterator[None]:
    """Lets one process at a time through of all that name this file, on any machine; it is made when missing, and stays empty.

    Where the file system knows no locks, all go through. Raises InputError when the file cannot be made.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; free some space or choose another folder") from error
    with file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_full_disk(path: str | os.PathLike, needed: int) -> None:
    """Asks before writing `needed` bytes: for writers that meet a full disk with a page of tracebacks from their threads.

    Raises InputError.
    """
    path = Path(path).absolute()
    home = next(parent for parent in path.parents if parent.exists())
    free = shutil.disk_usage(home).free
    if free < needed:
        raise InputError(f"cannot write {path}: {home} has {free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB are needed; free some space")


@contextmanager
def quiet_abandoned_reads() -> Iterator[None]:
    """For a read by Orbax: when one of its files fails, the reads of the others end after their event loop is closed, and python and
    asyncio print a page for each. Those pages stay out, also the ones that come later; the error itself is raised.
    """
    hook, log = sys.unraisablehook, logging.getLogger("asyncio")
    level = log.level
    sys.unraisablehook = partial(_unless_abandoned, hook)
    log.setLevel(logging.CRITICAL)
    yield
    sys.unraisablehook = hook
    log.setLevel(level)


def _unless_abandoned(hook, unraisable) -> None:
    late = isinstance(unraisable.exc_value, RuntimeError) and str(unraisable.exc_value) == "Event loop is closed"
    if not (late or isinstance(unraisable.object, CoroutineType)):
        hook(unraisable)


def reason(error: BaseException) -> str:
    """What the system said, without the paths that Orbax puts before it."""
    return getattr(error, "strerror", None) or str(error).partition("\n")[0].rpartition(": ")[2]


def inside(folder: str | os.PathLike, name: str) -> Path:
    """`folder/name`, resolved; InputError when the name leaves the folder (`..`, an absolute path, a link out of it)."""
    root = Path(folder).resolve()
    path = (root / name).resolve()
    if root not in path.parents:
        raise InputError(f"the file name {name!r} leads out of {root}; names in sheets and tables must stay inside their folder")
    return path


def write_json(value: Any, path: str | os.PathLike) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike) -> Any:
    """The value in a JSON file; InputError when it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def write_parquet(table, path: str | os.PathLike, metadata: Mapping[str, str] | None = None) -> None:
    """A pandas DataFrame as Parquet, without its index; `metadata` are strings kept in the file's schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(text_as_objects(table), preserve_index=False)
    if metadata:
        arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **metadata})
    with replacing(path) as temporary:
        pq.write_table(arrow, temporary)


def read_parquet(path: str | os.PathLike, columns: list[str] | None = None, optional: Collection[str] = ()):
    """The Parquet file as a pandas DataFrame, text as str and None; InputError when it is missing, broken, too long or lacks a column.

    Of `columns` those in `optional` are left out where the file lacks them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > MAX_TABLE_ROWS:
                raise InputError(f"{path} has {file.metadata.num_rows:,} rows; at most {MAX_TABLE_ROWS:,} are read")
            columns = columns and [name for name in columns if name not in optional or name in file.schema_arrow.names]
            missing = sorted(set(columns or ()) - set(file.schema_arrow.names))
            if missing:
                raise InputError(f"{path} lacks the column {missing[0]!r}; it has {', '.join(file.schema_arrow.names)}")
            return text_as_objects(file.read(columns=columns).to_pandas())
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error


def text_as_objects(table):
    """The DataFrame with columns of str, and None where there is none, whichever dtype pandas gave its text.

    pandas 3 has a dtype of its own for text, where a missing one is NaN and Arrow's strings are of another width.
    """
    import pandas as pd

    texts = [name for name, dtype in table.dtypes.items() if isinstance(dtype, pd.StringDtype)]
    return table.assign(**{name: table[name].astype(object).where(table[name].notna(), None) for name in texts})


def parquet_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The strings that `write_parquet` kept in the file's schema."""
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    return {key.decode(): value.decode() for key, value in metadata.items() if key not in (b"pandas", b"ARROW:schema")}


def sha256(path: str | os.PathLike) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """The hexadecimal SHA-256 of a JSON-like value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
