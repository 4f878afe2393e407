"""GDC's STAR-count files, read and written."""

import gzip

import numpy as np
import pandas as pd
import pytest

from pathfm.sources.star import StarError, read_star_counts, write_star_counts

GENES = pd.DataFrame(
    [
        ("ENSG00000000003.15", "TSPAN6", "protein_coding"),
        ("ENSG00000002586.20", "CD99", "protein_coding"),
        ("ENSG00000002586.20_PAR_Y", "CD99", "protein_coding"),
    ],
    columns=["gene_id", "gene_name", "gene_type"],
)


def written(tmp_path) -> bytes:
    write_star_counts(tmp_path / "s.tsv", GENES, np.array([426, 3, 0]), np.array([999_999.00005, 0.99995, 0.0]))
    return (tmp_path / "s.tsv").read_bytes()


def test_the_gdcs_own_fixture_reads_as_pandas_reads_it(shared):
    path = shared / "rna" / "gdc-rnaseq-tool_test_set_1.final.tsv.gz"
    read = read_star_counts(path)
    expected = pd.read_csv(path, sep="\t", comment="#", keep_default_na=False).iloc[4:]
    assert read.gene_model == "GENCODE v36"
    assert len(read.counts) == 96
    assert read.counts.dtype == np.int32 and read.tpm.dtype == np.float64
    assert read.gene_ids.tolist() == expected["gene_id"].tolist()
    assert read.symbols.tolist() == expected["gene_name"].tolist()
    assert read.types.tolist() == expected["gene_type"].tolist()
    np.testing.assert_array_equal(read.counts, expected["unstranded"].astype(int))
    np.testing.assert_allclose(read.tpm, expected["tpm_unstranded"].astype(float), rtol=1e-15)
    assert read.tpm.sum() == pytest.approx(1e6)
    assert sum(gene.endswith("_PAR_Y") for gene in read.gene_ids) == 1


def test_excerpts_of_real_files(shared):
    read = read_star_counts(shared / "rna" / "94027f46-390c-4dda-ab89-cb1ac0a291cd.rna_seq.augmented_star_gene_counts.EXCERPT.tsv")
    assert (read.gene_ids[0], read.counts[0], read.tpm[0]) == ("ENSG00000000003.15", 426, 6.7894)
    assert len(read_star_counts(shared / "rna" / "star_counts_excerpt_b.tsv").counts) == 3


@pytest.mark.parametrize(
    "name", ["94027f46-390c-4dda-ab89-cb1ac0a291cd.rna_seq.augmented_star_gene_counts.EXCERPT.tsv", "star_counts_excerpt_b.tsv"]
)
def test_what_is_written_has_the_layout_of_a_real_file(shared, tmp_path, name):
    real = (shared / "rna" / name).read_text().splitlines()
    read = read_star_counts(shared / "rna" / name)
    genes = pd.DataFrame({"gene_id": read.gene_ids, "gene_name": read.symbols, "gene_type": read.types})
    unassigned = [int(line.split("\t")[3]) for line in real[2:6]]
    write_star_counts(tmp_path / "s.tsv", genes, read.counts, read.tpm, unassigned)
    mine = (tmp_path / "s.tsv").read_text().splitlines()
    assert mine[:2] == real[:2]
    assert [line.split("\t")[:4] for line in mine[2:6]] == [line.split("\t")[:4] for line in real[2:6]]
    assert [line.count("\t") for line in mine[1:]] == [line.count("\t") for line in real[1:]]
    assert [line.split("\t")[:4] + line.split("\t")[6:7] for line in mine[6:]] == [
        line.split("\t")[:4] + line.split("\t")[6:7] for line in real[6:]
    ]


def test_four_decimals_and_back(tmp_path):
    lines = written(tmp_path).decode().splitlines()
    assert lines[0] == "# gene-model: GENCODE v36"
    assert lines[2] == "N_unmapped\t\t\t0\t0\t0\t\t\t"
    assert [line.split("\t")[6] for line in lines[6:]] == ["999999.0000", "1.0000", "0.0000"]
    read = read_star_counts(tmp_path / "s.tsv")
    assert read.counts.tolist() == [426, 3, 0] and read.gene_ids.tolist() == GENES["gene_id"].tolist()


