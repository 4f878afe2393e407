"""The planted BACH, PCam and CRC MSI: their publishers' layouts, labels that the programmes drive, and patients of nobody's cohort."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pathfm.benchmarks import BENCHMARKS, READERS
from pathfm.benchmarks.benchmark import decoded
from pathfm.benchmarks.known import Found
from pathfm.benchmarks.preparing import prepare
from pathfm.cohort.sites import tcga_hospitals
from pathfm.demo import bach, crc_msi, external, pcam
from pathfm.demo.world import PROGRAMMES, make_world
from pathfm.sources.barcodes import patient, site

PLANTED = {"bach": bach, "pcam": pcam, "crc_msi": crc_msi}


@pytest.fixture(scope="module")
def small():
    return make_world(16, 0)


@pytest.fixture(scope="module")
def large():
    return make_world(160, 0)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory, small):
    """What the demo writes of each, in a world of sixteen patients."""
    root = tmp_path_factory.mktemp("world")
    for name, benchmark in PLANTED.items():
        for number, file in enumerate(benchmark.files(small)):
            benchmark.write_file(root / name / file, small, number)
    pcam.write_tables(root / "pcam", small)
    return root


def found(downloads: Path, name: str) -> Found:
    return BENCHMARKS[name].find(downloads / name)


@pytest.mark.parametrize("name", PLANTED)
def test_a_download_is_read_by_its_reader_and_has_every_class_in_every_role(downloads, name):
    there = found(downloads, name)
    assert there.lacking
    roles = there.table.groupby("role")["label"].agg(set)
    assert {"train", "test"} <= {*roles.index} and all(labels == {*BENCHMARKS[name].classes} for labels in roles)
    width, height = (bach.WIDTH, bach.HEIGHT) if name == "bach" else (96, 96)
    assert decoded(there.encoded(len(there.table) - 1), "").shape == (height, width, 3)


def test_bach_has_its_planted_labels_and_pixels(downloads, small):
    planted, table = bach.images(small), found(downloads, "bach").table
    labels = {
        file.removeprefix("ICIAR2018_BACH_Challenge/Photos/"): label for file, label in zip(planted.files, planted.labels, strict=True)
    }
    assert dict(zip(table["unit"], table["label"], strict=True)) == labels
    expected = external.paint(small, planted, 3, bach.WIDTH)[: bach.HEIGHT]
    np.testing.assert_array_equal(np.asarray(Image.open(downloads / "bach" / planted.files[3])), expected)


def test_pcam_has_its_planted_labels_slides_and_pixels_and_no_slide_in_two_roles(downloads, small):
    planted, there = pcam.images(small), found(downloads, "pcam")
    assert there.table["label"].tolist() == [("no tumour", "tumour")[int(label)] for label in planted.labels]
    assert there.table["slide"].tolist() == planted.slides.tolist()
    assert (there.table.groupby("slide")["role"].nunique() == 1).all()
    last = len(there.table) - 1
    np.testing.assert_array_equal(decoded(there.encoded(last), ""), external.paint(small, planted, last))


@pytest.mark.parametrize("patients", [16, 400])
def test_the_patients_of_crc_msi_are_of_hospitals_that_neither_tcga_nor_the_cohort_has(patients):
    world = make_world(patients, 0)
    names = {patient(slide) for slide in crc_msi.images(world).slides}
    sites = {site(name) for name in names}
    assert len(sites) > 1 and not sites & {*world.hospitals} and not sites & {*tcga_hospitals()}
    assert not names & {*world.people["patient"]}


def test_crc_msi_has_its_planted_labels_and_several_tiles_of_each_patient(downloads, small):
    planted, table = crc_msi.images(small), found(downloads, "crc_msi").table.set_index("unit")
    names = {"MSIMUT": "MSI", "MSS": "MSS"}
    assert {file: names[label] for file, label in zip(planted.files, planted.labels, strict=True)} == table["label"].to_dict()
    assert (table["patient"].value_counts() == crc_msi.TILES).all()


@pytest.mark.parametrize(
    ("name", "second", "first", "score"),
    [
        ("pcam", {"1"}, {"0"}, (1, -1, 0, 0)),
        ("crc_msi", {"MSIMUT"}, {"MSS"}, (0, 1, -0.5, 0)),
        ("bach", {"InSitu", "Invasive"}, {"Benign", "Normal"}, (1, 0, 0, 0)),
        ("bach", {"Normal"}, {"Benign"}, (0, 0, 1, 0)),
        ("bach", {"InSitu"}, {"Invasive"}, (0, 0, 1, 0)),
    ],
)
def test_the_programmes_drive_the_label_and_do_not_settle_it(large, name, second, first, score):
    """The score alone, cut in the middle, tells most images and not all."""
    planted = PLANTED[name].images(large)
    kept = np.isin(planted.labels, [*first, *second])
    truth, values = np.isin(planted.labels[kept], [*second]), planted.programmes[kept] @ np.array(score)
    assert 0.7 < np.mean((values > np.median(values)) == truth) < 0.97


@pytest.mark.parametrize("name", ["pcam", "bach"])
def test_a_programme_without_a_part_in_the_label_tells_nothing(large, name):
    planted = PLANTED[name].images(large)
    necrosis = planted.programmes[:, PROGRAMMES.index("necrosis")]
    for label in {*planted.labels}:
        assert abs(np.corrcoef(necrosis, planted.labels == label)[0, 1]) < 4 / np.sqrt(len(necrosis))


def test_there_are_as_many_of_each_class_and_hundreds_to_score_from_160_patients_on(large):
    for benchmark, least in ((bach, 320), (pcam, 900), (crc_msi, 800)):
        planted = benchmark.images(large)
        _, counts = np.unique(planted.labels, return_counts=True)
        assert len(planted.labels) >= least and len({*counts}) == 1


def test_an_image_is_a_function_of_the_world_and_shares_its_stain_with_its_slide(small):
    planted = pcam.images(small)
    again = make_world.__wrapped__(16, 0)
    np.testing.assert_array_equal(external.paint(small, planted, 5), external.paint(again, pcam.images(again), 5))
    assert (external.paint(small, planted, 4) != external.paint(small, planted, 5)).any()
    other = make_world(16, 1)
    assert (external.paint(other, pcam.images(other), 5) != external.paint(small, planted, 5)).any()


def test_the_files_of_pcam_are_the_same_bytes_each_time(downloads, small, tmp_path):
    number = 1
    pcam.write_file(tmp_path / "x.h5", small, number)
    pcam.write_tables(tmp_path, small)
    assert (tmp_path / "x.h5").read_bytes() == (downloads / "pcam" / pcam.files(small)[number]).read_bytes()
    for path in sorted(tmp_path.glob("camelyonpatch*")):
        assert path.read_bytes() == (downloads / "pcam" / path.name).read_bytes()


def test_the_demos_commands_prepare_a_part_that_is_scored_by_patient(downloads, tmp_path):
    prepare(BENCHMARKS["crc_msi"], downloads / "crc_msi", tmp_path, subset=True)
    benchmark = READERS["crc_msi"](str(tmp_path))
    assert benchmark.unit == "patient" and benchmark.lacking and len({*benchmark.patients}) == len(benchmark.units) / crc_msi.TILES
