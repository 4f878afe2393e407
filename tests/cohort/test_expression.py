"""A folder of GDC files and its sheet → expression.h5ad and the report."""

import argparse
import gzip
import json
import shutil
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

from pathfm.cohort.expression import build_expression
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.profiles import read_stated_types
from pathfm.commands import expression as command
from pathfm.errors import InputError
from pathfm.sources.star import read_star_counts, write_star_counts

SUFFIX = ".rna_seq.augmented_star_gene_counts.tsv"
GENES = pd.DataFrame(
    [
        (f"ENSG{number:011d}.{number % 9 + 1}", "Y_RNA" if number % 5 == 0 else f"G{number}", "protein_coding" if number % 2 else "lncRNA")
        for number in range(40)
    ]
    + [("ENSG00000000007.8_PAR_Y", "G7", "protein_coding")],
    columns=["gene_id", "gene_name", "gene_type"],
)


class Download:
    """A folder as gdc-client leaves it, with its sample sheet or metadata."""

    def __init__(self, root):
        self.root, self.gdc, self.rows = root, root / "gdc", []
        self.gdc.mkdir()
        self.cohort = CohortFolder(root / "cohort")

    def add(self, file_id, sample, *, genes=GENES, seed=0, name=None, aliquot=None, flat=False, total=1e6):
        name = name or f"{file_id}-data{SUFFIX}"
        rng = np.random.default_rng(seed)
        counts = rng.poisson(50, len(genes))
        path = self.gdc / name if flat else self.gdc / file_id / name
        write_star_counts(path, genes, counts, counts / counts.sum() * total)
        self.list(file_id, sample, name, aliquot)
        return path

    def list(self, file_id, sample, name, aliquot=None):
        self.rows.append((file_id, name, "", "Gene Expression Quantification", "TCGA-BRCA", sample[:12], sample, aliquot))

    def sheet(self):
        columns = ["File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", "Sample ID", "aliquot"]
        path = self.root / "gdc_sample_sheet.tsv"
        pd.DataFrame(self.rows, columns=columns).drop(columns="aliquot").to_csv(path, sep="\t", index=False)
        return path

    def metadata(self):
        path = self.root / "metadata.json"
        entries = [
            {"file_id": r[0], "file_name": r[1], "associated_entities": [{"entity_submitter_id": r[7]}], "file_size": 1} for r in self.rows
        ]
        path.write_text(json.dumps(entries))
        return path

    def build(self, sheet=None, workers=2):
        report = build_expression(self.gdc, sheet or self.sheet(), self.cohort, workers)
        return anndata.read_h5ad(self.cohort.expression), report


@pytest.fixture
def download(tmp_path):
    return Download(tmp_path)


def test_values_names_and_tables_of_the_matrix(download):
    paths = {
        f"TCGA-{site}-A0D{n}-01A": download.add(f"id{n}", f"TCGA-{site}-A0D{n}-01A", seed=n) for n, site in enumerate(("E2", "A7", "BH"))
    }
    matrix, report = download.build()
    assert matrix.obs_names.tolist() == sorted(paths)
    assert list(matrix.obs) == ["aliquot", "sample", "patient", "sample_type", "site", "project", "file"]
    assert matrix.obs["site"].tolist() == ["A7", "BH", "E2"] and set(matrix.obs["project"]) == {"TCGA-BRCA"}
    assert matrix.obs.loc["TCGA-A7-A0D1-01A", ["aliquot", "patient", "sample_type", "file"]].tolist() == [
        "TCGA-A7-A0D1-01A", "TCGA-A7-A0D1", "01", f"id1-data{SUFFIX}",
    ]  # fmt: skip
    assert matrix.var_names.tolist() == [gene.partition(".")[0] for gene in GENES["gene_id"][:40]]
    assert matrix.var.loc["ENSG00000000007"].tolist() == ["ENSG00000000007.8", "G7", "protein_coding"]
    assert matrix.X.dtype == np.float32 and matrix.layers["counts"].dtype == np.int32
    for name, path in paths.items():
        read = read_star_counts(path)
        np.testing.assert_allclose(matrix[name].X[0], np.log2(read.tpm[:40] + 1), rtol=1e-6)
        np.testing.assert_array_equal(matrix[name].layers["counts"][0], read.counts[:40])
    assert (report["samples"], report["genes"], report["par_y_dropped"]) == (3, 40, 1)
    assert report["left_out"] == {} and json.loads(download.cohort.expression_report.read_text()) == report
    assert "the files hold 41 genes" in report["notes"][0]
    assert download.cohort.manifest.exists()


