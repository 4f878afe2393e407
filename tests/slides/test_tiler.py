"""One slide: which tiles it gives, what they show, and which reason it gives when it gives none."""

import json
import shutil
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from pathfm.cohort import slide_rows
from pathfm.cohort.folder import CohortFolder
from pathfm.files import parquet_metadata, read_parquet, sha256
from pathfm.slides.records import TileRecords, decode_tile, encode_tile
from pathfm.slides.tiler import METADATA, Job, Settings, finished, tile_slide, unchanged

NOBODY = dict.fromkeys(("patient", "sample", "sample_type", "preparation", "project", "site"))


def job(path, cohort, **settings) -> Job:
    return Job(path.stem, path, CohortFolder(cohort), Settings(**settings), NOBODY)


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_real_slide_gives_openslides_own_pixels(shared, tmp_path):
    path = shared / "wsi" / "CMU-1-Small-Region.svs"
    row = tile_slide(job(path, tmp_path))
    folder = CohortFolder(tmp_path)
    table, records = read_parquet(folder.tiles(row["slide"])), TileRecords(folder.records(row["slide"]))
    assert (row["status"], row["reason"], row["mpp"], row["effective_mpp"]) == ("done", "", 0.499, 0.499)
    assert (row["width"], row["height"], row["tile"]) == (2220, 2967, 224)
    assert 35 <= row["tiles"] == len(table) == len(records) <= 55
    assert row["records_sha256"] == sha256(folder.records(row["slide"]))
    assert (table[["x", "y"]] % 224 == 0).all(axis=None) and table["x"].max() <= 2220 - 224 and table["y"].max() <= 2967 - 224
    assert table["tissue"].between(0.5, 1).all() and (table["sharpness"] > 100).all()
    assert table[["y", "x"]].apply(tuple, axis=1).is_monotonic_increasing
    with openslide.OpenSlide(path) as reference:
        for index in range(0, len(table), 7):
            theirs = reference.read_region((int(table["x"][index]), int(table["y"][index])), 0, (224, 224)).convert("RGB")
            assert records[index] == encode_tile(np.asarray(theirs))
        with Image.open(folder.thumbnail(row["slide"])) as thumbnail:
            assert thumbnail.size == (766, 1024)
            theirs = reference.get_thumbnail((1024, 1024)).resize(thumbnail.size)
            difference = np.abs(np.asarray(thumbnail, int) - np.asarray(theirs, int)).max(axis=-1)
    assert np.median(difference) <= 12  # but for JPEG the slide itself
    drawn = np.argwhere(difference > 80)  # outline and tiles
    assert 0.01 < len(drawn) / difference.size < 0.2


