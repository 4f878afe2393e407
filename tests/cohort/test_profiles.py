"""Expression files as other tools write them: they work, or one sentence says why not. All are written by AnnData itself."""

import tracemalloc

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.pairing import pair
from pathfm.cohort.profiles import PROFILE_COLUMNS, one_row_per_patient, open_profiles, read_profiles, read_stated_types
from pathfm.errors import InputError
from pathfm.modalities.panel import fit_panel

GENES = 30
IMPLICIT = "ignore:Trying to modify attribute:anndata.ImplicitModificationWarning"  # of AnnData itself as it writes a view
ALIQUOTS = [f"TCGA-A{number % 3}-00{number:02d}-01A-11R-A12D-07" for number in range(8)]
IDS = [f"ENSG{number:011d}" for number in range(GENES)]


def tpm(samples: int = 8, genes: int = GENES) -> np.ndarray:
    values = np.random.default_rng(0).lognormal(1, 2, (samples, genes)) * (np.random.default_rng(1).random((samples, genes)) > 0.3)
    return values / values.sum(axis=1, keepdims=True) * 1e6


def ours() -> anndata.AnnData:
    """As `pathfm expression` writes it, without counts."""
    obs = pd.DataFrame({"aliquot": ALIQUOTS, "sample": [name[:16] for name in ALIQUOTS], "patient": [name[:12] for name in ALIQUOTS]})
    obs = obs.assign(sample_type=pd.Categorical(["01"] * 8), site=[name[5:7] for name in ALIQUOTS], project="TCGA-BRCA")
    obs.index = pd.Index(ALIQUOTS, dtype=object)
    var = pd.DataFrame({"gene_id": [f"{gene}.3" for gene in IDS], "symbol": [f"G{number}" for number in range(GENES)]}, index=IDS)
    return anndata.AnnData(np.log2(tpm() + 1).astype(np.float32), obs, var.assign(type=pd.Categorical(["protein_coding"] * GENES)))


def hospital() -> anndata.AnnData:
    data = ours()
    data.obs = data.obs.assign(aliquot=[f"r{number}" for number in range(8)], patient=[f"P{number}" for number in range(8)])
    data.obs = data.obs.drop(columns="sample").assign(site="east")
    data.obs.index = data.obs["aliquot"].tolist()
    return data


def write(data: anndata.AnnData, folder, **options) -> CohortFolder:
    data.write_h5ad(folder / "expression.h5ad", **options)
    return CohortFolder.open(folder)


def with_x(x, data: anndata.AnnData | None = None) -> anndata.AnnData:
    data = data or ours()
    return anndata.AnnData(x, data.obs, data.var)


def changed(data: anndata.AnnData, **obs) -> anndata.AnnData:
    data.obs = data.obs.assign(**obs)
    return data


def scanpys() -> anndata.AnnData:
    """Everything that a user of scanpy may have beside X."""
    data = ours()
    data.raw = data.copy()
    data.layers["counts"] = sparse.csr_matrix(np.ones(data.shape, np.int64))
    data.obsm["X_pca"], data.varm["PCs"] = np.ones((8, 2)), np.ones((GENES, 2))
    data.uns["log1p"] = {"base": 2.0}
    return data


def only_barcodes() -> anndata.AnnData:
    data = ours()
    data.obs = pd.DataFrame(index=data.obs.index)
    return data


def renamed(data: anndata.AnnData, names, **columns) -> anndata.AnnData:
    data.var = data.var.drop(columns=["gene_id", "symbol", "type"]).assign(**columns)
    data.var_names = names
    return data


def copies_on_y() -> anndata.AnnData:
    """GENCODE's ids, two of them the copies on Y of genes that are there."""
    first, copies = ours(), ours()[:, :2].copy()
    copies.var_names = ["a", "b"]
    data = anndata.concat([first, copies], axis=1, merge="first")
    data.var_names = [f"{gene}.3" for gene in IDS] + [f"{gene}.3_PAR_Y" for gene in IDS[:2]]
    return data


