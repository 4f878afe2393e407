"""Training data from an expression file that another tool wrote: the same numbers, or one sentence before any step."""

import anndata
import numpy as np
import pytest
from scipy import sparse

from pathfm.cohort.splits import Splits
from pathfm.errors import InputError
from pathfm.files import read_parquet
from pathfm.input.training_data import open_training_data
from pathfm.settings.terms import Direct
from pathfm.settings.training import Recipe
from tests.small_cohort import make_small_cohort


def opened(root):
    return open_training_data(str(root), 0, Recipe(objective=Direct()), ["expression"])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def rewritten(tmp_path, cohort):
    """The cohort with another tool's expression file, as training opens it."""

    def open_with(change, **options):
        copy = make_small_cohort(tmp_path / "cohort")
        data = anndata.read_h5ad(copy.expression)
        change(data)
        data.write_h5ad(copy.expression, **options)
        return opened(copy.root)

    return open_with


def to(form):
    def change(data):
        data.X = form(data.X)

    return change


def shuffled(data):
    order = np.random.default_rng(0).permutation(data.n_vars)
    data._inplace_subset_var(order)
    data._inplace_subset_obs(np.random.default_rng(1).permutation(data.n_obs))


FORMS = {
    "CSR": to(sparse.csr_matrix),
    "CSC": to(sparse.csc_matrix),
    "float64": to(lambda x: x.astype(np.float64)),
    "Fortran's order": to(np.asfortranarray),
    "another order": shuffled,
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_another_form_of_the_matrix_gives_the_same_panel_and_expression(cohort, rewritten, name, compression):
    ours, theirs = opened(cohort.root), rewritten(FORMS[name], compression=compression)
    assert theirs.panels["expression"].hash == ours.panels["expression"].hash
    for found, wanted in ((theirs.train, ours.train), (theirs.validation, ours.validation)):
        np.testing.assert_array_equal(found.vectors["expression"].values, wanted.vectors["expression"].values)


def test_hospitals_of_training_patients_have_the_first_codes(tmp_path):
    folder = make_small_cohort(tmp_path / "cohort")
    table = read_parquet(folder.splits)
    sites = table["patient"].str[5:7]
    role = np.where(sites == "A0", "val", np.where(sites == "B1", "test", "train"))
    Splits(table.assign(role=role)[["fold", "patient", "role"]], "site", 0, "0.5,0.2,0.3").write(folder)
    data = opened(folder.root)
    assert data.sites == 2 and sorted(set(data.train.site)) == [0, 1] and set(data.validation.site) == {2}
    assert set(data.train.codes) == {"site", "cancer"}


def one(value):
    def change(data):
        data.X[2, 3] = value

    return change


def renamed(data):
    data.var_names = data.var["symbol"]
    data.var = data.var.drop(columns="gene_id")


def of_another(data):
    data.obs["patient"] = np.roll(data.obs["patient"], 1)
    data.obs["aliquot"] = data.obs.index = [f"r{number}" for number in range(data.n_obs)]


BROKEN = {
    "NaN": (one(np.nan), "some are missing"),
    "infinite": (one(np.inf), "some are missing .NaN. or infinite"),
    "negative": (one(-0.5), "some are negative, such as -0.5"),
    "counts": (to(lambda x: np.rint(2.0**x)), "some are as large as"),
    "whole numbers": (to(lambda x: x.astype(np.int32)), "holds whole numbers in X"),
    "symbols": (renamed, "put them into var_names"),
    "other aliquots": (of_another, "has no aliquot TCGA-.*; pair again"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_log2_tpm_of_distinct_genes_is_one_sentence(rewritten, name):
    change, message = BROKEN[name]
    with pytest.raises(InputError, match=message):
        rewritten(change)
