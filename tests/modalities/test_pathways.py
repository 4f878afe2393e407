"""Scores of gene sets: the mean of z-scores, ssGSEA as its authors define it and gseapy computes it, training patients only."""

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.errors import InputError
from pathfm.modalities import pathways
from pathfm.modalities.panel import Panel
from pathfm.modalities.pathways import Pathways, enrichment, fit_pathways, read_panel

PATIENTS = [f"P{number:02}" for number in range(40)]
TRAINING = PATIENTS[:24]
GENES = 60
SETS = {"LATE": range(20, 40), "EARLY": range(12), "FIRST": range(0, 60, 2), "TINY": range(3), "ABSENT": range(100, 120)}


@pytest.fixture(scope="module")
def expression() -> anndata.AnnData:
    """log2(TPM+1) of 40 patients, without ties; gene 5 is constant."""
    random = np.random.default_rng(0)
    tpm = random.lognormal(random.normal(1, 2, GENES), 1, (len(PATIENTS), GENES))
    tpm[:, 5] = 3.0
    var = pd.DataFrame({"symbol": [f"GENE{n}" for n in range(GENES)]}, index=[f"ENSG{n:011}" for n in range(GENES)])
    var["type"] = np.where(np.arange(GENES) % 10 == 9, "lncRNA", "protein_coding")
    obs = pd.DataFrame({"patient": PATIENTS}, index=[f"{patient}-aliquot" for patient in PATIENTS])
    return anndata.AnnData(np.log2(tpm + 1).astype(np.float32), obs, var)


@pytest.fixture
def gmt(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("".join("\t".join([name, "-", *(f"GENE{n}" for n in genes)]) + "\n" for name, genes in SETS.items()))
    return path


def standard(values, rows=slice(24)):
    """z-scores by the training patients."""
    return (values - values[rows].mean(axis=0)) / values[rows].std(axis=0)


def test_a_pathway_is_the_mean_of_its_genes_z_scores_and_a_z_score_itself(expression, gmt, capsys):
    panel = fit_pathways(expression, TRAINING, f"pathways:{gmt}")
    assert panel.genes == panel.symbols == ("EARLY", "FIRST", "LATE")
    assert "2 of 5 gene sets" in capsys.readouterr().err
    values = np.asarray(expression.X, np.float64)
    varies = [n for n in range(GENES) if n != 5]
    z = np.full_like(values, np.nan)
    z[:, varies] = np.clip(standard(values[:, varies]), -5, 5)
    wanted = standard(np.stack([np.nanmean(z[:, list(SETS[name])], axis=1) for name in panel.genes], axis=1))
    found = panel.values(expression, np.arange(40))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.clip(wanted, -5, 5), atol=1e-4)


def running_sum(profile, inside):
    """ssGSEA as Barbie et al. 2009 write it: ranks, the walk from the highest gene down, and the sum of its heights."""
    order = np.argsort(-profile)
    weights = np.arange(len(profile), 0, -1) ** 0.25
    hit = np.cumsum(np.where(inside[order], weights, 0)) / weights[inside[order]].sum()
    miss = np.cumsum(~inside[order]) / (~inside).sum()
    return (hit - miss).sum() / len(profile)


def test_ssgsea_is_the_sum_of_the_running_difference(expression, gmt):
    values = np.asarray(expression.X, np.float64)
    belongs = np.stack([np.isin(np.arange(GENES), list(SETS[name])) for name in ("EARLY", "FIRST", "LATE")], axis=1)
    wanted = np.array([[running_sum(profile, inside) for inside in belongs.T] for profile in values])
    np.testing.assert_allclose(enrichment(values, belongs.astype(float)), wanted, rtol=1e-9)
    panel = fit_pathways(expression, TRAINING, f"ssgsea:{gmt}")
    known = [n for n in range(GENES) if n != 5 and (n % 10 != 9 or n in (9, 29, 39))]  # coding, or of a set that is kept
    assert panel.of_genes.genes == tuple(expression.var_names[known])
    scores = np.array([[running_sum(profile[known], inside[known]) for inside in belongs.T] for profile in values])
    np.testing.assert_allclose(panel.values(expression, np.arange(40)), np.clip(standard(scores), -5, 5), atol=1e-4)


