"""HDF5 files that survive a full disk: the failure comes as an OSError when the file is closed, and never as the end of the process."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata
import h5py
import pandas as pd
from anndata.io import write_elem


class SilentFile(io.FileIO):
    """A file that keeps its first failure for later, and in memory what could not be written: an HDF5 that meets a full disk, or does
    not find again what it wrote, brings down the whole process as it closes."""

    failure: OSError | None = None

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.unwritten: list[tuple[int, bytes]] = []

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        start, written = self.tell(), 0
        try:
            while written < len(view) and not self.failure:
                written += super().write(view[written:])
        except OSError as error:
            self.failure = error
        if self.failure:
            self.unwritten.append((start + written, bytes(view[written:])))
            self.seek(start + len(view))
        return len(view)

    def readinto(self, buffer) -> int:
        view = memoryview(buffer).cast("B")
        start = self.tell()
        count = super().readinto(view)
        for place, data in self.unwritten:
            first, end = max(start, place), min(start + len(view), place + len(data))
            if first < end:
                view[first - start : end - start] = data[first - place : end - place]
                count = max(count, end - start)
        self.seek(start + count)
        return count

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0


@contextmanager
def whole_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """A new HDF5 file to write into; OSError at the end when the disk was full or refused."""
    with SilentFile(path, "w+") as file:
        with h5py.File(file, "w") as hdf5:
            yield hdf5
        if file.failure:
            raise file.failure


def write_element(group: h5py.Group, name: str, value: Any) -> None:
    """Writes as AnnData does, with text as plain strings whichever dtype pandas gave it: those are what every reader of .h5ad knows."""
    with anndata.settings.override(allow_write_nullable_strings=False):
        write_elem(group, name, value)


def words(column: pd.Series) -> pd.Series:
    """A column of a table that AnnData read as text, a missing value as "nan": under pandas 3 `astype(str)` leaves it missing."""
    return column.astype(object).map(str)
