"""Reads of a panel's genes: each patient's own, none from test patients, and starts that are those of the planted distribution."""

import anndata
import numpy as np
import pytest
from scipy import stats

from pathfm.cohort.opened import Cohort
from pathfm.errors import InputError
from pathfm.input.training_data import open_training_data
from pathfm.modalities.counts import moments
from pathfm.settings.regression_terms import COUNTS, LIBRARY, NegativeBinomial
from pathfm.settings.terms import Direct, Joint
from pathfm.settings.training import Recipe
from tests.small_cohort import make_small_cohort, write_counts


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_counts(make_small_cohort(tmp_path_factory.mktemp("cohort")))


def opened(cohort, objective=None, **recipe):
    return open_training_data(str(cohort.root), 0, Recipe(objective=objective or NegativeBinomial(), **recipe), ["expression"])


def test_reads_are_the_patients_own_and_the_library_is_of_all_genes(cohort):
    data = opened(cohort, panel="hvg:7")
    stored = anndata.read_h5ad(cohort.expression)
    stored.obs_names = stored.obs["patient"].astype(str)
    for part in (data.train, data.validation):
        own = stored[list(part.index.patients)]
        np.testing.assert_array_equal(part.vectors[COUNTS].values, own[:, list(data.panels["expression"].genes)].layers["counts"])
        np.testing.assert_array_equal(part.vectors[LIBRARY].values[:, 0], own.layers["counts"].sum(axis=1))
    assert data.widths == {"expression": 7, COUNTS: 7, LIBRARY: 1} and set(data.panels) == {"expression"}
    assert opened(cohort, Direct(), panel="hvg:7").widths == {"expression": 7}


def test_starts_are_those_of_training_patients_alone(cohort, tmp_path):
    data = opened(cohort, Joint(terms={"reads": NegativeBinomial(), "direct": Direct()}))
    reads = data.train.vectors
    wanted = (reads[COUNTS].values / reads[LIBRARY].values.astype(float)).mean(axis=0)
    np.testing.assert_allclose(data.starts["reads"]["rate"], wanted, rtol=1e-5)
    assert set(data.starts) == {"reads"}
    other = make_small_cohort(tmp_path)
    test = Cohort.open(other.root).patients(0, "test")
    write_counts(other, others=test)
    changed = opened(other).starts["negative_binomial"]
    for name, values in opened(cohort).starts["negative_binomial"].items():
        np.testing.assert_array_equal(values, changed[name])


def test_a_permuted_pairing_moves_reads_with_their_library_and_expression(cohort):
    true, permuted = (opened(cohort, pairing=pairing).train.vectors for pairing in ("true", "permuted"))
    giver = [int(np.flatnonzero((true[COUNTS].values == row).all(axis=1))[0]) for row in permuted[COUNTS].values]
    assert sorted(giver) == list(range(len(giver))) != giver
    for name in true:
        np.testing.assert_array_equal(permuted[name].values, true[name].values[giver])


def test_moments_are_those_of_the_planted_distribution():
    random = np.random.default_rng(0)
    library = random.integers(int(2e7), int(8e7), (4000, 1)).astype(float)
    rate, dispersion = np.array([1e-6, 3e-5, 1e-3]), np.array([0.2, 0.6, 0.05])
    counts = stats.nbinom.rvs(1 / dispersion, 1 / (1 + dispersion * rate * library), random_state=1)
    found = moments(counts.astype(np.float32), library)
    np.testing.assert_allclose(found["rate"], rate, rtol=0.05)
    np.testing.assert_allclose(found["dispersion"], dispersion, rtol=0.15)
    silent = moments(np.zeros((5, 2), np.float32), np.full((5, 1), 100.0))
    np.testing.assert_allclose(silent["rate"], 0.001)
    assert np.isfinite(silent["dispersion"]).all()


def test_what_has_no_reads_is_refused_in_one_sentence(cohort, tmp_path):
    with pytest.raises(InputError, match="residual=site cannot be taken away; give --config.residual=none"):
        opened(cohort, residual="site")
    sets = tmp_path / "sets.gmt"
    sets.write_text("\t".join(["A", "-", *(f"G{number}" for number in range(9))]) + "\n")
    with pytest.raises(InputError, match="gene sets have none; give a panel of genes"):
        opened(cohort, panel=f"pathways:{sets}")
    with pytest.raises(InputError, match="has no layers/counts"):
        opened(make_small_cohort(tmp_path / "without"))
