"""Vectors of patients that another tool computed become a matrix of the cohort: a row a patient, or one sentence."""

import argparse

import numpy as np
import pandas as pd
import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.opened import Cohort
from pathfm.commands import vectors
from pathfm.errors import InputError
from pathfm.features.vectors import build_vectors
from pathfm.files import read_json
from tests.small_cohort import make_small_cohort


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=12)


def matrix(folder, name):
    return Cohort.open(folder.root).matrix(name)


def test_rows_with_their_names_become_a_row_a_patient_the_mean_of_its_rows(folder, tmp_path, capsys):
    names = ["TCGA-B1-0001", "tcga-a0-0000-01a", "TCGA-B1-0001"]
    rows = np.array([[1.0, 2.0], [5.0, 6.0], [3.0, 8.0]], np.float32)
    np.save(tmp_path / "reports.npy", rows)
    (tmp_path / "reports.csv").write_text("\n".join(["patient", *names]) + "\n")
    parser = argparse.ArgumentParser()
    vectors.add_arguments(parser)
    assert vectors.run(parser.parse_args([str(tmp_path / "reports.npy"), "--name", "text", "--cohort", str(folder.root)])) == 0
    assert capsys.readouterr().out == "text.h5ad: 2 patients × 2 columns, of 3 rows\n"
    found = matrix(folder, "text")
    assert found.obs["patient"].tolist() == ["TCGA-A0-0000", "TCGA-B1-0001"]
    np.testing.assert_array_equal(found.X, [[5.0, 6.0], [2.0, 5.0]])
    assert list(read_json(folder.manifest)["vectors text"]["inputs"]) == [str(tmp_path / "reports.npy")]


def test_a_table_of_numbers_keeps_the_names_of_its_columns(folder, tmp_path):
    table = pd.DataFrame({"HER2": [1.5, 2.0], "patient": ["TCGA-A0-0000", "TCGA-C2-0002"], "Ki67": ["3", "4e1"]})
    table.to_csv(tmp_path / "proteins.tsv", sep="\t", index=False)
    build_vectors(tmp_path / "proteins.tsv", "proteins", folder)
    found = matrix(folder, "proteins")
    assert found.var["symbol"].tolist() == ["HER2", "Ki67"]
    np.testing.assert_array_equal(found.X, [[1.5, 3.0], [2.0, 40.0]])


def test_patients_that_nobody_knows_are_told(folder, tmp_path):
    (tmp_path / "a.csv").write_text("patient,x\nsomebody,1\nelse,2\n")
    (warning,) = build_vectors(tmp_path / "a.csv", "other", folder)["warnings"]
    assert "no patient of a.csv is in slides.parquet" in warning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,x\nTCGA-A0-0000,high\n", "a.csv, line 2: x is 'high' and no number"),
        ("patient,x\nTCGA-A0-0000,\nTCGA-B1-0001,1\n", "line 2: x is None and no number"),
        ("patient,x\n,1\nTCGA-A0-0000,2\n", "names no patient"),
        ("patient\nTCGA-A0-0000\n", "no numbers of any patient"),
        ("case,x\nTCGA-A0-0000,1\n", "lacks the column patient"),
    ],
)
def test_what_holds_no_numbers_of_patients_is_one_sentence(text, message, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    folder = CohortFolder(tmp_path / "cohort")
    with pytest.raises(InputError, match=message):
        build_vectors(tmp_path / "a.csv", "text", folder)
    assert not folder.matrix("text").exists()


@pytest.mark.parametrize("name", ["expression", "../text", ""])
def test_a_name_that_is_none_is_refused(name, folder, tmp_path):
    with pytest.raises(InputError, match="is no name of a modality"):
        build_vectors(tmp_path / "a.csv", name, folder)