WORKS = {
    "as pathfm writes it": ours,
    "of float64": lambda: with_x(np.log2(tpm() + 1)),
    "of float16": lambda: with_x(ours().X.astype(np.float16)),
    "CSR": lambda: with_x(sparse.csr_matrix(ours().X)),
    "CSC": lambda: with_x(sparse.csc_matrix(ours().X)),
    "a CSR array of float64": lambda: with_x(sparse.csr_array(ours().X.astype(np.float64))),
    "in Fortran's order": lambda: with_x(np.asfortranarray(ours().X)),
    "a view": lambda: with_x(np.vstack([ours().X] * 2), anndata.concat([ours(), ours()], keys=["", "x"], index_unique="", merge="same"))[
        :8
    ],
    "with all that scanpy adds": scanpys,
    "with barcodes and no obs": only_barcodes,
    "with barcodes in small letters": lambda: changed(ours(), aliquot=[name.lower() for name in ALIQUOTS]),
    "with other row names": lambda: anndata.AnnData(ours().X, ours().obs.set_index(pd.Index([f"row{n}" for n in range(8)])), ours().var),
    "with categories": lambda: changed(ours(), patient=ours().obs["patient"].astype("category")),
    "with spaces around names": lambda: changed(ours(), patient=[f" {name[:12]} " for name in ALIQUOTS]),
    "with words for types": lambda: changed(ours(), sample_type="Primary Tumor"),
    "with versioned ids": lambda: renamed(
        ours(), [f"{gene}.12" for gene in IDS], gene_name=ours().var["symbol"], gene_type="protein_coding"
    ),
    "with symbols, and ids beside": lambda: renamed(
        ours(), ours().var["symbol"].tolist(), gene_ids=IDS, gene_biotype=pd.Categorical(["protein_coding"] * GENES)
    ),
    "with copies on Y": copies_on_y,
}


@pytest.mark.filterwarnings(IMPLICIT)
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"compression": "lzf"}], ids=["plain", "gzip", "lzf"])
@pytest.mark.parametrize("name", WORKS)
def test_what_others_write_gives_the_same_profiles_pairs_and_panel(tmp_path, name, options):
    folder = write(WORKS[name](), tmp_path, **options)
    profiles = open_profiles(folder)
    half = name == "of float16"
    np.testing.assert_allclose(profiles.read(np.array([3, 0, 3]), np.arange(GENES)), ours().X[[3, 0, 3]], rtol=2e-3 if half else 1e-6)
    assert sum(profiles.check()) == 8 * GENES and profiles.var_names.tolist() == IDS
    assert profiles.var["symbol"].tolist() == ours().var["symbol"].tolist()
    assert profiles.obs.equals(read_profiles(folder)) and list(profiles.obs) == PROFILE_COLUMNS
    assert profiles.obs["patient"].tolist() == [aliquot[:12] for aliquot in ALIQUOTS]
    assert set(profiles.obs["sample_type"]) == {"01"} and profiles.obs["site"].tolist() == [aliquot[5:7] for aliquot in ALIQUOTS]
    slides = pd.DataFrame({"slide": [f"{name[:12]}-01Z-00-DX1" for name in ALIQUOTS[::2]]})
    slides = slides.assign(patient=slides["slide"].str[:12], sample=slides["slide"].str[:16], sample_type="01", project=None, site="A1")
    pairs = pair(slides.assign(tiles=4, status="done"), profiles.obs).pairs
    panel = fit_panel(one_row_per_patient(profiles, pairs), pairs["patient"], "protein_coding")
    expected = fit_panel(ours()[::2], pairs["patient"], "protein_coding")
    assert panel.genes == expected.genes and panel.symbols == expected.symbols
    np.testing.assert_allclose(panel.mean, expected.mean, rtol=2e-3 if half else 1e-6)


NAMED = {
    "int": [1001 + number for number in range(8)],
    "float": [1001.0 + number for number in range(8)],
    "str": [str(1001 + number) for number in range(8)],
    "category": pd.Categorical([1001 + number for number in range(8)]),
    "nullable int": pd.array([1001 + number for number in range(8)], dtype="Int64"),
}


@pytest.mark.parametrize("kind", NAMED)
def test_patients_may_be_numbers_of_any_type(tmp_path, kind):
    profiles = read_profiles(write(changed(hospital(), patient=NAMED[kind]), tmp_path))
    assert profiles["patient"].tolist() == [str(1001 + number) for number in range(8)]


@pytest.mark.parametrize("types", [[1] * 8, ["1"] * 8, ["01"] * 8, [1.0] * 8, ["primary tumour"] * 8], ids=str)
def test_sample_types_may_be_codes_or_words(tmp_path, types):
    assert set(read_profiles(write(changed(hospital(), sample_type=types), tmp_path))["sample_type"]) == {"01"}


@pytest.mark.parametrize("missing", [[None, "P1"] * 4, [np.nan, "P1"] * 4, ["nan", "P1"] * 4, pd.Categorical([None, "P1"] * 4)])
def test_a_missing_patient_is_none_however_it_is_written(tmp_path, missing):
    assert read_profiles(write(changed(hospital(), patient=missing), tmp_path))["patient"].tolist() == [None, "P1"] * 4