def test_two_runs_and_two_folders_give_the_same_bytes(shared, tmp_path):
    path = shared / "wsi" / "TCGA-CR-7395-01A-01-TS1.svs"
    rows = [tile_slide(job(path, tmp_path / name, mpp_override=0.25, tile=448)) for name in "ab"]
    assert rows[0] == rows[1]
    assert rows[0]["effective_mpp"] == pytest.approx(0.5001, abs=1e-4) and rows[0]["mpp"] == 0.25
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize(("levels", "mpp", "factor"), [(1, 0.25, 2), (3, 0.25, 2), (2, 0.125, 4)])
def test_tiles_cover_the_tissue_and_nothing_else(tmp_path, write_pyramid, stained, block_mean, levels, mpp, factor):
    edge = 64 * factor
    image = stained(edge * 6, edge * 8, (edge, edge * 4, edge * 2, edge * 6))
    row = tile_slide(job(write_pyramid(tmp_path / "a.tif", image, levels, mpp), tmp_path, tile=64))
    folder = CohortFolder(tmp_path)
    table, records = read_parquet(folder.tiles("a")), TileRecords(folder.records("a"))
    assert sorted(zip(table["x"] // edge, table["y"] // edge, strict=True)) == sorted((x, y) for x in range(2, 6) for y in range(1, 4))
    assert row["effective_mpp"] == pytest.approx(0.5, rel=1e-4) and row["tiles"] == 12
    for index, (x, y) in enumerate(zip(table["x"], table["y"], strict=True)):
        region = image[y : y + edge, x : x + edge]
        expected = region
        for _ in range(factor // 2):
            expected = block_mean(expected, 2)
        assert abs(decode_tile(records[index], 64).astype(int) - decode_tile(encode_tile(expected), 64)).max() <= 3


def test_tiles_do_not_drift_when_their_edge_is_no_whole_number_of_pixels(tmp_path, write_pyramid, stained):
    tile_slide(job(write_pyramid(tmp_path / "a.tif", stained(900, 900), 1, 0.43), tmp_path, tile=32))
    side = 32 * 0.5 / 0.43
    columns = read_parquet(CohortFolder(tmp_path).tiles("a"))["x"].unique()
    assert list(columns) == [round(index * side) for index in range(int(900 / side))]


@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("no tissue", lambda stained: (stained(400, 400, (0, 0, 0, 0)), 0.5)),
        ("no mpp", lambda stained: (stained(400, 400), None)),
        ("no mpp: the file says 300 µm/px, which is no microscope's (0.1 to 5)", lambda stained: (stained(400, 400), 300)),
        ("coarser than wanted: 1 µm/px, wanted 0.5", lambda stained: (stained(400, 400), 1.0)),
        ("smaller than a tile", lambda stained: (stained(200, 400), 0.5)),
    ],
)
def test_a_slide_without_tiles_says_why(tmp_path, write_pyramid, stained, reason, make):
    image, mpp = make(stained)
    row = tile_slide(job(write_pyramid(tmp_path / "a.tif", image, 1, mpp), tmp_path / "cohort"))
    assert (row["status"], row["reason"], row["tiles"], row["records_sha256"]) == ("failed", reason, 0, None)
    assert files(tmp_path / "cohort") == ["tiles/a.json"]


def test_a_file_that_is_no_slide_is_named(shared, tmp_path):
    row = tile_slide(job(shared / "wsi" / "broken.svs", tmp_path))
    assert (row["file"], row["status"]) == ("broken.svs", "failed") and row["reason"].startswith("cannot be opened: ")
    assert row["mpp"] is None and row["width"] is None


def test_a_corrupt_region_fails_the_slide_and_leaves_nothing(tmp_path, write_pyramid, stained):
    path = write_pyramid(tmp_path / "a.tif", stained(1024, 1024), 2)
    assert tile_slide(job(path, tmp_path / "cohort", tile=128))["status"] == "done"
    blank_internal_tile(path, 40)
    row = tile_slide(job(path, tmp_path / "cohort", tile=128))
    assert row["status"] == "failed" and row["reason"].startswith("cannot be read: ")
    assert files(tmp_path / "cohort") == ["tiles/a.json"]


def test_a_corrupt_jpeg_region_fails_the_slide(shared, tmp_path):
    path = Path(shutil.copy(shared / "wsi" / "CMU-1-Small-Region.svs", tmp_path / "a.svs"))
    blank_internal_tile(path, 75)
    row = tile_slide(job(path, tmp_path / "cohort"))
    assert row["status"] == "failed" and row["reason"].startswith("cannot be read: ")
    assert files(tmp_path / "cohort") == ["tiles/a.json"]


def blank_internal_tile(path, number) -> None:
    with tifffile.TiffFile(path) as tiff:
        offset, length = tiff.pages[0].dataoffsets[number], tiff.pages[0].databytecounts[number]
    data = bytearray(path.read_bytes())
    data[offset : offset + length] = bytes(length)
    path.write_bytes(data)


def test_pen_beside_tissue_gives_no_tiles(shared, tmp_path, write_pyramid):
    tissue, red, green = (
        np.asarray(Image.open(shared / "tiles" / f"histolab_{name}.png").convert("RGB"))
        for name in ("tcga-lung-rgb", "no-tissue-red-pen", "no-tissue-green-pen")
    )
    image = np.concatenate([tissue, np.full_like(tissue, 245), red, np.full_like(tissue, 245), green], axis=1)
    row = tile_slide(job(write_pyramid(tmp_path / "a.tif", image, 1, 0.5), tmp_path, tile=128, min_tissue=0.3))
    assert row["status"] == "done" and read_parquet(CohortFolder(tmp_path).tiles("a"))["x"].max() < 512


def test_a_slide_is_done_when_records_and_table_stand(tmp_path, write_pyramid, stained):
    path = write_pyramid(tmp_path / "a.tif", stained(300, 300))
    folder = CohortFolder(tmp_path / "cohort")
    assert finished(folder, "a") is None
    row = tile_slide(job(path, folder.root, tile=64))
    note = finished(folder, "a")
    assert note["row"] == row and note["settings"]["tile"] == 64
    assert note == json.loads(parquet_metadata(folder.tiles("a"))[METADATA])
    assert unchanged(path, note["source"])
    path.touch()
    assert unchanged(path, note["source"])
    assert unchanged(path, note["source"])["mtime_ns"] == path.stat().st_mtime_ns
    assert unchanged(tmp_path / "unmounted.tif", note["source"])
    write_pyramid(path, stained(300, 300, seed=1))
    assert not unchanged(path, note["source"])
    folder.records("a").unlink()
    assert finished(folder, "a") is None


def test_a_job_that_ends_while_it_tiles_again_leaves_no_row_of_tiles_that_are_gone(tmp_path, write_pyramid, stained, monkeypatch):
    path = write_pyramid(tmp_path / "a.tif", stained(300, 300))
    folder = CohortFolder(tmp_path / "cohort")
    tile_slide(job(path, folder.root, tile=64))

    def ends(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathfm.slides.tiler.lay_grid", ends)
    with pytest.raises(KeyboardInterrupt):
        tile_slide(job(path, folder.root, tile=64))
    assert finished(folder, "a") is None
    row = slide_rows.read_notes(folder)["a"]["row"]
    assert (row["status"], row["tiles"], row["reason"].partition(":")[0]) == ("failed", 0, "unfinished")


def test_a_lost_row_is_made_again_from_the_table_beside_the_tiles(tmp_path, write_pyramid, stained):
    folder = CohortFolder(tmp_path / "cohort")
    tile_slide(job(write_pyramid(tmp_path / "a.tif", stained(300, 300)), folder.root, tile=64))
    note = finished(folder, "a")
    folder.row("a").write_text("")
    assert finished(folder, "a") == note
    folder.row("a").unlink()
    assert finished(folder, "a") == note


def test_files_that_hold_no_slide_say_what_they_lack(tmp_path):
    (tmp_path / "empty.svs").touch()
    (tmp_path / "alone.mrxs").write_bytes(b"x")
    (tmp_path / "gone.svs").symlink_to(tmp_path / "nowhere")
    said = {name: tile_slide(job(tmp_path / name, tmp_path / "cohort"))["reason"] for name in ("empty.svs", "alone.mrxs", "gone.svs")}
    assert said == {
        "empty.svs": "cannot be opened: it is empty; fetch it again",
        "alone.mrxs": "cannot be opened: the folder alone with its pixels is not beside it",
        "gone.svs": "cannot be opened: No such file or directory",
    }
