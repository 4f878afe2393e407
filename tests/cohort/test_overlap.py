"""What is said when two tables of a cohort are of different patients."""

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.overlap import no_overlap


@pytest.fixture
def folder(tmp_path) -> CohortFolder:
    """Slides of CPTAC, one of nobody; RNA of the same patients; labels of TCGA."""
    pd.DataFrame({"slide": ["a", "b", "c"], "patient": ["C3L-00002", "C3L-00001", None]}).to_parquet(tmp_path / "slides.parquet")
    obs = pd.DataFrame({"patient": ["C3L-00001", "C3L-00003"]}, index=["r1", "r2"])
    anndata.AnnData(np.ones((2, 1), np.float32), obs).write_h5ad(tmp_path / "expression.h5ad")
    pd.DataFrame({"patient": ["TCGA-A7-A0DB"]}).to_parquet(tmp_path / "labels.parquet")
    return CohortFolder.open(tmp_path)


def test_each_table_of_other_patients_is_named_with_an_example_of_both_sides(folder):
    said = no_overlap(["TCGA-XX-0001", "TCGA-A7-A0DB"], "the sheet", folder)
    assert said.startswith("no patient of the sheet is in slides.parquet or expression.h5ad (")
    assert "(the sheet: TCGA-A7-A0DB, slides.parquet: C3L-00001, expression.h5ad: C3L-00001);" in said


def test_the_table_that_is_replaced_is_not_asked(folder):
    assert "slides.parquet" not in no_overlap(["TCGA-A7-A0DB"], "the slides", folder, folder.slides)
    folder.expression.unlink()
    assert no_overlap(["TCGA-A7-A0DB"], "the slides", folder, folder.slides) is None


def test_the_example_shows_names_that_differ_only_in_case(folder):
    folder.labels.unlink()
    said = no_overlap(["a", "c3l-00002 "], "the sheet", folder, folder.expression)
    assert "the sheet: c3l-00002 , slides.parquet: C3L-00002" in said and "letter for letter" in said


def test_nothing_is_said_of_shared_patients_of_an_empty_folder_or_of_nobody(folder, tmp_path):
    folder.labels.unlink()
    assert no_overlap({"C3L-00001", "X"}, "the sheet", folder) is None
    assert no_overlap([], "the sheet", folder) is None
    assert no_overlap(["X"], "the sheet", CohortFolder(tmp_path / "new")) is None


def test_a_table_that_cannot_be_read_is_left_to_the_command_that_needs_it(folder):
    for path in (folder.slides, folder.expression, folder.labels):
        path.write_bytes(b"broken")
    assert no_overlap(["X"], "the sheet", folder) is None