def test_nullable_strings_are_read(tmp_path):
    data = changed(hospital(), patient=pd.array([f"P{number}" for number in range(7)] + [None], dtype="string"))
    with anndata.settings.override(allow_write_nullable_strings=True):
        folder = write(data, tmp_path)
    assert read_profiles(folder)["patient"].tolist() == [f"P{number}" for number in range(7)] + [None]


def test_names_as_bytes_are_read(tmp_path):
    folder = write(hospital(), tmp_path)
    with h5py.File(folder.expression, "r+") as file:
        del file["obs/patient"]
        file["obs"].create_dataset("patient", data=np.array([f"P{number}".encode() for number in range(8)]))
        file["obs/patient"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    assert read_profiles(folder)["patient"].tolist() == [f"P{number}" for number in range(8)]


def test_the_aliquot_column_names_the_rows_and_else_their_index(tmp_path):
    data = hospital()
    data.obs.index = [f"row{number}" for number in range(8)]
    profiles = open_profiles(write(data, tmp_path))
    np.testing.assert_array_equal(profiles.of(["r5", "r2"]).read(np.array([0, 1]), np.arange(GENES)), ours().X[[5, 2]])
    data.obs = data.obs.drop(columns="aliquot")
    assert open_profiles(write(data, tmp_path)).of(["row5"]).obs["patient"].tolist() == ["P5"]


def test_a_barcode_tells_the_sample_type_before_a_column_does(tmp_path):
    data = ours()
    data.obs = data.obs.assign(aliquot=[ALIQUOTS[0].replace("-01A-", "-11A-"), *ALIQUOTS[1:]])
    assert read_profiles(write(data, tmp_path))["sample_type"].tolist() == ["11"] + ["01"] * 7


def set_value(value, data: anndata.AnnData | None = None) -> anndata.AnnData:
    data = data or ours()
    data.X[5, 7] = value
    return data


VALUES = {
    "NaN": (lambda: set_value(np.nan), r"some are missing \(NaN\) or infinite"),
    "infinite": (lambda: set_value(np.inf), r"some are missing \(NaN\) or infinite"),
    "NaN in a sparse matrix": (lambda: with_x(sparse.csr_matrix(set_value(np.nan).X)), "some are missing"),
    "scaled": (lambda: with_x((ours().X - ours().X.mean(0)) / 2), "some are negative"),
    "raw counts as floats": (lambda: with_x(np.rint(tpm()).astype(np.float32)), r"as large as [\d,]+, as counts"),
    "TPM": (lambda: with_x(tpm()), "TPM without logarithm"),
    "log2 of counts": (lambda: with_x(np.log2(tpm() * 40 + 1).clip(0, 19.9)), "of one sample sums to .* where TPM sum to a million"),
    "log2 of counts, CSC": (lambda: with_x(sparse.csc_matrix(np.log2(tpm() * 40 + 1).clip(0, 19.9))), "where TPM sum to a million"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_that_are_not_log2_tpm_are_refused_where_they_are_read(tmp_path, name):
    data, message = VALUES[name]
    profiles = open_profiles(write(data(), tmp_path))
    with pytest.raises(InputError, match=rf"the values X in .*expression.h5ad are not log2\(TPM \+ 1\): .*{message}"):
        list(profiles.check())
    with pytest.raises(InputError, match=message):
        profiles.read(np.arange(8), np.arange(GENES))


def twice(axis: int) -> anndata.AnnData:
    names = [ours().obs_names.tolist(), ours().var_names.tolist()]
    names[axis][3] = names[axis][1]
    data = ours()
    data.obs, data.var = data.obs.drop(columns="aliquot"), data.var.drop(columns="gene_id")
    data.obs.index, data.var.index = names
    return data


def without_matrix() -> anndata.AnnData:
    data = ours()
    data.X = None
    return data


def natural() -> anndata.AnnData:
    data = ours()
    data.uns["log1p"] = {}
    return data


REFUSED = {
    "a gene twice": (lambda: twice(1), f"holds the gene {IDS[1]} twice"),
    "an aliquot twice": (lambda: twice(0), f"holds the aliquot {ALIQUOTS[1]} twice"),
    "versions of one gene": (lambda: renamed(ours(), [f"{IDS[0]}.1", f"{IDS[0]}.2", *IDS[2:]]), f"holds the gene {IDS[0]} twice"),
    "symbols": (lambda: renamed(ours(), ours().var["symbol"].tolist()), "not named by Ensembl ids .one is G0.; put them into var_names"),
    "another patient's aliquot": (
        lambda: changed(ours(), patient="TCGA-ZZ-0000"),
        "gives the aliquot TCGA-A0-0000.* to the patient TCGA-ZZ",
    ),
    "whole numbers": (lambda: with_x(np.rint(ours().X).astype(np.int64)), "holds whole numbers in X, as counts are"),
    "no X": (without_matrix, "has no matrix X"),
    "no samples": (lambda: ours()[:0], "is empty: it holds 0 samples and 30 genes"),
    "no genes": (lambda: ours()[:, :0], "is empty: it holds 8 samples and 0 genes"),
    "scanpy's natural logarithm": (natural, "scanpy's log1p without base=2, a natural logarithm"),
}


@pytest.mark.filterwarnings("ignore:(Observation|Variable) names are not unique", IMPLICIT)
@pytest.mark.parametrize("name", REFUSED)
def test_files_that_cannot_be_profiles_are_refused_when_they_are_opened(tmp_path, name):
    data, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        open_profiles(write(data(), tmp_path))


def test_a_file_without_patients_or_barcodes_is_refused(tmp_path):
    data = hospital()
    data.obs = data.obs.drop(columns="patient")
    with pytest.raises(InputError, match="lacks the obs column 'patient', and rows such as r0 are no TCGA barcodes"):
        open_profiles(write(data, tmp_path))


def newer(file) -> None:
    file["obs"].attrs["encoding-version"] = "9.9.9"


def an_unknown_column(file) -> None:
    file["obs/patient"].attrs["encoding-type"] = "string-array-of-2030"


def old_table(file) -> None:
    del file["obs"]
    file["obs"] = np.zeros(8, [("index", "S9"), ("n", "i8")])


def short(file) -> None:
    del file["X"]
    file["X"] = np.ones((7, GENES), np.float32)


def a_group_of_something(file) -> None:
    del file["X"]
    file.create_group("X").attrs["encoding-type"] = "coo_matrix"


def no_obs(file) -> None:
    del file["obs"]


@pytest.mark.parametrize("damage", [newer, an_unknown_column, old_table, short, a_group_of_something, no_obs])
def test_files_that_this_anndata_cannot_read_are_refused(tmp_path, damage):
    folder = write(ours(), tmp_path)
    with h5py.File(folder.expression, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match="expression.h5ad (cannot be read as AnnData|is damaged|holds a matrix X of the kind)"):
        open_profiles(folder)


@pytest.mark.parametrize("part", ["indices", "indptr"])
def test_a_sparse_matrix_that_points_outside_of_itself_is_refused(tmp_path, part):
    folder = write(with_x(sparse.csr_matrix(ours().X)), tmp_path)
    with h5py.File(folder.expression, "r+") as file:
        file[f"X/{part}"][3] = 10**6
    with pytest.raises(InputError, match="is damaged"):
        list(open_profiles(folder).check())


@pytest.mark.parametrize("content", [b"no HDF5 at all", b""])
def test_what_is_no_hdf5_is_refused(tmp_path, content):
    (tmp_path / "expression.h5ad").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        open_profiles(CohortFolder.open(tmp_path))


def test_a_file_that_was_cut_is_refused(tmp_path):
    folder = write(ours(), tmp_path)
    folder.expression.write_bytes(folder.expression.read_bytes()[:-2000])
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        list(open_profiles(folder).check())


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_a_check_never_holds_the_matrix(tmp_path, form):
    samples, genes = 2000, 3000
    obs = pd.DataFrame({"patient": [f"P{number}" for number in range(samples)]}, index=[f"r{number}" for number in range(samples)])
    var = pd.DataFrame(index=[f"ENSG{number:011d}" for number in range(genes)])
    values = np.log2(tpm(samples, genes) + 1).astype(np.float32)
    folder = write(anndata.AnnData(form(values), obs, var), tmp_path)
    size = values.nbytes
    del values
    profiles = open_profiles(folder)
    tracemalloc.start()
    assert sum(profiles.check()) == samples * genes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 2


def test_stated_types_are_those_of_the_sheet_and_none_for_other_tools(tmp_path):
    assert read_stated_types(write(ours(), tmp_path)) == {}
    data = ours()
    data.uns["samples"] = pd.DataFrame({"patient": ["P", "P"], "sample": ["S", "S"], "sample_type": ["01", "11"]})
    assert read_stated_types(write(data, tmp_path)) == {("P", "S"): {"01", "11"}}
