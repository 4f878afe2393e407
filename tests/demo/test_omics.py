"""The planted expression: GENCODE's genes, programmes that drive their sets, hospitals that shift theirs, TPM that sum to a million."""

import numpy as np
import pandas as pd
import pytest

from pathfm.demo.omics import gene_sets, gene_table, planted_genes, profile
from pathfm.demo.world import PROGRAMMES, make_world, planted_programmes


@pytest.fixture(scope="module")
def world():
    return make_world(48, 0)


@pytest.fixture(scope="module")
def log_tpm(world) -> np.ndarray:
    """log2(TPM+1) [patients, genes] of everybody's first tumour aliquot."""
    first = world.aliquots[world.aliquots["aliquot"].str.contains("-01A-")]
    return np.log2(np.stack([profile(world, aliquot)[1] for aliquot in first["aliquot"]]) + 1)


def test_the_genes_are_those_of_a_gdc_file(shared):
    table = gene_table()
    pd.testing.assert_frame_equal(table, pd.read_csv(shared / "rna" / "gencode_v36_star_gene_annotation_60660.csv.gz", dtype=str))


def test_the_gene_table_comes_with_the_package():
    table = gene_table()
    assert len(table) == 60_660 and table["gene_id"].is_unique
    assert table["gene_id"].str.endswith("_PAR_Y").sum() == 44
    assert (table["gene_type"] == "protein_coding").sum() == 19_962


def test_gene_sets_are_disjoint_protein_coding_and_hold_the_known_markers():
    sets = gene_sets()
    coding = gene_table().query("gene_type == 'protein_coding'")["gene_name"]
    symbols = [symbol for members in sets.values() for symbol in members]
    assert list(sets) == list(PROGRAMMES) and len(symbols) == len(set(symbols)) == 480
    assert set(symbols) <= set(coding)
    assert "MKI67" in sets["proliferation"] and "CD3E" in sets["immune"] and "EPCAM" in sets["gland"] and "CA9" in sets["necrosis"]


def test_each_programme_drives_its_genes_and_no_others(world, log_tpm):
    genes = planted_genes()
    truth = planted_programmes(world)
    scores = np.stack([log_tpm[:, row > 0].mean(1) for row in genes.loadings], 1)
    correlation = np.corrcoef(scores.T, truth.to_numpy().T)[: len(PROGRAMMES), len(PROGRAMMES) :]
    assert np.diag(correlation).min() > 0.9
    single = [np.corrcoef(log_tpm[:, gene], truth["immune"])[0, 1] for gene in np.flatnonzero(genes.loadings[1])]
    assert 0.5 < np.mean(single) < 0.9
    free = np.flatnonzero(genes.expressed & (genes.loadings == 0).all(0))[:500]
    chance = [abs(np.corrcoef(log_tpm[:, gene], truth["immune"])[0, 1]) for gene in free]
    assert np.mean(chance) < 0.2


def test_patients_of_one_hospital_share_a_batch_effect(world, log_tpm):
    genes = planted_genes()
    free = genes.expressed & (genes.loadings == 0).all(0) & (genes.level > 3)
    rest = log_tpm[:, free] - log_tpm[:, free].mean(0)
    alike = np.corrcoef(rest)
    same = np.equal.outer(world.people["site"].to_numpy(), world.people["site"].to_numpy()) & ~np.eye(len(rest), dtype=bool)
    assert alike[same].mean() > 0.2 > alike[~same & ~np.eye(len(rest), dtype=bool)].mean() + 0.15


def test_tpm_sum_to_a_million_with_four_decimals_and_counts_are_reads(world):
    counts, tpm = profile(world, world.aliquots["aliquot"][0])
    assert counts.dtype == np.int32 and counts.min() == 0 and 1e7 < counts.sum() < 2e8
    assert tpm.sum() == pytest.approx(1e6, abs=1)
    assert (np.round(tpm, 4) == tpm).all()
    assert ((tpm > 0) <= (counts > 0)).all()
    assert 10_000 < (tpm >= 1).sum() < 20_000


def test_normal_tissue_hardly_divides(world):
    entry = world.aliquots[world.aliquots["normal"]].iloc[0]
    tumour = world.aliquots.query("person == @entry.person and not normal").iloc[0]
    dividing = planted_genes().loadings[0] > 0
    assert profile(world, entry["aliquot"])[1][dividing].mean() < 0.7 * profile(world, tumour["aliquot"])[1][dividing].mean()
