"""Tile records: whole or absent, equal to what the JPEG library says, refused when they are not what they should be."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import simplejpeg
from PIL import Image

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import InputError
from pathfm.files import read_parquet, sha256
from pathfm.slides.records import TileRecords, decode_tile, encode_tile, write_records, write_tiles


@pytest.fixture
def tiles(stained) -> list[np.ndarray]:
    return [stained(48, 48, seed=seed) for seed in range(5)]


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame({"x": range(5), "y": range(5), "tissue": 0.5, "sharpness": 1.0})


def test_records_come_back_in_the_order_asked_for(tmp_path, tiles, rows):
    folder = CohortFolder(tmp_path)
    records_hash = write_tiles(folder, "a", tiles, rows)
    records = TileRecords(folder.records("a"))
    assert len(records) == 5
    assert records.read([3, 0, 3]) == [encode_tile(tiles[3]), encode_tile(tiles[0]), encode_tile(tiles[3])]
    assert records[4] == encode_tile(tiles[4]) and records.read([]) == []
    assert list(records) == [encode_tile(tile) for tile in tiles]
    assert pickle.loads(pickle.dumps(records))[1] == records[1]
    assert records_hash == sha256(folder.records("a"))
    table = read_parquet(folder.tiles("a"))
    assert dict(table.dtypes.astype(str)) == {"x": "int32", "y": "int32", "tissue": "float32", "sharpness": "float32"}
    for index in (5, -1):
        with pytest.raises(IndexError, match="has 5 records"):
            records[index]


def test_the_same_tiles_give_the_same_file(tmp_path, tiles, rows):
    assert write_tiles(CohortFolder(tmp_path), "a", tiles, rows) == write_tiles(CohortFolder(tmp_path), "b", iter(tiles), rows)


def test_a_record_decodes_to_what_pillow_sees(tmp_path, tiles):
    (tmp_path / "a.jpg").write_bytes(encode_tile(tiles[0]))
    np.testing.assert_array_equal(decode_tile(encode_tile(tiles[0]), 48), np.asarray(Image.open(tmp_path / "a.jpg")))


def test_a_record_that_is_not_a_whole_tile_is_refused(tiles):
    data = encode_tile(tiles[0])
    for broken in (b"", b"\xff\xd8\xff", data[: len(data) // 2], data[:100] + bytes(200) + data[300:]):
        with pytest.raises(ValueError):
            decode_tile(broken, 48)
    bomb = simplejpeg.encode_jpeg(np.zeros((4096, 4096, 3), np.uint8), colorspace="RGB")
    with pytest.raises(ValueError, match="4096×4096 pixels instead of 48×48"):
        decode_tile(bomb, 48)


def test_nothing_stands_under_its_name_when_the_writer_stops(tmp_path, tiles, rows):
    def stops():
        yield from tiles[:2]
        raise RuntimeError("stopped")

    folder = CohortFolder(tmp_path)
    write_tiles(folder, "a", tiles, rows)
    with pytest.raises(RuntimeError, match="stopped"):
        write_tiles(folder, "a", stops(), rows)
    assert not folder.tiles("a").exists()
    with pytest.raises(ValueError, match="3 images and 5 rows"):
        write_tiles(folder, "b", tiles[:3], rows)
    assert [path.name for path in (tmp_path / "tiles").iterdir()] == ["a.array_record"]


def test_a_full_disk_is_one_sentence(tmp_path):
    program = (
        "import resource, signal, sys\n"
        "from pathfm.errors import InputError\n"
        "from pathfm.slides.records import write_records\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n    write_records(sys.argv[1], (bytes(10_000) for _ in range(100)))\n"
        "except InputError as error:\n    print(error)\n"
    )
    path = tmp_path / "a.array_record"
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot write {path}: ") and "free some space" in done.stdout
    assert os.listdir(tmp_path) == []


def test_what_is_no_record_file_is_refused(tmp_path):
    write_records(tmp_path / "whole.array_record", (bytes(5_000) for _ in range(50)))
    (tmp_path / "cut.array_record").write_bytes((tmp_path / "whole.array_record").read_bytes()[:150_000])
    (tmp_path / "other.array_record").write_bytes(b"nothing of the kind" * 10_000)
    for name in ("cut", "other", "missing"):
        with pytest.raises(InputError, match=f"{name}.array_record is missing or no whole file"):
            len(TileRecords(tmp_path / f"{name}.array_record"))


def test_one_damaged_record_leaves_the_others(tmp_path):
    path = tmp_path / "a.array_record"
    write_records(path, (bytes([i]) * 3000 for i in range(100)))
    data = bytearray(path.read_bytes())
    data[150_000:150_100] = bytes(100)
    path.write_bytes(data)
    records = TileRecords(path).read(range(100))
    assert [i for i in range(100) if records[i] != bytes([i]) * 3000] == [49]
    with pytest.raises(ValueError):
        decode_tile(records[49], 48)


def test_any_number_of_records(tmp_path):
    for count in (0, 1, 1000):
        assert write_records(tmp_path / f"{count}.array_record", (bytes([i % 256]) * 50 for i in range(count)))[0] == count
        assert len(TileRecords(tmp_path / f"{count}.array_record")) == count