def test_all_60660_genes_go_out_and_come_back(shared, tmp_path):
    genes = pd.read_csv(shared / "rna" / "gencode_v36_star_gene_annotation_60660.csv.gz", keep_default_na=False)
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.lognormal(1, 3, len(genes)).clip(max=1e6))
    tpm = counts / counts.sum() * 1e6
    write_star_counts(tmp_path / "s.tsv", genes, counts, tpm)
    read = read_star_counts(tmp_path / "s.tsv")
    assert read.gene_ids.tolist() == genes["gene_id"].tolist() and read.symbols.tolist() == genes["gene_name"].tolist()
    np.testing.assert_array_equal(read.counts, counts)
    np.testing.assert_allclose(read.tpm, tpm, atol=5.1e-5, rtol=0)


def test_gzip_and_carriage_returns_change_nothing(tmp_path):
    data = written(tmp_path)
    plain = read_star_counts(tmp_path / "s.tsv")
    (tmp_path / "s.tsv.gz").write_bytes(gzip.compress(data.replace(b"\n", b"\r\n")))
    other = read_star_counts(tmp_path / "s.tsv.gz")
    np.testing.assert_array_equal(plain.tpm, other.tpm)
    assert plain.gene_ids.tolist() == other.gene_ids.tolist() and other.gene_model == "GENCODE v36"


def damaged(data: bytes, kind: str) -> bytes:
    match kind:
        case "last line":
            return data[:-25]
        case "gzip":
            return gzip.compress(data)[:-12]
        case "no gene":
            return b"\n".join(data.split(b"\n")[:6]) + b"\n"
        case "header only":
            return b"\n".join(data.split(b"\n")[:2])
        case "empty":
            return b""
        case "column":
            return data.replace(b"tpm_unstranded", b"rpm_unstranded")
        case "middle line":
            return data.replace(b"\tprotein_coding\t3\t", b"\t3\t")
        case "word":
            return data.replace(b"\t426\t", b"\tmany\t")
        case "fraction":
            return data.replace(b"\t426\t", b"\t426.5\t")
        case "negative":
            return data.replace(b"\t426\t", b"\t-426\t")
        case "no number":
            return data.replace(b"\t999999.0000\t", b"\t\t")
        case "nan":
            return data.replace(b"\t999999.0000\t", b"\tnan\t")
        case "huge":
            return data.replace(b"\t426\t", b"\t4260000000\t")


@pytest.mark.parametrize(
    ("kind", "fault", "message"),
    [
        ("last line", "truncated", "cut in its last line"),
        ("gzip", "truncated", "in the middle of its gzip stream"),
        ("no gene", "truncated", "no gene"),
        ("header only", "truncated", "no gene"),
        ("empty", "truncated", "no gene"),
        ("column", "unreadable", "lacks the column 'tpm_unstranded'"),
        ("middle line", "unreadable", "no STAR-count file"),
        ("word", "unreadable", "many"),
        ("fraction", "unreadable", "426.5"),
        ("negative", "unreadable", "negative"),
        ("no number", "unreadable", "no TPM for ENSG00000000003.15"),
        ("nan", "unreadable", "infinite"),
        ("huge", "unreadable", "impossibly large"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, kind, fault, message):
    path = tmp_path / "bad.tsv"
    path.write_bytes(damaged(written(tmp_path), kind))
    with pytest.raises(StarError, match="bad.tsv") as caught:
        read_star_counts(path)
    assert caught.value.fault == fault and message in str(caught.value)


def test_a_real_legacy_file_is_refused_with_a_clear_word(shared):
    with pytest.raises(StarError, match="legacy file of two columns") as caught:
        read_star_counts(shared / "rna" / "scidat_d3f73c0f.htseq.counts.tsv")
    assert caught.value.fault == "legacy"
    with pytest.raises(StarError, match="lacks the column"):
        read_star_counts(shared / "rna" / "gdc-rnaseq-tool_test_set_1.annotated.tsv.gz")