def test_the_60660_genes_of_the_gdc_are_60616_without_par_y(download, shared):
    genes = pd.read_csv(shared / "rna" / "gencode_v36_star_gene_annotation_60660.csv.gz", keep_default_na=False)
    download.add("id1", "TCGA-A7-A0DB-01A", genes=genes)
    matrix, report = download.build()
    assert matrix.shape == (1, 60_616) and matrix.var_names.is_unique
    assert (report["genes_in_files"], report["par_y_dropped"], report["notes"], report["tpm_sum_not_a_million"]) == (60_660, 44, [], [])
    assert (matrix.var["type"] == "protein_coding").sum() + 18 == 19_962
    assert matrix.var["symbol"].duplicated().sum() > 1_000


def test_the_gdcs_own_fixture_goes_through(download, shared):
    name = f"x{SUFFIX}.gz"
    (download.gdc / "id1").mkdir()
    shutil.copy(shared / "rna" / "gdc-rnaseq-tool_test_set_1.final.tsv.gz", download.gdc / "id1" / name)
    download.list("id1", "TCGA-A7-A0DB-01A", f"x{SUFFIX}")
    matrix, report = download.build()
    assert matrix.shape == (1, 95) and report["par_y_dropped"] == 1


def test_every_trap_is_left_out_counted_and_listed_and_the_rest_goes_on(download):
    for number in range(5):
        download.add(f"good{number}", f"TCGA-A7-A0A{number}-01A", seed=number)
    download.list("absent", "TCGA-A7-A0B1-01A", f"absent{SUFFIX}")
    partial = download.add("partial", "TCGA-A7-A0B2-01A")
    partial.rename(partial.with_name(f"{partial.name}.partial"))
    download.add("short", "TCGA-A7-A0B3-01A", genes=GENES[:-6])
    cut = download.add("cut", "TCGA-A7-A0B4-01A")
    cut.write_bytes(cut.read_bytes()[:-20])
    download.add("other", "TCGA-A7-A0B5-01A", genes=GENES.assign(gene_id=GENES["gene_id"].str.replace(r"\.\d+", ".99", regex=True)))
    columns = download.add("columns", "TCGA-A7-A0B6-01A")
    columns.write_bytes(columns.read_bytes().replace(b"\ttpm_unstranded", b"\tother"))
    (download.gdc / "legacy").mkdir()
    (download.gdc / "legacy" / "x.htseq.counts.gz").write_bytes(gzip.compress(b"ENSG00000000003.13\t2881\n__no_feature\t3\n"))
    download.list("legacy", "TCGA-A7-A0B7-01A", "x.htseq.counts.gz")
    hidden = download.add("hidden", "TCGA-A7-A0B8-01A")
    hidden.write_text("ENSG00000000003.13\t2881\nENSG00000000005.5\t6\n")
    download.list("joined", "TCGA-A7-A0B9-01A, TCGA-A7-A0B9-11A", f"joined{SUFFIX}")
    orphan = download.add("orphan", "TCGA-A7-A0C1-01A")
    download.rows.pop()
    (download.gdc / "good0" / "logs").mkdir()
    (download.gdc / "good0" / "logs" / f"good0{SUFFIX}.parcel").write_bytes(b"x")
    (download.gdc / "good0" / "annotations.txt").write_text("id\tnotes\n")

    matrix, report = download.build()
    assert matrix.obs_names.tolist() == [f"TCGA-A7-A0A{number}-01A" for number in range(5)]
    listed = {fault: [entry["file_id"] for entry in entries] for fault, entries in report["left_out_list"].items()}
    assert listed == {
        "ambiguous row": ["joined"],
        "legacy": ["legacy", "hidden"],
        "other genes": ["other"],
        "row without a file": ["absent", "partial"],
        "truncated": ["short", "cut"],
        "unreadable": ["columns"],
    }
    assert report["left_out"] == {fault: len(ids) for fault, ids in listed.items()}
    assert report["files_without_a_row"] == [
        str(path.relative_to(download.gdc)) for path in (orphan, partial.with_name(f"{partial.name}.partial"))
    ]
    reasons = {entry["file_id"]: entry["reason"] for entries in report["left_out_list"].values() for entry in entries}
    assert "35 genes where the other files have 41" in reasons["short"]
    assert "unfinished download" in reasons["partial"]
    assert "shares 0 of the 41 genes" in reasons["other"]
    lines = command.summary(report)
    assert lines[0].startswith("expression.h5ad: 5 samples of 5 patients × 40 genes (GENCODE v36)")
    assert any(line.startswith("left out, truncated: 2") for line in lines)


