"""Gene panels: what NumPy and scikit-learn say, training patients only, and names that mean one gene."""

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.profiles import Profiles, one_row_per_patient, open_profiles
from pathfm.errors import InputError
from pathfm.modalities.genes import HALLMARK, find_genes, named_genes, read_gene_list, read_gmt
from pathfm.modalities.panel import Panel, asked_of_features, fit_panel, read_log_tpm, variance_within

PATIENTS = [f"P{number:02}" for number in range(40)]
TRAINING = PATIENTS[:24]


def matrix(genes: int = 60, seed: int = 0) -> anndata.AnnData:
    """log2(TPM+1) of 40 patients; every third gene is no protein-coding one, gene 5 is silent, gene 7 constant."""
    random = np.random.default_rng(seed)
    tpm = random.lognormal(random.normal(1, 2, genes), 1, (len(PATIENTS), genes))
    tpm[:, 5] = 0.4
    tpm[:, 7] = 3.0
    var = pd.DataFrame({"symbol": [f"GENE{index}" for index in range(genes)]}, index=[f"ENSG{index:011}" for index in range(genes)])
    var["gene_id"] = var.index + ".3"
    var["type"] = np.where(np.arange(genes) % 3 == 1, "lncRNA", "protein_coding")
    var.loc[var.index[7], "type"] = "protein_coding"
    obs = pd.DataFrame({"patient": PATIENTS}, index=[f"{patient}-aliquot" for patient in PATIENTS])
    return anndata.AnnData(np.log2(tpm + 1).astype(np.float32), obs, var)


def on_disk(expression: anndata.AnnData, folder) -> Profiles:
    expression.write_h5ad(folder / "expression.h5ad")
    return open_profiles(CohortFolder.open(folder))


@pytest.fixture(scope="module")
def expression() -> anndata.AnnData:
    return matrix()


def training_values(expression: anndata.AnnData, panel: Panel) -> np.ndarray:
    return np.asarray(expression[:24, list(panel.genes)].X, np.float64)


def test_the_scaling_is_that_of_scikit_learn_and_clipped(expression):
    scaler = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is in the extra `report`").StandardScaler()
    panel = fit_panel(expression, TRAINING, "protein_coding", clip=2.0)
    scaler.fit(training_values(expression, panel))
    every = np.asarray(expression[:, list(panel.genes)].X)
    scaled = panel.scale(every)
    assert scaled.dtype == np.float32 and np.abs(scaled).max() == 2.0
    np.testing.assert_allclose(scaled, np.clip(scaler.transform(every), -2, 2), atol=1e-5)


def test_protein_coding_genes_that_a_tenth_of_the_training_patients_express(expression):
    panel = fit_panel(expression, TRAINING, "protein_coding")
    tpm = np.exp2(np.asarray(expression.X, np.float64)) - 1
    share = (tpm[:24] >= 1).mean(axis=0)
    wanted = [
        gene
        for index, gene in enumerate(expression.var_names)
        if expression.var["type"].iloc[index] == "protein_coding" and share[index] >= 0.1 and index != 7
    ]
    assert list(panel.genes) == wanted and 20 < len(wanted) < 40
    assert panel.symbols == tuple(expression.var.loc[wanted, "symbol"])
    assert expression.var_names[5] not in panel.genes and expression.var_names[7] not in panel.genes


def test_the_share_of_expressing_patients_counts_a_tpm_of_exactly_one():
    expression = matrix()
    expression.X[:, 0] = 0
    expression.X[:3, 0] = np.log2(1 + 1)
    expression.X[0, 0] = 2
    assert expression.var_names[0] in fit_panel(expression, TRAINING, "protein_coding", min_share=3 / 24).genes
    assert expression.var_names[0] not in fit_panel(expression, TRAINING, "protein_coding", min_share=3.1 / 24).genes


