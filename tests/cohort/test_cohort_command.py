"""The command `pathfm cohort` on a small cohort folder: what it writes, what it says, what it refuses."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.cli import guarded
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.splits import ROLES, check_splits, read_splits
from pathfm.commands import cohort as command


def run(*arguments: str) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return guarded(lambda: command.run(parser.parse_args([str(argument) for argument in arguments])), "pathfm cohort")


@pytest.fixture
def folder(tmp_path) -> CohortFolder:
    """30 cases of 6 sites, one slide and one aliquot each; one more slide without RNA and one more profile without slide."""
    cases = [f"TCGA-{site}-{number:04}" for number, site in enumerate(["A1", "A2", "BH", "E9", "NA", "ZZ"] * 5)]
    slides = pd.DataFrame({"slide": [f"{case}-01Z-00-DX1" for case in [*cases, "TCGA-ZZ-9998"]]})
    slides["patient"], slides["sample"] = slides["slide"].str[:12], slides["slide"].str[:16]
    slides = slides.assign(sample_type="01", project=None, site=slides["slide"].str[5:7], tiles=4, status="done")
    slides.to_parquet(tmp_path / "slides.parquet")
    aliquots = pd.Index([f"{case}-01A-11R-A12D-07" for case in [*cases, "TCGA-ZZ-9999"]])
    obs = pd.DataFrame(
        {"aliquot": aliquots, "patient": aliquots.str[:12], "sample": aliquots.str[:16], "site": aliquots.str[5:7]}, aliquots
    )
    obs = obs.assign(sample_type="01", project="TCGA-BRCA")
    var = pd.DataFrame({"symbol": ["TP53"]}, index=["ENSG00000141510"])
    anndata.AnnData(np.ones((len(obs), 1), np.float32), obs, var).write_h5ad(tmp_path / "expression.h5ad")
    labels = pd.DataFrame({"patient": cases, "cancer": ["BRCA", "KIRC"] * 15, "kidney": [None, "KICH"] + [None] * 28})
    labels.to_parquet(tmp_path / "labels.parquet")
    return CohortFolder.open(tmp_path)


def test_pairs_and_splits_are_written_and_the_left_out_are_named(folder, capsys):
    assert run("--cohort", folder.root, "--folds", 3) == 0
    said = capsys.readouterr()
    assert "slides left out, no tumour RNA of its patient: 1 (TCGA-ZZ-9998-01Z-00-DX1)" in said.err
    assert "RNA profiles left out, no tumour slide of its patient: 1 (TCGA-ZZ-9999-01A-11R-A12D-07)" in said.err
    assert "kidney goes without KICH, patients: 1, sites: 1, parts reached: 1 of 3" in said.err
    assert "cancer, 2 classes" in said.err and "30 patients of 6 sites, split by site" in said.out
    pairs, splits = pd.read_parquet(folder.pairs), read_splits(folder)
    assert pairs.columns.tolist() == ["slide", "aliquot", "patient", "sample_type", "site", "project", "rule"]
    assert (
        len(pairs) == 30
        and set(pairs["rule"]) == {"case + sample type"}
        and set(pairs["site"]) >= {"Duke University", "University of California San Francisco", "ZZ"}
    )
    assert splits.folds == (0, 1, 2) and splits.scheme == "site"
    check_splits(splits, pairs)
    noted = json.loads(folder.manifest.read_text())["cohort"]
    assert noted["parameters"]["hash"] == splits.hash
    assert noted["parameters"]["left_out"]["profiles"] == {"TCGA-ZZ-9999-01A-11R-A12D-07": "no tumour slide of its patient"}
    assert all({"bytes", "sha256"} == set(described) for described in noted["inputs"].values()) and len(noted["inputs"]) == 3


def test_running_it_again_gives_the_same_bytes_and_fractions_replace_folds(folder):
    assert run("--cohort", folder.root, "--folds", 3) == 0
    first = folder.pairs.read_bytes(), folder.splits.read_bytes()
    assert run("--cohort", folder.root, "--folds", 3) == 0
    assert (folder.pairs.read_bytes(), folder.splits.read_bytes()) == first
    assert run("--cohort", folder.root, "--fractions", "0.6,0.2,0.2", "--split", "patient") == 0
    splits = read_splits(folder)
    assert splits.folds == (0,) and [len(splits.role(0, role)) for role in ROLES] == [18, 6, 6]


def test_merged_hospitals_stay_on_one_side(folder, tmp_path):
    sites = tmp_path / "sites.csv"
    sites.write_text("tss,institution\nA1,Mayo\nA2,Mayo\nNA,Washington\n")
    assert run("--cohort", folder.root, "--folds", 3, "--sites", sites) == 0
    pairs = pd.read_parquet(folder.pairs)
    assert set(pairs["site"]) == {"Mayo", "Washington", "BH", "E9", "ZZ"}
    check_splits(read_splits(folder), pairs)


@pytest.mark.parametrize("missing, maker", [("slides.parquet", "pathfm tile"), ("expression.h5ad", "pathfm expression")])
def test_a_cohort_without_slides_or_expression_is_refused_in_one_sentence(folder, capsys, missing, maker):
    (folder.root / missing).unlink()
    assert run("--cohort", folder.root) == 2
    assert capsys.readouterr().err == f"pathfm cohort: the cohort {folder.root} has no {missing}; make it with `{maker}`\n"


def test_an_empty_role_is_refused_and_nothing_is_written(folder, capsys):
    assert run("--cohort", folder.root, "--folds", 7) == 2
    assert "7 parts need at least 7 sites, there are 6 (Asterand with 5 patients" in capsys.readouterr().err
    assert not folder.pairs.exists() and not folder.splits.exists()
    assert run("--cohort", folder.root, "--fractions", "most,some,few") == 2
    assert "--fractions takes three numbers" in capsys.readouterr().err


def test_a_cohort_in_which_nothing_pairs_is_refused(folder, capsys):
    slides = pd.read_parquet(folder.slides)
    slides.assign(patient=[f"X{number}" for number in range(len(slides))]).to_parquet(folder.slides)
    assert run("--cohort", folder.root) == 2
    assert "none of 31 slides pairs with one of 31 profiles" in capsys.readouterr().err


def rewrite(folder, change) -> None:
    """The cohort's expression as another tool leaves it."""
    data = anndata.read_h5ad(folder.expression)
    change(data).write_h5ad(folder.expression)