def test_a_cut_first_file_does_not_decide_the_genes(download):
    download.add("a", "TCGA-A7-A0A1-01A", genes=GENES[:20])
    for number in range(3):
        download.add(f"b{number}", f"TCGA-A7-A0B{number}-01A", seed=number)
    matrix, report = download.build()
    assert matrix.shape == (3, 40) and report["left_out"] == {"truncated": 1}


def test_the_same_genes_in_another_order_are_put_in_order(download):
    for number in range(3):
        download.add(f"a{number}", f"TCGA-A7-A0A{number}-01A", seed=number)
    path = download.add("z", "TCGA-A7-A0Z0-01A", genes=GENES[::-1], seed=9)
    matrix, _ = download.build()
    np.testing.assert_array_equal(matrix["TCGA-A7-A0Z0-01A"].layers["counts"][0], read_star_counts(path).counts[::-1][:40])


def test_flat_folders_and_names_with_or_without_gz(download):
    download.add("id1", "TCGA-A7-A0A1-01A", flat=True)
    path = download.add("id2", "TCGA-A7-A0A2-01A")
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    matrix, report = download.build()
    assert len(matrix) == 2 and matrix.obs["file"].tolist() == [f"id1-data{SUFFIX}", f"id2-data{SUFFIX}.gz"]
    assert report["files_without_a_row"] == []


def test_two_rows_that_claim_one_flat_file_are_both_left_out(download):
    download.add("id1", "TCGA-A7-A0A1-01A")
    download.add("id2", "TCGA-A7-A0A2-01A", flat=True, name=f"same{SUFFIX}")
    download.list("id3", "TCGA-A7-A0A3-01A", f"same{SUFFIX}")
    matrix, report = download.build()
    assert len(matrix) == 1
    assert [entry["reason"] for entry in report["left_out_list"]["row without a file"]] == [
        "several rows of the sheet claim the same file"
    ] * 2


def test_all_aliquots_stay_in_the_matrix_and_losers_are_listed(download):
    download.add("f1", "TCGA-A7-A0DB-01A", aliquot="TCGA-A7-A0DB-01A-11R-A00Z-07")
    download.add("f2", "TCGA-A7-A0DB-01A", aliquot="TCGA-A7-A0DB-01A-11R-A277-07")
    download.add("f3", "TCGA-A7-A0DB-01C", aliquot="TCGA-A7-A0DB-01C-02R-A277-07")
    download.add("f4", "TCGA-A7-A0DB-11A", aliquot="TCGA-A7-A0DB-11A-33R-A089-07")
    matrix, report = download.build(download.metadata())
    assert len(matrix) == 4 and matrix.obs["project"].isna().all()
    assert matrix.obs["sample"].tolist()[2:] == ["TCGA-A7-A0DB-01C", "TCGA-A7-A0DB-11A"]
    kept = "TCGA-A7-A0DB-01A-11R-A277-07"
    assert report["lost_to_sibling"] == [
        {"aliquot": "TCGA-A7-A0DB-01A-11R-A00Z-07", "kept": kept},
        {"aliquot": "TCGA-A7-A0DB-01C-02R-A277-07", "kept": kept},
    ]
    assert len(report["size_not_as_stated"]) == 4


