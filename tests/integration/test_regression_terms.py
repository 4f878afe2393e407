"""Runs tuned to reads, to pathways and with gene queries: trained, resumed, evaluated, reported and asked, as a user does."""

import json

import anndata
import jax
import numpy as np
import pandas as pd
import pytest

from pathfm.cli import main
from pathfm.errors import InputError
from pathfm.evaluate import run as evaluate
from pathfm.modalities.pathways import Pathways
from pathfm.settings.evaluation import EvaluateConfig
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig
from pathfm.train import run
from pathfm.weights.applied import objective_of
from pathfm.weights.folder import open_weights
from tests.small_cohort import GENES, make_small_cohort, write_counts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_counts(make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=48)).root


@pytest.fixture(scope="module")
def sets(cohort):
    path = cohort / "sets.gmt"
    path.write_text("".join(f"SET{start}\t-\t" + "\t".join(f"G{start + n}" for n in range(10)) + "\n" for start in range(0, GENES, 5)))
    return path


@pytest.fixture(scope="module")
def vectors(cohort):
    np.save(cohort / "genes.npy", np.random.default_rng(0).normal(size=(GENES, 6)).astype(np.float32))
    (cohort / "genes.txt").write_text("\n".join(f"G{number}" for number in range(GENES)))
    return {"vectors": str(cohort / "genes.npy"), "names": str(cohort / "genes.txt")}


def trained(cohort, workdir, objective, **more):
    values = {"cohort": str(cohort), "model": "demo", "batch": 8, "tiles": 2, "train_for": "2 steps", "evaluate_every": "2 steps"}
    run(from_dict(TrainConfig, values | {"log_every": "1 steps", "select": "last", "objective": objective} | more), workdir)
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return next(line for line in reversed(lines) if "validation_loss" in line), open_weights(workdir)


def test_reads_are_predicted_and_their_run_is_scored_like_any_other(cohort, tmp_path):
    last, weights = trained(cohort, tmp_path / "run", {"name": "negative_binomial"})
    assert 0 < last["validation_loss_share"] < 2 and np.isfinite(last["validation_loss"])
    assert len(weights.panel.genes) == GENES and set(weights.card.modalities) == {"expression"}
    said = objective_of(weights).terms["negative_binomial"].predict(weights.params, np.zeros((1, weights.spec.features), np.float32))
    assert -9 < float(said["log_rate"].mean()) < -1  # shares of a library of some 40 genes


@pytest.mark.parametrize("kind", ["pathways", pytest.param("ssgsea", marks=pytest.mark.long)])
def test_a_run_tuned_to_pathways_is_scored_on_them_and_the_report_says_so(kind, cohort, sets, tmp_path):
    base = trained(cohort, tmp_path / "base", {"name": "views", "projection": 8})[1]
    _, weights = trained(cohort, tmp_path / "run", {"name": "pearson"}, init=str(tmp_path / "base"), panel=f"{kind}:{sets}")
    assert isinstance(weights.panel, Pathways) and weights.panel.genes[0] == "SET0" and weights.card.paired.choice == f"{kind}:sets.gmt"
    common = {"cohort": str(cohort), "tasks": ("tp53", "expression"), "permutations": 20, "smoke": True}
    evaluate(EvaluateConfig(checkpoint=str(tmp_path / "run"), **common), tmp_path / "e-run")
    evaluate(EvaluateConfig(checkpoint=str(base.path), panel=str(tmp_path / "run"), **common), tmp_path / "e-base")
    predicted = anndata.read_h5ad(tmp_path / "e-run" / "expression_predictions.h5ad")
    assert list(predicted.var_names) == list(weights.panel.genes) == list(predicted.var["symbol"])
    assert main(["report", str(tmp_path / "e-base"), str(tmp_path / "e-run"), "--out", str(tmp_path / "report")]) == 0
    table = (tmp_path / "report" / "table.md").read_text()
    assert f"expression of {kind}:sets.gmt is that of gene sets, each" in table


def test_a_gene_that_was_not_in_the_panel_is_asked_for_by_its_vector(cohort, vectors, sets, tmp_path):
    some = tmp_path / "some.txt"
    some.write_text("\n".join(f"G{number}" for number in range(30)))
    term = {"name": "gene_query", "width": 16, "heads": 2, **vectors}
    _, weights = trained(cohort, tmp_path / "run", term, panel=f"list:{some}")
    given = np.load(vectors["vectors"])
    np.testing.assert_array_equal(weights.params["genes"], given[:30])
    assert weights.card.settings["vectors"] == "genes.npy" and weights.card.settings["names"] == "genes.txt"
    files = ["--vectors", vectors["vectors"], "--names", vectors["names"]]
    ask = ["ask", "--checkpoint", str(tmp_path / "run"), "--cohort", str(cohort), *files, "--cache", str(tmp_path / "cache")]
    assert main([*ask, "--genes", "G35,G2", "--sets", str(sets), "--out", str(tmp_path / "said.csv")]) == 0
    said = pd.read_csv(tmp_path / "said.csv")
    assert list(said)[:5] == ["patient", "role", "G35", "G2", "SET0"] and len(said) == 48 and set(said["role"]) == {"train", "val", "test"}
    assert np.isfinite(said.iloc[:, 2:].to_numpy()).all()
    assert said["G35"].nunique() > 40
    assert main([*ask, "--genes", "NOSUCH", "--out", str(tmp_path / "not.csv")]) == 2
    assert not (tmp_path / "not.csv").exists()


@pytest.mark.long
def test_learned_vectors_are_trained_and_only_their_panel_can_be_asked_for(cohort, vectors, tmp_path):
    _, weights = trained(cohort, tmp_path / "run", {"name": "gene_query", "width": 16, "heads": 2, "gene_width": 6})
    first = objective_of(weights).init(jax.random.key(0))["genes"]
    assert weights.params["genes"].shape == first.shape == (GENES, 6)
    files = ["--vectors", vectors["vectors"], "--names", vectors["names"], "--cache", str(tmp_path)]
    ask = ["ask", "--checkpoint", str(tmp_path / "run"), "--cohort", str(cohort), *files, "--genes", "G1", "--out", str(tmp_path / "x.csv")]
    assert main(ask) == 2


def test_a_pathway_file_of_other_genes_is_one_sentence(cohort, tmp_path):
    (tmp_path / "mouse.gmt").write_text("A\t-\tTrp53\tMyc\tEgfr\n")
    with pytest.raises(InputError, match=r"none of the genes in the 1 gene sets of pathways:.*mouse.gmt is measured in .*expression.h5ad"):
        trained(cohort, tmp_path / "run", {"name": "direct"}, panel=f"pathways:{tmp_path / 'mouse.gmt'}")
