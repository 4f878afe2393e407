"""Text in AnnData's files, whichever dtype pandas gives it."""

import h5py
import pandas as pd
from anndata.io import read_elem

from pathfm.cohort.hdf5 import whole_hdf5, words, write_element


def test_text_is_written_as_strings_that_every_version_of_anndata_reads(tmp_path):
    types = pd.Categorical(["01", None])
    table = pd.DataFrame({"patient": ["a", "b"], "sample_type": types}, index=["x", "y"])
    with whole_hdf5(tmp_path / "file.h5") as file:
        write_element(file, "obs", table)
    with h5py.File(tmp_path / "file.h5") as file:
        for name in ("obs/patient", "obs/_index", "obs/sample_type/categories"):
            assert file[name].attrs["encoding-type"] == "string-array"
        read = read_elem(file["obs"])
    assert read["patient"].tolist() == ["a", "b"] and read["sample_type"].isna().tolist() == [False, True]


def test_a_missing_word_is_nan_in_letters():
    for column in (pd.Series(["a", float("nan")]), pd.Series(["a", float("nan")], dtype="category")):
        assert words(column).tolist() == ["a", "nan"]