def test_two_files_of_one_sample_are_told_apart_by_their_file_id(download):
    download.add("aaaaaaaa-1", "TCGA-A7-A0DB-01A", seed=1)
    download.add("bbbbbbbb-2", "TCGA-A7-A0DB-01A", seed=2)
    download.add("bbbbbbbb-3", "TCGA-A7-A0DB-01A", seed=3)
    matrix, report = download.build()
    names = ["TCGA-A7-A0DB-01A.aaaaaaaa", "TCGA-A7-A0DB-01A.bbbbbbbb-2", "TCGA-A7-A0DB-01A.bbbbbbbb-3"]
    assert matrix.obs_names.tolist() == names and set(matrix.obs["sample"]) == {"TCGA-A7-A0DB-01A"}
    assert [entry["kept"] for entry in report["lost_to_sibling"]] == names[:1] * 2


def test_tpm_that_do_not_sum_to_a_million_are_reported_and_left_as_they_are(download):
    path = download.add("id1", "TCGA-A7-A0A1-01A", total=8e5)
    matrix, report = download.build()
    assert [entry["aliquot"] for entry in report["tpm_sum_not_a_million"]] == ["TCGA-A7-A0A1-01A"]
    assert report["tpm_sum_not_a_million"][0]["sum"] == pytest.approx(8e5)
    np.testing.assert_allclose(2 ** matrix.X[0] - 1, read_star_counts(path).tpm[:40], rtol=1e-5)


def test_the_result_does_not_depend_on_workers_or_the_order_of_the_sheet(download):
    for number in range(30):
        download.add(f"id{number:02d}", f"TCGA-A7-A0{number:02d}-01A", seed=number, genes=GENES[:20] if number % 7 == 3 else GENES)
    first, report = download.build(workers=1)
    download.rows.reverse()
    second, again = download.build(workers=3)
    np.testing.assert_array_equal(first.X, second.X)
    pd.testing.assert_frame_equal(first.obs, second.obs)
    assert report["left_out"] == again["left_out"] == {"truncated": 4}


def test_hospitals_without_tcga_barcodes(download):
    download.list("id1", "", "")
    download.rows.clear()
    path = download.add("id1", "SAMPLE-0001", name=f"a{SUFFIX}")
    download.rows[0] = (*download.rows[0][:5], "PATIENT-1", "SAMPLE-0001", None)
    matrix, _ = download.build()
    assert path.exists() and matrix.obs["patient"].tolist() == ["PATIENT-1"] and matrix.obs["site"].isna().all()


@pytest.mark.parametrize("name", [f"../outside{SUFFIX}", f"/etc/outside{SUFFIX}"])
def test_names_that_lead_out_of_the_folder_are_refused(download, name):
    download.add("id1", "TCGA-A7-A0A1-01A")
    download.list("id2/..", "TCGA-A7-A0A2-01A", name)
    with pytest.raises(InputError, match="leads out of"):
        download.build()
    assert not download.cohort.expression.exists()


def test_nothing_left_is_refused_with_the_reasons_and_leaves_nothing_behind(download):
    download.list("absent", "TCGA-A7-A0B1-01A", f"absent{SUFFIX}")
    download.add("id2", "TCGA-A7-A0B2-01A").write_text("ENSG00000000003.13\t2881\n")
    with pytest.raises(InputError, match=r"no usable expression file \(legacy: 1, row without a file: 1\)"):
        download.build()
    assert not download.cohort.root.exists() or not list(download.cohort.root.iterdir())


def test_the_real_sheet_of_legacy_files_says_so(download, shared):
    with pytest.raises(InputError, match="legacy: 50.*download augmented_star_gene_counts"):
        download.build(shared / "gdc" / "scidat_gdc_sample_sheet.2020-04-16.tsv")