def scaled(data: anndata.AnnData) -> anndata.AnnData:
    data.X[3] = -1.0
    return data


def scaled_where_nothing_pairs(data: anndata.AnnData) -> anndata.AnnData:
    data.X[-1] = -1.0
    return data


def test_values_that_are_not_log2_tpm_are_refused_and_nothing_is_written(folder, capsys):
    rewrite(folder, scaled)
    assert run("--cohort", folder.root, "--folds", 3) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"the values X in {folder.expression} are not log2(TPM + 1): some are negative" in said
    assert not folder.pairs.exists() and not folder.splits.exists()


def test_values_of_a_profile_that_pairs_with_nothing_do_not_matter(folder):
    rewrite(folder, scaled_where_nothing_pairs)
    assert run("--cohort", folder.root, "--folds", 3) == 0


def test_a_profile_of_no_stated_type_is_left_out_and_the_sentence_says_what_to_add(folder, capsys):
    def untyped(data):
        data.obs = data.obs.assign(patient=[f"P{n}" for n in range(31)], aliquot=[f"r{n}" for n in range(31)], sample=data.obs["site"])
        data.obs = data.obs.drop(columns=["sample_type", "site"])
        return data

    rewrite(folder, untyped)
    slides = pd.read_parquet(folder.slides)
    slides.assign(patient=[f"P{n}" for n in range(31)], sample=None, sample_type=None).to_parquet(folder.slides)
    assert run("--cohort", folder.root) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].endswith("most profiles: no sample type is given (the sheet needs a column `Sample Type`, such as Primary Tumor, "
                             "for `pathfm expression`)")  # fmt: skip


def test_slides_and_rna_of_other_patients_are_shown_side_by_side(folder, capsys):
    slides = pd.read_parquet(folder.slides)
    slides.assign(patient=[f"C3L-{number:05}" for number in range(len(slides))]).to_parquet(folder.slides)
    assert run("--cohort", folder.root) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert (
        "no patient of slides.parquet is in expression.h5ad or labels.parquet (slides.parquet: C3L-00000, expression.h5ad: TCGA-A1-" in said
    )


def test_labels_of_other_patients_are_said_though_slides_and_rna_pair(folder, capsys):
    pd.DataFrame({"patient": [f"X{number}" for number in range(30)], "cancer": ["BRCA", "KIRC"] * 15}).to_parquet(folder.labels)
    run("--cohort", folder.root, "--folds", 3)
    assert "warning: no patient of the pairs is in labels.parquet (the pairs: TCGA-A1-0000, labels.parquet: X0)" in capsys.readouterr().err
