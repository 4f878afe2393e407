"""Vectors of patients by modality: expression through the pairs, any other matrix through its patients."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from pathfm.cohort.opened import Cohort, tiles_hash
from pathfm.errors import InputError
from pathfm.modalities.modality import Modality
from pathfm.settings.training import ModalityConfig
from tests.small_cohort import make_small_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return Cohort.open(make_small_cohort(tmp_path_factory.mktemp("cohort")).root)


def people(cohort, role):
    table = cohort.people(0)
    return table[table["role"] == role].sort_values("patient")


def write_text(cohort, patients, values, sparse=False):
    data = anndata.AnnData(
        values.astype(np.float32), pd.DataFrame({"patient": patients}, index=[f"report {i} {p}" for i, p in enumerate(patients)])
    )
    if sparse:
        data.X = scipy.sparse.csr_matrix(data.X)
    data.write_h5ad(cohort.folder.matrix("text"))
    cohort._matrices.clear()


def test_expression_is_scaled_on_training_patients_and_everybody_has_it(cohort):
    train = people(cohort, "train")
    modality = Modality.fit(cohort, "expression", ModalityConfig("protein_coding"), train)
    vectors = modality.vectors(cohort, train)
    assert vectors.present.all() and vectors.values.dtype == np.float32
    np.testing.assert_allclose(vectors.values.mean(axis=0), 0.0, atol=1e-4)
    assert np.abs(modality.vectors(cohort, people(cohort, "test")).values.mean(axis=0)).max() > 0.01


@pytest.mark.parametrize("sparse", [False, True])
def test_a_second_matrix_may_lack_patients(cohort, sparse):
    train = people(cohort, "train")
    have = train["patient"].tolist()[::2]
    rng = np.random.default_rng(0)
    write_text(cohort, have[::-1], rng.normal(5.0, 2.0, (len(have), 7)), sparse)
    modality = Modality.fit(cohort, "text", ModalityConfig(), train)
    vectors = modality.vectors(cohort, train)
    assert vectors.present.tolist() == [patient in have for patient in train["patient"]]
    assert not vectors.values[~vectors.present].any()
    np.testing.assert_allclose(vectors.values[vectors.present].mean(axis=0), 0.0, atol=1e-5)
    stored = anndata.read_h5ad(cohort.folder.matrix("text"))
    row = np.asarray(stored[f"report {len(have) - 1} {have[0]}"].to_df().iloc[0])
    np.testing.assert_allclose(vectors.values[0], modality.panel.scale(row[None])[0], rtol=1e-5)


def test_a_second_matrix_that_cannot_be_used_is_one_sentence(cohort):
    train = people(cohort, "train")
    patients = train["patient"].tolist()
    with pytest.raises(InputError, match="there is no .*nowhere.h5ad"):
        Modality.fit(cohort, "nowhere", ModalityConfig(), train)
    write_text(cohort, [patients[0]] * 2, np.ones((2, 3)))
    with pytest.raises(InputError, match=f"several rows of the patient {patients[0]}"):
        Modality.fit(cohort, "text", ModalityConfig(), train)
    write_text(cohort, patients[:2], np.array([[1.0, np.nan], [2.0, 3.0]]))
    with pytest.raises(InputError, match="not finite"):
        Modality.fit(cohort, "text", ModalityConfig(), train)
    write_text(cohort, ["somebody", "else"], np.ones((2, 3)))
    with pytest.raises(InputError, match="no training patient has a row"):
        Modality.fit(cohort, "text", ModalityConfig(), train)
    cohort.folder.matrix("text").write_bytes(b"no matrix")
    cohort._matrices.clear()
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        Modality.fit(cohort, "text", ModalityConfig(), train)


def test_a_name_does_not_lead_out_of_the_cohort(cohort):
    with pytest.raises(InputError, match="leads out of"):
        cohort.matrix("../elsewhere")


def test_people_have_roles_sites_and_the_labels_that_the_split_kept(cohort):
    table = cohort.people(0)
    assert {"patient", "role", "site", "project", "cancer", "tp53"} <= set(table)
    assert sorted(table["patient"]) == sorted(set(cohort.pairs["patient"]))
    left_out = Cohort(cohort.folder, cohort.splits, cohort.pairs)
    object.__setattr__(left_out, "splits", cohort.splits.__class__(cohort.splits.table, "patient", 0, "5", {"cancer": {"AAAA": "too few"}}))
    assert set(left_out.people(0)["cancer"].dropna()) == {"BBBB"}


def test_tiles_have_one_hash_in_whatever_order(cohort):
    slides = cohort.slides
    assert tiles_hash(slides) == tiles_hash(slides.sample(frac=1, random_state=0)) != tiles_hash(slides[1:])