def test_a_learned_panel_keeps_what_chose_its_genes_and_is_scaled_anew(expression, tmp_path):
    every = fit_panel(expression, TRAINING, "protein_coding")
    r = np.linspace(-0.2, 0.9, len(every.genes))
    panel = every.of(np.array([7, 2, 5]), r)
    assert panel.genes == tuple(every.genes[place] for place in (2, 5, 7))
    panel.write(tmp_path / "panel.parquet")
    again = Panel.read(tmp_path / "panel.parquet")
    assert again.hash == panel.hash
    np.testing.assert_array_equal(again.r, r[[2, 5, 7]].astype(np.float32))
    refitted = again.refitted(expression, TRAINING)
    assert refitted.hash == panel.hash
    np.testing.assert_array_equal(refitted.r, panel.r)
    assert again.refitted(expression, PATIENTS).hash != panel.hash
    every.write(tmp_path / "every.parquet")
    assert Panel.read(tmp_path / "every.parquet").r is None


def test_a_panel_that_features_choose_is_not_fitted_without_them(expression):
    assert asked_of_features("predictable:20") == 20
    assert [asked_of_features(choice) for choice in ("hvg:20", "predictable", "predictable:0", "predictable:x", "all")] == [None] * 5
    with pytest.raises(InputError, match="'predictable:20' is learned by a training run from its base"):
        fit_panel(expression, TRAINING, "predictable:20")
    with pytest.raises(InputError, match="no gene panel 'predictable:0'"):
        fit_panel(expression, TRAINING, "predictable:0")


def test_other_patients_change_nothing(expression):
    other = expression.copy()
    other.X[24:] = 9.0
    for choice in ("protein_coding", "hvg:10"):
        assert fit_panel(other, TRAINING, choice).hash == fit_panel(expression, TRAINING, choice).hash
    assert fit_panel(expression, PATIENTS, "protein_coding").hash != fit_panel(expression, TRAINING, "protein_coding").hash


def test_the_order_of_rows_and_genes_of_the_matrix_changes_nothing(expression):
    random = np.random.default_rng(1)
    shuffled = expression[random.permutation(40), random.permutation(60)].copy()
    for choice in ("protein_coding", "hvg:10"):
        panel, again = fit_panel(expression, TRAINING, choice), fit_panel(shuffled, reversed(TRAINING), choice)
        assert panel.genes == again.genes == tuple(sorted(panel.genes))
        np.testing.assert_allclose(panel.mean, again.mean, rtol=1e-6)


def test_variable_genes_vary_within_cancers_not_between_them(expression):
    cancer = pd.Series(["BRCA", "LUAD"] * 20, index=PATIENTS)
    between = expression.copy()
    column = 6
    between.X[:, column] = np.where(cancer == "BRCA", 0.5, 12.0) + between.X[:, column] / 100
    values = np.asarray(between.X[:24], np.float64)
    own = cancer.loc[TRAINING].to_numpy()
    wanted = np.mean([(values[own == name] - values[own == name].mean(axis=0)) ** 2 for name in ("BRCA", "LUAD")], axis=(0, 1))
    np.testing.assert_allclose(variance_within(between.X[:24], cancer.loc[TRAINING]), wanted, rtol=1e-5)
    expressed = fit_panel(between, TRAINING, "protein_coding").genes
    best = sorted(expressed, key=lambda gene: -wanted[between.var_names.get_loc(gene)])[:8]
    assert fit_panel(between, TRAINING, "hvg:8", cancer).genes == tuple(sorted(best))
    gene = between.var_names[column]
    assert gene in fit_panel(between, TRAINING, "hvg:8").genes and gene not in fit_panel(between, TRAINING, "hvg:8", cancer).genes


def test_equal_variances_are_told_apart_by_gene_id():
    expression = matrix()
    expression.X[:] = np.arange(40, dtype=np.float32)[:, None]
    assert fit_panel(expression, TRAINING, "hvg:3").genes == tuple(expression.var_names[[0, 2, 3]])


def test_more_variable_genes_than_there_are_means_all_and_says_so(expression, capsys):
    assert fit_panel(expression, TRAINING, "hvg:5000").genes == fit_panel(expression, TRAINING, "protein_coding").genes
    assert "fewer than the 5,000 asked for" in capsys.readouterr().err


