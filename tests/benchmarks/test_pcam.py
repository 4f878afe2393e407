"""PCam's HDF5 files and its tables of slides, and what is said of files that do not belong together."""

import h5py
import numpy as np
import pandas as pd
import pytest

from pathfm.benchmarks import pcam
from pathfm.benchmarks.benchmark import Benchmark, decoded
from pathfm.errors import InputError
from tests.benchmarks.downloads import PCAM_IMAGES, make_pcam
from tests.parity import import_torchvision

STEM = "camelyonpatch_level_2_split_"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_pcam(tmp_path_factory.mktemp("pcam"))


@pytest.fixture
def copy(tmp_path):
    return make_pcam(tmp_path)


def test_images_labels_parts_and_slides_are_those_in_the_files(folder, monkeypatch):
    monkeypatch.setattr(pcam, "BLOCK", 7)
    found = pcam.find(folder)
    first = 0
    for role, split in pcam.SPLITS.items():
        with h5py.File(folder / f"{STEM}{split}_x.h5") as x, h5py.File(folder / f"{STEM}{split}_y.h5") as y:
            images, labels = x["x"][:], y["y"][:].ravel()
        rows = found.table[first : first + len(images)]
        assert set(rows["role"]) == {role} and len(images) == PCAM_IMAGES[split]
        assert list(rows["label"] == "tumour") == list(labels == 1)
        assert list(rows["slide"]) == list(pd.read_csv(folder / f"{STEM}{split}_meta.csv")["wsi"])
        for number in (0, 6, 7, len(images) - 1):
            np.testing.assert_array_equal(decoded(found.encoded(first + number), "x"), images[number])
        first += len(images)
    assert first == len(found.table)


def test_images_and_labels_are_torchvisions(folder, tmp_path):
    datasets = import_torchvision().datasets
    (tmp_path / "pcam").symlink_to(folder)
    found = pcam.find(folder)
    for role, split in (("train", "train"), ("val", "val"), ("test", "test")):
        theirs = datasets.PCAM(tmp_path, split=split)
        rows = found.table.index[found.table["role"] == role]
        assert len(theirs) == len(rows)
        for number, row in enumerate(rows):
            image, label = theirs[number]
            assert label == pcam.CLASSES.index(found.table["label"][row])
            np.testing.assert_array_equal(decoded(found.encoded(row), "x"), np.asarray(image))


def test_a_slide_is_the_unit_of_the_images_cut_from_it(folder):
    benchmark = Benchmark.of_found(pcam.KNOWN, pcam.find(folder))
    assert benchmark.unit == "slide"
    assert benchmark.patients[0] == benchmark.patients[7] == "camelyon16_train_0_000" != benchmark.patients[8]


def test_missing_and_packed_files_are_named(copy):
    (copy / f"{STEM}valid_meta.csv").unlink()
    with pytest.raises(InputError, match="not the whole of PCam: it lacks .*valid_meta.csv; .* name the slide of each image"):
        pcam.find(copy)
    (copy / f"{STEM}test_x.h5").rename(copy / f"{STEM}test_x.h5.gz")
    with pytest.raises(InputError, match="1 files of PCam in .* are still packed, such as .*test_x.h5.gz; unpack them with gunzip"):
        pcam.find(copy)


def test_files_of_two_splits_are_refused(copy):
    one, other = copy / f"{STEM}valid_y.h5", copy / f"{STEM}test_y.h5"
    one.rename(copy / "aside")
    other.rename(one)
    (copy / "aside").rename(other)
    with pytest.raises(InputError, match="valid_y.h5 has 24 rows, but .*valid_x.h5 has 16 images"):
        pcam.find(copy)


def test_labels_that_are_not_those_of_the_table_of_slides_are_refused(copy):
    with h5py.File(copy / f"{STEM}test_y.h5", "r+") as file:
        file["y"][:12] = 1 - file["y"][:12]
    with pytest.raises(InputError, match="50% of the labels of .*test_y.h5 are not those of .*test_meta.csv"):
        pcam.find(copy)


def test_a_truncated_file_is_refused(copy):
    path = copy / f"{STEM}train_x.h5"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="train_x.h5 cannot be read as HDF5"):
        pcam.find(copy)


def test_images_of_another_size_are_refused(copy):
    with h5py.File(copy / f"{STEM}train_x.h5", "w") as file:
        file["x"] = np.zeros((40, 48, 48, 3), np.uint8)
    with pytest.raises(InputError, match=r"holds uint8 \[40, 48, 48, 3\] under 'x'; PCam's is uint8 \[images, 96, 96, 3\]"):
        pcam.find(copy)
