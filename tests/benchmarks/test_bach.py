"""BACH as its organisers lay it out, on eva's split."""

import numpy as np
import pytest
import tifffile

from pathfm.benchmarks.bach import CLASSES, KNOWN, find
from pathfm.benchmarks.benchmark import Benchmark, decoded
from pathfm.errors import InputError
from tests.benchmarks.downloads import make_bach


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bach(tmp_path_factory.mktemp("bach"), range(100))


def test_the_split_is_evas_ranges_over_all_images_by_class_and_name(folder):
    table = find(folder).table
    paths = sorted((folder / "ICIAR2018_BACH_Challenge" / "Photos").glob("*/*.tif"), key=lambda path: (path.parent.name, path.name))
    train = [*range(0, 41), 59, *range(90, 139), *range(169, 240), 258, 259, *range(273, 345), *range(368, 400)]
    expected = {f"{path.parent.name}/{path.name}": "train" if number in train else "test" for number, path in enumerate(paths)}
    assert dict(zip(table["unit"], table["role"], strict=True)) == expected
    assert table["role"].value_counts().to_dict() == {"train": 268, "test": 132}
    assert list(table["label"].unique()) == list(CLASSES) == ["Benign", "InSitu", "Invasive", "Normal"]


def test_the_pixels_are_those_that_tifffile_reads(folder):
    found = find(folder)
    assert found.lacking == ""
    for number in (0, 133, 399):
        path = folder / "ICIAR2018_BACH_Challenge" / "Photos" / found.table["unit"][number]
        np.testing.assert_array_equal(decoded(found.encoded(number), path), tifffile.imread(path))


def test_patients_are_those_of_the_organisers_table_and_other_images_stand_for_themselves(tmp_path):
    photos = make_bach(tmp_path, range(2)) / "ICIAR2018_BACH_Challenge"
    (photos / "patients.csv").write_text("image,patient\nb001.tif,7\nn002,7\niv001.tif,\n")
    benchmark = Benchmark.of_found(KNOWN, find(photos))
    patients = dict(zip(benchmark.units, benchmark.patients, strict=True))
    assert patients["Benign/b001.tif"] == patients["Normal/n002.tif"] == "7"
    assert patients["Invasive/iv001.tif"] == "Invasive/iv001.tif"


def test_a_part_says_what_is_missing_and_keeps_its_split(tmp_path):
    found = find(make_bach(tmp_path, range(40, 60)))
    assert found.lacking == "320 of 400 images are missing, the first Benign/b001.tif"
    benign = found.table[found.table["label"] == "Benign"]
    assert list(benign["unit"][benign["role"] == "train"]) == ["Benign/b041.tif", "Benign/b060.tif"]


def test_other_folders_and_names_are_refused(tmp_path):
    with pytest.raises(InputError, match="is not BACH: it lacks the folder ICIAR2018_BACH_Challenge/Photos"):
        find(tmp_path)
    photos = make_bach(tmp_path, range(2)) / "ICIAR2018_BACH_Challenge" / "Photos"
    (photos / "Benign" / "b001.tif").rename(photos / "Benign" / "benign_1.tif")
    with pytest.raises(InputError, match=r"benign_1.tif is not one of BACH's names \(b001.tif to b100.tif\)"):
        find(tmp_path)
    (photos / "Benign").rename(photos / "benign images")
    (photos / "Benign.zip").write_bytes(b"")
    with pytest.raises(InputError, match="lacks the folder Benign; unpack Benign.zip there"):
        find(tmp_path)