def test_a_list_names_genes_by_symbol_or_by_id_of_any_version(expression, tmp_path, capsys):
    file = tmp_path / "genes.csv"
    file.write_text('gene,score\nGENE3,1\n"ENSG00000000004.9",2\nENSG00000000001\n# a note\n\nNOSUCH\nGENE3\n')
    assert read_gene_list(file) == ["gene", "GENE3", "ENSG00000000004.9", "ENSG00000000001", "NOSUCH", "GENE3"]
    panel = fit_panel(expression, TRAINING, f"list:{file}")
    assert panel.symbols == ("GENE1", "GENE3", "GENE4")
    assert "2 of 5 names" in capsys.readouterr().err
    file.write_text("NOSUCH\n")
    with pytest.raises(InputError, match="names 1 genes and the matrix has none of them"):
        fit_panel(expression, TRAINING, f"list:{file}")
    with pytest.raises(InputError, match="is missing"):
        fit_panel(expression, TRAINING, f"list:{tmp_path / 'absent'}")


def test_a_symbol_of_two_genes_means_the_protein_coding_one_of_lowest_id(expression, tmp_path):
    var = expression.var.copy()
    var.loc[var.index[[1, 3, 6]], "symbol"] = "TWICE"
    for order in (np.arange(60), np.arange(60)[::-1]):
        assert var.iloc[order].index[find_genes(var.iloc[order], ["TWICE"], "list")].tolist() == [var.index[3]]


def test_all_duplicate_symbols_of_gencode_are_resolved_the_same_way_in_any_order(shared):
    table = pd.read_csv(shared / "rna" / "gencode_v36_star_gene_annotation_60660.csv.gz", keep_default_na=False)
    coding = table["gene_name"][table["gene_type"] == "protein_coding"]
    assert coding[coding.duplicated()].nunique() == 24
    table = table[~table["gene_id"].str.endswith("_PAR_Y")]
    var = table.rename(columns={"gene_name": "symbol", "gene_type": "type"}).set_index(table["gene_id"].str.partition(".")[0])
    coding = var["symbol"][var["type"] == "protein_coding"]
    twice = sorted(set(coding[coding.duplicated()]))
    assert twice == ["ACTL10", "MATR3", "PDE11A", "POLR2J3", "SMIM40", "TMSB15B"]
    found = var.index[find_genes(var, twice, "list")]
    backwards = var.iloc[::-1]
    assert set(found) == set(backwards.index[find_genes(backwards, twice, "list")]) and len(found) == len(twice)
    assert (var.loc[found, "type"] == "protein_coding").all()

    names = named_genes("hallmark", "")
    rows = find_genes(var, names, "hallmark")
    assert len(names) == 4384 and 0.99 < len(rows) / len(names) < 1


def test_the_hallmark_sets_are_those_of_msigdb(shared):
    file = shared / "genesets" / "h.all.v7.0.symbols.gmt"
    assert HALLMARK.read_bytes() == file.read_bytes()
    sets = read_gmt(file)
    assert len(sets) == 50 and all(name.startswith("HALLMARK_") for name in sets)
    assert sets["HALLMARK_ANGIOGENESIS"][:2] == ["VCAN", "POSTN"] and len(sets["HALLMARK_ANGIOGENESIS"]) == 36
    assert named_genes("gmt", str(file)) == named_genes("hallmark", "")


def test_a_broken_gmt_is_refused_with_its_line(tmp_path):
    file = tmp_path / "sets.gmt"
    file.write_text("SET1\tabout\tTP53\n\nSET2 about TP53\n")
    with pytest.raises(InputError, match="sets.gmt, line 3: a gene set is a name, a description and genes, separated by tabs"):
        read_gmt(file)


@pytest.mark.parametrize("choice", ["coding", "hvg:0", "hvg:x", "hvg", "list:", "gmt:", "hallmark:x"])
def test_an_unknown_choice_is_refused(expression, choice):
    with pytest.raises(InputError, match="there is no gene panel"):
        fit_panel(expression, TRAINING, choice)


