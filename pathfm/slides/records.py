"""Tile records: JPEG bytes in an ArrayRecord file (https://github.com/google/array_record), and the table beside them."""

import operator
import os
from collections.abc import Iterable, Sequence

import numpy as np
import simplejpeg
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.files import replacing, sha256, write_parquet

QUALITY = 90
LAYOUT = "group_size:1,uncompressed"
COLUMNS = {"x": np.int32, "y": np.int32, "tissue": np.float32, "sharpness": np.float32}


class TileRecords:
    """The records of one slide, by their number; opened at the first read, so that it can be sent to another process.

    Raises InputError when the file is missing or is no ArrayRecord file, IndexError for a number that it does not have.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        self._reader: ArrayRecordReader | None = None

    @property
    def reader(self) -> ArrayRecordReader:
        if self._reader is None:
            reader = ArrayRecordReader(self.path, "readahead_buffer_size:0")
            if not reader.ok():
                raise InputError(f"{self.path} is missing or no whole file of tile records; tile the slide again")
            self._reader = reader
        return self._reader

    def __len__(self) -> int:
        return self.reader.num_records()

    def __getitem__(self, index: int) -> bytes:
        return self.read([operator.index(index)])[0]

    def read(self, indices: Sequence[int]) -> list[bytes]:
        """The records of these numbers, in this order, repeats included; b"" for one whose bytes are damaged on disk."""
        indices = [int(index) for index in indices]
        if indices and not 0 <= min(indices) <= max(indices) < len(self):
            raise IndexError(f"{self.path} has {len(self)} records, asked for {min(indices)} to {max(indices)}")
        try:
            return self.reader.read(indices) if indices else []
        except RuntimeError:
            return [b""] if len(indices) == 1 else [self[index] for index in indices]

    def __getstate__(self) -> dict:
        return {"path": self.path, "_reader": None}


def encode_tile(image: np.ndarray) -> bytes:
    """The JPEG bytes of a tile, uint8 [tile, tile, 3]: quality 90, full colour resolution."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=QUALITY, colorspace="RGB", colorsubsampling="444")


def decode_tile(data: bytes, tile: int) -> np.ndarray:
    """The tile in a record, uint8 [tile, tile, 3]; ValueError when it does not decode, or before decoding when its size differs."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    if (height, width) != (tile, tile):
        raise ValueError(f"the record holds {width}×{height} pixels instead of {tile}×{tile}")
    return simplejpeg.decode_jpeg(data, colorspace="RGB")


def write_records(path: str | os.PathLike, records: Iterable[bytes]) -> tuple[int, str]:
    """Writes the records whole or not at all; returns their number and the file's SHA-256. Raises InputError when it cannot."""
    count = 0
    with replacing(path) as temporary:
        writer = _open_writer(temporary)
        try:
            for record in records:
                _write(writer, record)
                count += 1
        finally:
            _close(writer)
        hash_ = sha256(temporary)
    return count, hash_


def _open_writer(path: os.PathLike) -> ArrayRecordWriter:
    try:
        return ArrayRecordWriter(os.fspath(path), LAYOUT)
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _write(writer: ArrayRecordWriter, record: bytes) -> None:
    try:
        writer.write(record)
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _close(writer: ArrayRecordWriter) -> None:
    try:
        writer.close()
    except RuntimeError as error:
        raise OSError(str(error)) from error


def write_table(folder: CohortFolder, slide: str, rows, metadata: dict[str, str] | None = None) -> None:
    """Writes the table beside the records from a DataFrame with x, y, tissue and sharpness; where it stands, the slide is done."""
    write_parquet(rows[list(COLUMNS)].astype(COLUMNS), folder.tiles(slide), metadata)


def write_tiles(folder: CohortFolder, slide: str, images: Iterable[np.ndarray], rows) -> str:
    """Writes a slide's records and its table; returns the SHA-256 of the record file.

    `images` are uint8 [tile, tile, 3]; `rows` is a DataFrame with x, y (level-0 pixels), tissue (0..1) and sharpness, row i for
    image i. Raises ValueError when images and rows differ in number, InputError when the disk refuses.
    """
    folder.tiles(slide).unlink(missing_ok=True)
    count, records_hash = write_records(folder.records(slide), map(encode_tile, images))
    if count != len(rows):
        folder.records(slide).unlink()
        raise ValueError(f"slide {slide} has {count} images and {len(rows)} rows")
    write_table(folder, slide, rows)
    return records_hash