def test_the_real_metadata_of_tcga_brca(download, shared):
    metadata = json.loads(gzip.decompress((shared / "gdc" / "brca_star_metadata.repository.2026-07-09.json.gz").read_bytes()))
    for number, entry in enumerate(metadata):
        if entry["associated_entities"][0]["entity_submitter_id"].startswith("TCGA-A7-A"):
            download.add(entry["file_id"], "TCGA-A7-AXXX-01A", name=entry["file_name"], seed=number)
    matrix, report = download.build(shared / "gdc" / "brca_star_metadata.repository.2026-07-09.json.gz")
    assert len(matrix) == len(download.rows)
    assert report["left_out"] == {"row without a file": 1231 - len(matrix)}
    assert {"aliquot": "TCGA-A7-A0DB-01A-11R-A00Z-07", "kept": "TCGA-A7-A0DB-01A-11R-A277-07"} in report["lost_to_sibling"]
    assert len(report["lost_to_sibling"]) == 14


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from pathfm.cohort.expression import build_expression
from pathfm.cohort.folder import CohortFolder
from pathfm.errors import guarded
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(guarded(lambda: build_expression(sys.argv[1], sys.argv[2], CohortFolder(Path(sys.argv[3])), 1) and 0, "pathfm expression"))
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(download):
    for number in range(60):
        download.add(f"id{number:02d}", f"TCGA-A7-A0{number:02d}-01A", seed=number)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(download.gdc), str(download.sheet()), str(download.cohort.root)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and "cannot write" in done.stderr and "free some space" in done.stderr
    assert not list(download.cohort.root.iterdir())


def test_the_command_prints_what_was_made_and_left_out(download, capsys):
    download.add("id1", "TCGA-A7-A0A1-01A")
    download.list("absent", "TCGA-A7-A0B1-01A", f"absent{SUFFIX}")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    arguments = [str(download.gdc), "--sheet", str(download.sheet()), "--cohort", str(download.cohort.root)]
    assert command.run(parser.parse_args(arguments)) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "expression.h5ad: 1 samples of 1 patients × 40 genes (GENCODE v36)"
    assert printed[1].startswith("left out, row without a file: 1 (first: absent")
    with pytest.raises(InputError, match="--workers 0"):
        command.run(parser.parse_args([*arguments, "--workers", "0"]))
    with pytest.raises(InputError, match="there is no folder of GDC files"):
        command.run(parser.parse_args([str(download.gdc / "none"), *arguments[1:]]))


def test_samples_without_a_type_or_shared_patients_are_warned_of_and_the_types_of_all_samples_are_kept(download):
    download.cohort.root.mkdir()
    pd.DataFrame({"slide": ["a"], "patient": ["C3L-00001"]}).to_parquet(download.cohort.slides)
    for number in range(2):
        download.add(f"id{number}", f"HT-{number}", name=f"{number}{SUFFIX}")
    download.list("id2", "HT-2", f"absent{SUFFIX}")
    table = pd.read_csv(download.sheet(), sep="\t", dtype=str).assign(**{"Case ID": ["P0", "P1", "P2"]})
    path = download.root / "typed.tsv"
    table.assign(**{"Sample Type": ["Primary Tumor", "'--", "Solid Tissue Normal"]}).to_csv(path, sep="\t", index=False)
    matrix, report = download.build(path)
    assert matrix.obs["sample_type"].tolist()[0] == "01" and matrix.obs["sample_type"].isna().tolist() == [False, True]
    assert read_stated_types(download.cohort) == {("P0", "HT-0"): {"01"}, ("P2", "HT-2"): {"11"}}
    patients, untyped = report["warnings"]
    assert patients.startswith("no patient of the sheet is in slides.parquet (the sheet: P0, slides.parquet: C3L-00001)")
    assert (
        untyped.startswith("the sheet states no sample type that is known for 1 of 2 samples (HT-1, none), so they pair")
        and "`Sample Type`" in untyped
    )
    assert [line for line in command.summary(report) if line.startswith("warning: ")] == [f"warning: {patients}", f"warning: {untyped}"]


def test_a_sheet_of_tcga_has_nothing_to_warn_of(download):
    download.add("id1", "TCGA-A7-A0A1-01A")
    matrix, report = download.build()
    assert report["warnings"] == [] and "samples" not in matrix.uns