def test_training_patients_without_expression_are_refused(expression):
    with pytest.raises(InputError, match="1 of 25 training patients have no expression"):
        fit_panel(expression, [*TRAINING, "P99"], "protein_coding")
    with pytest.raises(InputError, match="patient P00 has several rows"):
        fit_panel(anndata.concat([expression, expression[:1]], index_unique="-", merge="same"), TRAINING, "protein_coding")
    with pytest.raises(InputError, match="no gene is left"):
        fit_panel(expression, TRAINING[:1], "protein_coding")


def test_a_panel_is_written_and_read_whole(expression, tmp_path):
    panel = fit_panel(expression, TRAINING, "hvg:12", clip=3.0)
    panel.write(tmp_path / "panel.parquet")
    again = Panel.read(tmp_path / "panel.parquet")
    assert again.hash == panel.hash and again.genes == panel.genes and again.clip == 3.0
    np.testing.assert_array_equal(again.mean, panel.mean)
    table = pd.read_parquet(tmp_path / "panel.parquet")
    assert table.columns.tolist() == ["gene", "symbol", "mean", "sd"] and len(table) == 12
    table.assign(mean=0.0).to_parquet(tmp_path / "changed.parquet")
    with pytest.raises(InputError, match="changed.parquet is not a gene panel"):
        Panel.read(tmp_path / "changed.parquet")
    with pytest.raises(InputError, match="is missing"):
        Panel.read(tmp_path / "absent.parquet")


def test_a_matrix_of_other_genes_is_refused_by_name(expression):
    panel = fit_panel(expression, TRAINING, "protein_coding")
    np.testing.assert_array_equal(expression.var_names[panel.columns(expression)], panel.genes)
    with pytest.raises(InputError, match=rf"lacks 1 of the {len(panel.genes)} genes of the panel \({panel.genes[0]}\)"):
        panel.columns(expression[:, expression.var_names != panel.genes[0]])


def test_expression_comes_as_one_row_per_paired_patient(expression, tmp_path):
    order = [5, 0, 31, 5]
    pairs = pd.DataFrame({"patient": [PATIENTS[row] for row in order], "aliquot": expression.obs_names[order]})
    values = matrix().X
    profiles = on_disk(expression, tmp_path)
    rows, columns = np.array([7, 3, 7]), np.array([9, 2, 50])
    np.testing.assert_array_equal(read_log_tpm(profiles, rows, columns), values[rows][:, columns])
    chosen = one_row_per_patient(profiles, pairs)
    assert chosen.obs["patient"].tolist() == ["P00", "P05", "P31"] and chosen.n_obs == 3
    np.testing.assert_array_equal(read_log_tpm(chosen, np.array([2, 0, 1]), columns), values[[31, 0, 5]][:, columns])
    assert fit_panel(chosen, ["P00", "P31"], "protein_coding").hash == fit_panel(matrix(), ["P00", "P31"], "protein_coding").hash


def test_pairs_that_do_not_fit_the_matrix_are_refused(expression, tmp_path):
    profiles = on_disk(expression, tmp_path)
    pairs = pd.DataFrame({"patient": ["P00", "P00"], "aliquot": ["P00-aliquot", "P01-aliquot"]})
    with pytest.raises(InputError, match="patient P00 is paired with two aliquots"):
        one_row_per_patient(profiles, pairs)
    with pytest.raises(InputError, match="has no aliquot gone"):
        one_row_per_patient(profiles, pairs[:1].assign(aliquot="gone"))
    with pytest.raises(InputError, match="has the aliquot P00-aliquot of another patient than P01; pair again"):
        one_row_per_patient(profiles, pairs[:1].assign(patient="P01"))


def test_a_matrix_that_does_not_tell_the_types_of_genes_is_refused_where_they_choose(expression, tmp_path):
    untyped = expression.copy()
    del untyped.var["type"]
    profiles = on_disk(untyped, tmp_path)
    for choice in ("protein_coding", "hvg:3"):
        with pytest.raises(InputError, match="no gene .* has the type protein_coding .* add that column, or name the genes"):
            fit_panel(profiles, TRAINING, choice)
    (tmp_path / "genes.txt").write_text("GENE1\nENSG00000000002.7\n")
    assert len(fit_panel(profiles, TRAINING, f"list:{tmp_path / 'genes.txt'}").genes) == 2
