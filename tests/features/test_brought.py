"""Features that were computed elsewhere."""

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.errors import InputError
from pathfm.features.brought import Brought

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
