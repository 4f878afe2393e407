"""Features that were computed elsewhere."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from pathfm.benchmarks.benchmark import Benchmark
from pathfm.errors import InputError
from pathfm.features.brought import Brought, is_brought

VALUES = np.arange(24, dtype=np.float32).reshape(8, 3) ** 2
PATIENTS = ["b", "b", "b", "a", "a", "c", "c", "c"]
SLIDES = ["b1", "b1", "b2", "a1", "a1", "c1", "c2", "c2"]


def written(path, values=VALUES, **obs):
    anndata.AnnData(values, pd.DataFrame(obs, index=[f"row{number}" for number in range(len(values))])).write_h5ad(path)
    return Brought(path)


def test_rows_of_tiles_become_means_over_slides_then_over_patients(tmp_path, capsys):
    features = written(tmp_path / "tiles.h5ad", patient=PATIENTS, slide=SLIDES).features(["c", "a", "b", "absent"])
    assert features.patients == ["a", "b", "c"] and features.matrix.dtype == np.float32 and features.of_images is None
    b = (VALUES[:2].mean(axis=0) + VALUES[2]) / 2
    c = (VALUES[5] + VALUES[6:].mean(axis=0)) / 2
    np.testing.assert_allclose(features.matrix, [VALUES[3:5].mean(axis=0), b, c])
    assert "1 of 4 patients of the fold are not in" in capsys.readouterr().err


def test_without_slides_a_patient_is_the_mean_of_its_rows(tmp_path):
    brought = written(tmp_path / "patients.h5ad", patient=PATIENTS)
    np.testing.assert_allclose(brought.features(["b"]).matrix, [VALUES[:3].mean(axis=0)])
    assert brought.card["name"] == "patients" and len(brought.card["weight_hash"]) == 64 and brought.card["base"] is None


def test_rows_whose_slide_is_not_told_count_as_a_slide_of_their_own(tmp_path):
    slides = pd.Categorical([None, None, "b2", "a1", "a1", "c1", None, None])
    features = written(tmp_path / "tiles.h5ad", patient=PATIENTS, slide=slides).features(["c", "b"])
    np.testing.assert_allclose(features.matrix, [(VALUES[:2].mean(axis=0) + VALUES[2]) / 2, (VALUES[5] + VALUES[6:].mean(axis=0)) / 2])


def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no patient of the cohort's fold"):
        written(tmp_path / "other.h5ad", patient=PATIENTS).features(["x"])
    with pytest.raises(InputError, match=r"lacks obs\['patient'\]"):
        written(tmp_path / "nobody.h5ad", slide=SLIDES).features(["a"])
    with pytest.raises(InputError, match="not finite numbers"):
        written(tmp_path / "nan.h5ad", np.where(VALUES == 4, np.nan, VALUES), patient=PATIENTS).features(["a"])
    (tmp_path / "broken.h5ad").write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        Brought(tmp_path / "broken.h5ad").features(["a"])
    with pytest.raises(InputError, match="there is no file"):
        Brought(tmp_path / "absent.h5ad").features(["a"])


def hdf5(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["features"] = values


WRITERS = {
    ".npy": lambda path: np.save(path, VALUES),
    ".safetensors": lambda path: save_file({"features": VALUES, "coords": VALUES[:, :2].copy()}, path),
    ".h5": lambda path: hdf5(path, VALUES[None]),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_form_with_a_table_of_names_gives_what_anndata_gives(suffix, tmp_path):
    path = tmp_path / f"tiles{suffix}"
    WRITERS[suffix](path)
    pd.DataFrame({"slide": SLIDES, "patient": PATIENTS}).to_csv(path.with_suffix(".csv"), index=False)
    expected = written(tmp_path / "tiles.h5ad", patient=PATIENTS, slide=SLIDES).features(["a", "b", "c"])
    features = Brought(path).features(["a", "b", "c"])
    assert features.patients == expected.patients and is_brought(str(path))
    np.testing.assert_array_equal(features.matrix, expected.matrix)


@pytest.mark.parametrize("home", ["", "h5_files"])
def test_a_folder_of_slides_as_clam_and_trident_leave_it_is_the_mean_over_tiles_then_over_slides(home, tmp_path):
    tcga = "TCGA-AA-0001-01Z-00-DX1.AB12"
    for name, rows in (("b1", VALUES[:2]), ("b2", VALUES[2:3]), (tcga, VALUES[3:])):
        hdf5(tmp_path / home / f"{name}.h5", rows)
    slides = pd.DataFrame({"slide": ["b1", "b2"], "patient": ["b", "b"]})
    features = Brought(tmp_path).features(["b", "TCGA-AA-0001"], slides)
    assert is_brought(str(tmp_path)) and features.patients == ["TCGA-AA-0001", "b"]
    np.testing.assert_allclose(features.matrix, [VALUES[3:].mean(axis=0), (VALUES[:2].mean(axis=0) + VALUES[2]) / 2])


def benchmark(units):
    return Benchmark("mhist", tuple(units), ("HP",) * len(units), ("test",) * len(units), None, lambda number: VALUES, "d")


def test_a_folder_may_bring_the_features_of_benchmarks_too_by_the_names_of_their_images(tmp_path):
    written(tmp_path / "cohort.h5ad", patient=PATIENTS)
    np.save(tmp_path / "mhist.npy", VALUES)
    pd.DataFrame({"image": list("hgfedcba")}).to_csv(tmp_path / "mhist.csv", index=False)
    brought = Brought(tmp_path)
    assert is_brought(str(tmp_path)) and brought.card["name"] == tmp_path.name
    of_images = brought.features(["a", "b"]).of_images
    np.testing.assert_array_equal(of_images(benchmark("abc")), VALUES[[7, 6, 5]])
    with pytest.raises(InputError, match="lacks 1 of 2 images, such as z"):
        of_images(benchmark("az"))
    before = brought.card["weight_hash"]
    pd.DataFrame({"image": list("hgfedcbb")}).to_csv(tmp_path / "mhist.csv", index=False)
    with pytest.raises(InputError, match="names an image twice"):
        of_images(benchmark("b"))
    assert Brought(tmp_path).card["weight_hash"] != before
    (tmp_path / "mhist.npy").unlink()
    with pytest.raises(InputError, match="has no features of mhist; bring mhist.npy with mhist.csv"):
        of_images(benchmark("b"))


def test_names_that_are_not_those_of_the_rows_are_refused(tmp_path):
    path = tmp_path / "tiles.npy"
    np.save(path, VALUES)
    with pytest.raises(InputError, match="lacks its names: a table tiles.csv beside it"):
        Brought(path).features(["a"])
    pd.DataFrame({"patient": PATIENTS[:5]}).to_csv(tmp_path / "tiles.csv", index=False)
    with pytest.raises(InputError, match="has 8 rows of features, but 5 names stand in tiles.csv"):
        Brought(path).features(["a"])
    path.write_bytes(b"broken")
    pd.DataFrame({"patient": PATIENTS}).to_csv(tmp_path / "tiles.csv", index=False)
    with pytest.raises(InputError, match="cannot be read as an array of NumPy"):
        Brought(path).features(["a"])
    hdf5(tmp_path / "slides" / "one.h5", VALUES)
    hdf5(tmp_path / "slides" / "two.h5", VALUES[:, :2])
    with pytest.raises(InputError, match="have 2 widths of features"):
        Brought(tmp_path / "slides").features(["a"])


def test_weights_and_runs_are_no_features(tmp_path):
    (tmp_path / "weights").mkdir()
    hdf5(tmp_path / "slide.h5", VALUES)
    assert not is_brought(str(tmp_path)) and not is_brought(str(tmp_path / "absent")) and not is_brought(str(tmp_path / "weights"))
