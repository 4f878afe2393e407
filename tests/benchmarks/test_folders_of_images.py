"""CRC MSI in both releases, CRC-9 and TCGA-UT: classes, parts and patients from folders and names, and what is said of parts."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pathfm.benchmarks import BENCHMARKS, crc_9, crc_msi, tcga_uniform
from pathfm.benchmarks.benchmark import Benchmark, decoded
from pathfm.errors import InputError
from pathfm.probes.divisions import with_validation
from tests.benchmarks.downloads import make_crc_9, make_crc_msi, make_tcga_uniform


@pytest.mark.parametrize(
    ("release", "kinds", "parts"),
    [
        ("224px", {"MSIMUT": "MSI", "MSS": "MSS"}, ("CRC_DX_TRAIN", "CRC_DX_TEST")),
        ("512px", {"MSIH": "MSI", "nonMSIH": "MSS"}, ("TRAIN", "TEST")),
    ],
)
def test_crc_msi_tells_part_and_class_by_folder_and_patient_by_name(tmp_path, release, kinds, parts):
    found = crc_msi.find(make_crc_msi(tmp_path, release))
    assert found.release == release and len(found.table) == len(list(tmp_path.rglob("*.png"))) == 24
    for number, row in found.table.iterrows():
        part, kind, name = row["unit"].split("/")
        assert (row["label"], row["role"]) == (kinds[kind], ("train", "test")[parts.index(part)])
        assert row["slide"] in name and row["patient"] == row["slide"][:12]
        np.testing.assert_array_equal(decoded(found.encoded(number), name), np.asarray(Image.open(tmp_path / row["unit"])))


def test_crc_msi_may_lie_as_its_archives_unpack_one_by_one(tmp_path):
    make_crc_msi(tmp_path)
    for kind in ("MSIMUT", "MSS"):
        (tmp_path / f"CRC_DX_TEST_{kind}").mkdir()
        (tmp_path / "CRC_DX_TEST" / kind).rename(tmp_path / f"CRC_DX_TEST_{kind}" / kind)
    assert crc_msi.find(tmp_path).table["role"].value_counts().to_dict() == {"train": 12, "test": 12}


def test_validation_is_cut_by_patient_where_patients_are_known(tmp_path):
    benchmark = Benchmark.of_found(BENCHMARKS["crc_msi"], crc_msi.find(make_crc_msi(tmp_path, patients=6)))
    roles, patients = np.array(benchmark.roles, object), np.array(benchmark.patients, object)
    cut = with_validation(roles, np.array(benchmark.labels, object), patients, seed=0)
    assert {role: len(set(patients[cut == role])) for role in ("train", "val", "test")} == {"train": 10, "val": 2, "test": 12}
    assert not set(patients[cut == "train"]) & set(patients[cut == "val"])


def test_what_is_not_the_whole_of_crc_msi_is_named(tmp_path):
    with pytest.raises(InputError, match="has neither CRC_DX_TRAIN/MSIMUT nor TRAIN/MSIH$"):
        crc_msi.find(tmp_path)
    (tmp_path / "CRC_DX_TRAIN_MSIMUT.zip").write_bytes(b"")
    with pytest.raises(InputError, match="; unpack CRC_DX_TRAIN_MSIMUT.zip there$"):
        crc_msi.find(tmp_path)
    make_crc_msi(tmp_path)
    assert crc_msi.find(tmp_path).lacking == "train has 12 of 93,408 images, test has 12 of 98,904 images"
    (tmp_path / "CRC_DX_TEST" / "MSS").rename(tmp_path / "CRC_DX_TEST" / "stable")
    with pytest.raises(InputError, match="not the whole of CRC MSI: it lacks CRC_DX_TEST/MSS"):
        crc_msi.find(tmp_path)
    make_crc_msi(tmp_path, "512px")
    with pytest.raises(InputError, match="holds both releases"):
        crc_msi.find(tmp_path)


def test_mixed_up_or_renamed_tiles_of_crc_msi_are_refused(tmp_path):
    make_crc_msi(tmp_path)
    tile = next((tmp_path / "CRC_DX_TRAIN" / "MSS").iterdir())
    copy = tmp_path / "CRC_DX_TEST" / "MSS" / tile.name
    copy.write_bytes(tile.read_bytes())
    with pytest.raises(InputError, match="1 patients of CRC MSI are in two parts, such as TCGA-AA-.* in test and train"):
        crc_msi.find(tmp_path)
    copy.rename(tmp_path / "CRC_DX_TRAIN" / "MSIMUT" / tile.name)
    with pytest.raises(InputError, match="1 patients of CRC MSI are in two classes, such as TCGA-AA-.* in MSI and MSS"):
        crc_msi.find(tmp_path)
    tile.rename(tile.with_name("tile1.png"))
    with pytest.raises(InputError, match="1 images have no TCGA barcode in their names"):
        crc_msi.find(tmp_path)


def test_crc_9_trains_on_the_one_folder_and_is_scored_on_the_other(tmp_path):
    found = crc_9.find(make_crc_9(tmp_path))
    table = found.table
    assert (table["unit"].str.startswith("CRC-VAL-HE-7K/") == (table["role"] == "test")).all()
    assert (table["unit"].str.split("/").str[1] == table["label"]).all() and set(table["label"]) == set(crc_9.CLASSES)
    assert (sum(crc_9.IMAGES["train"].values()), sum(crc_9.IMAGES["test"].values())) == (100_000, 7_180)
    np.testing.assert_array_equal(decoded(found.encoded(3), ""), np.asarray(Image.open(tmp_path / table["unit"][3])))
    (tmp_path / "CRC-VAL-HE-7K" / "TUM").rename(tmp_path / "CRC-VAL-HE-7K" / "tumour")
    with pytest.raises(InputError, match="not the whole of CRC-9: it lacks CRC-VAL-HE-7K/TUM"):
        crc_9.find(tmp_path)


def test_tcga_ut_is_read_at_its_finest_resolution_with_whole_patients_in_a_part(tmp_path):
    found = tcga_uniform.find(make_tcga_uniform(tmp_path, patients=3))
    assert len(found.table) == 32 * 3 and set(found.table["unit"].str.split("/").str[1]) == {"0"}
    assert (found.table["patient"] == found.table["slide"].str[:12]).all()
    assert found.table.groupby("label")["role"].agg(sorted).map(tuple).unique().tolist() == [("test", "train", "val")]
    (tmp_path / "Thymoma").rename(tmp_path / "thymus")
    with pytest.raises(InputError, match="not the whole of TCGA-UT: it lacks Thymoma/0$"):
        tcga_uniform.find(tmp_path)


def test_the_split_of_tcga_ut_gives_a_fifth_of_the_patients_to_test_and_does_not_depend_on_the_order_of_rows():
    patients = [f"TCGA-AA-{number:04d}" for number in range(100)]
    table = pd.DataFrame({"label": "Thymoma", "patient": patients * 2})
    roles = dict(zip(table["patient"], tcga_uniform.roles(table), strict=True))
    assert pd.Series(roles).value_counts().to_dict() == {"train": 60, "val": 20, "test": 20}
    turned = table[::-1].reset_index(drop=True)
    assert dict(zip(turned["patient"], tcga_uniform.roles(turned), strict=True)) == roles