def test_ssgsea_is_gseapys(expression):
    gseapy = pytest.importorskip("gseapy", reason="gseapy is no dependency")
    values = pd.DataFrame(np.asarray(expression.X, np.float64).T, [f"GENE{n}" for n in range(GENES)], PATIENTS)
    sets = {name: [f"GENE{n}" for n in SETS[name]] for name in ("EARLY", "FIRST", "LATE")}
    table = gseapy.ssgsea(values, sets, outdir=None, sample_norm_method="rank", weight=0.25, min_size=1, no_plot=True).res2d
    theirs = table.pivot(index="Name", columns="Term", values="ES").loc[PATIENTS, list(sets)].to_numpy(float)
    belongs = np.stack([np.isin(np.arange(GENES), list(SETS[name])) for name in sets], axis=1).astype(float)
    ours = enrichment(values.to_numpy().T, belongs)
    np.testing.assert_allclose(ours / ours.std(), theirs / theirs.std(), rtol=1e-5)


def test_ties_share_a_score_in_whatever_order_their_genes_are(expression):
    values = np.asarray(expression.X, np.float64).round()
    belongs = np.isin(np.arange(GENES), list(SETS["EARLY"]))[:, None].astype(float)
    turned = np.random.default_rng(0).permutation(GENES)
    np.testing.assert_allclose(enrichment(values[:, turned], belongs[turned]), enrichment(values, belongs), rtol=1e-9)


@pytest.mark.parametrize("kind", ["pathways", "ssgsea"])
def test_other_patients_change_nothing_and_parts_of_the_matrix_neither(kind, expression, gmt, monkeypatch):
    panel = fit_pathways(expression, TRAINING, f"{kind}:{gmt}")
    other = expression.copy()
    other.X[24:] = 9.0
    assert fit_pathways(other, TRAINING, f"{kind}:{gmt}").hash == panel.hash
    assert fit_pathways(expression, PATIENTS, f"{kind}:{gmt}").hash != panel.hash
    alone = panel.values(expression, np.array([30]))
    monkeypatch.setattr(pathways, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(panel.values(expression, np.arange(40))[30], alone[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["pathways", "ssgsea"])
def test_it_is_read_as_it_was_written_and_not_if_changed(kind, expression, gmt, tmp_path):
    panel, path = fit_pathways(expression, TRAINING, f"{kind}:{gmt}"), tmp_path / "panel.parquet"
    panel.write(path)
    again = read_panel(path)
    assert isinstance(again, Pathways) and again.hash == panel.hash and again.members == panel.members and again.score == kind
    np.testing.assert_array_equal(again.values(expression, np.arange(9)), panel.values(expression, np.arange(9)))
    panel.of_genes.of(np.arange(20), np.zeros(GENES)).write(tmp_path / "panel.genes.parquet")
    with pytest.raises(InputError, match="does not hold the pathways"):
        read_panel(path)
    (tmp_path / "panel.genes.parquet").unlink()
    with pytest.raises(InputError, match="panel.genes.parquet is missing"):
        read_panel(path)
    panel.of_genes.write(path)
    assert type(read_panel(path)) is Panel


def test_another_matrix_without_its_genes_is_named(expression, gmt):
    panel = fit_pathways(expression, TRAINING, f"pathways:{gmt}")
    with pytest.raises(InputError, match="lacks .* genes of the panel"):
        panel.values(expression[:, 10:].copy(), np.arange(3))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A\t-\tNOSUCH\tNEITHER\n", "none of the genes in the 1 gene sets of .* is measured"),
        ("\n", "sets.gmt holds no gene set"),
        ("A\t-\tGENE1\tGENE2\n", "none of the 1 gene sets of .* has 5 genes"),
        ("gene,score\nGENE1,2\n", "line 1: a gene set is a name, a description and genes, separated by tabs"),
        ("A\t-\tGENE1\nA\t-\tGENE2\n", "line 2: the gene set A is there twice"),
        (b"\x89PNG\r\n\xff", "is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_gmt_or_of_other_genes_is_one_sentence(text, said, expression, tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=said) as error:
        fit_pathways(expression, TRAINING, f"ssgsea:{path}")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named_and_the_hallmarks_need_none(expression, tmp_path):
    with pytest.raises(InputError, match="is missing"):
        fit_pathways(expression, TRAINING, f"pathways:{tmp_path / 'absent.gmt'}")
    with pytest.raises(InputError, match="none of the genes in the 50 gene sets of pathways:hallmark is measured"):
        fit_pathways(expression, TRAINING, "pathways:hallmark")
