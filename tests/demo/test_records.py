"""Two routes, one cohort: records and matrix written straight from the painter are those of the slides and STAR files."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.cohort.expression import build_expression
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.labels import build_labels
from pathfm.cohort.slide_rows import COLUMNS
from pathfm.demo.folder import Job, make, write_labels, write_table
from pathfm.demo.records import paint_slide, write_demo_cohort
from pathfm.demo.tables import portal_metadata
from pathfm.demo.world import make_world
from pathfm.files import read_parquet, sha256, write_json
from pathfm.slides import table
from pathfm.slides.records import TileRecords
from pathfm.slides.tiler import Job as TileJob
from pathfm.slides.tiler import Settings, tile_slide

PATIENTS, SEED, TILES = 16, 1, 4


@pytest.fixture(scope="module")
def world():
    return make_world(PATIENTS, SEED)


@pytest.fixture(scope="module")
def short(world, tmp_path_factory) -> CohortFolder:
    folder = CohortFolder(tmp_path_factory.mktemp("short"))
    write_demo_cohort(folder, world, TILES)
    return folder


def test_every_patient_has_its_tiles_from_its_tumour_slides(world, short):
    slides = read_parquet(short.slides)
    assert slides.columns.tolist() == list(COLUMNS)
    assert slides.groupby("patient")["tiles"].sum().tolist() == [TILES] * PATIENTS
    assert set(slides["preparation"]) == {"DX"} and set(slides["status"]) == {"done"}
    assert slides["records_sha256"].tolist() == [sha256(short.records(slide)) for slide in slides["slide"]]


def test_tiles_are_byte_for_byte_those_of_the_tiled_slide(world, short, tmp_path):
    slide = world.slides["slide"][0]
    make(Job("slide", slide, tmp_path / f"{slide}.tif", PATIENTS, SEED))
    long = CohortFolder(tmp_path / "cohort")
    row = tile_slide(TileJob(slide, tmp_path / f"{slide}.tif", long, Settings(tile=96), table.identity(slide, None)))
    brief = read_parquet(short.slides).set_index("slide").loc[slide]
    same = ["file", "patient", "sample", "sample_type", "preparation", "site", "mpp", "effective_mpp", "width", "height", "tile", "status"]
    assert {name: row[name] for name in same} == brief[same].to_dict()
    assert row["tiles"] > 10
    all_tiles, some = read_parquet(long.tiles(slide)), read_parquet(short.tiles(slide))
    place = {corner: number for number, corner in enumerate(zip(all_tiles["x"], all_tiles["y"], strict=True))}
    numbers = [place[corner] for corner in zip(some["x"], some["y"], strict=True)]
    assert TileRecords(long.records(slide)).read(numbers) == TileRecords(short.records(slide)).read(range(len(some)))
    np.testing.assert_array_equal(all_tiles["sharpness"][numbers], some["sharpness"])


def test_expression_is_that_of_the_star_files(world, short, tmp_path):
    some = world.aliquots[:3]
    for entry in some.itertuples():
        make(Job("rna", entry.aliquot, tmp_path / "rna" / entry.folder / entry.file, PATIENTS, SEED))
    write_json([entry for entry in portal_metadata(world) if entry["file_id"] in set(some["folder"])], tmp_path / "metadata.json")
    long = CohortFolder(tmp_path / "cohort")
    report = build_expression(tmp_path / "rna", tmp_path / "metadata.json", long, workers=1)
    assert report["left_out"] == {} and report["tpm_sum_not_a_million"] == []
    read, written = anndata.read_h5ad(long.expression), anndata.read_h5ad(short.expression)
    assert written.n_obs == len(world.aliquots) and written.n_vars == 60_616
    pd.testing.assert_frame_equal(read.var, written.var)
    written = written[read.obs_names]
    np.testing.assert_array_equal(read.X, written.X)
    np.testing.assert_array_equal(read.layers["counts"], written.layers["counts"])
    pd.testing.assert_frame_equal(read.obs.astype(str), written.obs.astype(str))


def test_labels_are_those_of_the_tables_on_disk(world, short, tmp_path):
    write_labels(tmp_path, world)
    long = CohortFolder(tmp_path / "cohort")
    build_labels([tmp_path / "clinical.tsv"], [tmp_path / "mutations.maf"], None, long)
    labels = read_parquet(short.labels)
    pd.testing.assert_frame_equal(labels, read_parquet(long.labels))
    people = world.people.set_index("patient").loc[labels["patient"]]
    assert labels["cancer"].tolist() == people["project"].str.removeprefix("TCGA-").tolist()
    known = labels["tp53"].notna().to_numpy()
    assert known.tolist() == people["sequenced"].tolist()
    assert labels["tp53"][known].tolist() == people["tp53"][known].tolist()


def test_the_same_slide_gives_the_same_records_wherever_it_is_painted(world, short, tmp_path):
    row = paint_slide(slide_job := first_job(world, CohortFolder(tmp_path)))
    assert row["records_sha256"] == sha256(short.records(slide_job.slide))


def first_job(world, folder: CohortFolder):
    from pathfm.demo.records import Job as PaintJob

    return PaintJob(world.slides["slide"][0], TILES, folder, PATIENTS, SEED)


def test_cells_of_text_tables_end_in_a_plain_newline(tmp_path: Path):
    write_table(tmp_path / "table.tsv", pd.DataFrame({"a": ["x"], "b": ["'--"]}), head="#version\n")
    assert (tmp_path / "table.tsv").read_bytes() == b"#version\na\tb\nx\t'--\n"
