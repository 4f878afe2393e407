"""Sample sheets of both kinds and the portal's metadata."""

import gzip
import json
from collections import Counter

import pandas as pd
import pytest

from pathfm.errors import InputError
from pathfm.sources.sheets import read_sheet

OLD = ["File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", "Sample ID", "Sample Type"]
NEW = [*OLD[:7], "Tissue Type", "Tumor Descriptor", "Specimen Type", "Preservation Method"]
KIND = ("Transcriptome Profiling", "Gene Expression Quantification", "TCGA-BRCA")


def sheet(tmp_path, columns, *rows):
    path = tmp_path / "sheet.tsv"
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)
    return read_sheet(path)


def test_the_real_old_sheet(shared):
    read = read_sheet(shared / "gdc" / "scidat_gdc_sample_sheet.2020-04-16.tsv")
    assert len(read.rows) == 50 and not read.refused
    assert Counter(row.sample_type for row in read.rows) == {"01": 43, "11": 7}
    assert {row.project for row in read.rows} == {"TCGA-KIRP"}
    assert all(row.aliquot is None and row.sample.startswith(row.patient) for row in read.rows)


def test_the_real_new_sheet_lists_slides_which_are_no_expression(shared):
    read = read_sheet(shared / "gdc" / "coad_slides_gdc_sample_sheet.tsv")
    assert (read.rows, read.other_data) == ([], 450)


def test_the_real_metadata_gives_every_aliquot(shared):
    read = read_sheet(shared / "gdc" / "brca_star_metadata.repository.2026-07-09.json.gz")
    known = pd.read_csv(shared / "gdc" / "brca_star_file_to_aliquot.csv", dtype=str)
    assert len(read.rows) == 1231 and not read.refused
    assert {row.file_id: row.aliquot for row in read.rows} == dict(zip(known["file_id"], known["aliquot_barcode"], strict=True))
    assert {row.file_id: row.file_name for row in read.rows} == dict(zip(known["file_id"], known["file_name"], strict=True))
    assert Counter(row.sample_type for row in read.rows) == {"01": 1111, "11": 113, "06": 7}


def test_the_new_columns_give_the_type_where_the_barcode_has_none(tmp_path):
    read = sheet(
        tmp_path,
        NEW,
        ("f1", "a.tsv", *KIND, "C3L-1", "C3L-1-T", "Tumor", "Primary", "Solid Tissue", "OCT"),
        ("f2", "b.tsv", *KIND, "C3L-1", "C3L-1-N", "Normal", "Not Applicable", "Solid Tissue", "OCT"),
        ("f3", "c.tsv", *KIND, "TCGA-A7-A0DB", "TCGA-A7-A0DB-06A", "Tumor", "Metastatic", "Solid Tissue", "OCT"),
    )
    assert [(row.patient, row.sample_type) for row in read.rows] == [("C3L-1", "01"), ("C3L-1", "11"), ("TCGA-A7-A0DB", "06")]


def test_joined_samples_are_taken_only_when_they_are_of_one_patient_and_type(tmp_path):
    read = sheet(
        tmp_path,
        OLD,
        ("f1", "a.tsv", *KIND, "TCGA-A7-A0DB, TCGA-A7-A0DB", "TCGA-A7-A0DB-01B, TCGA-A7-A0DB-01A", "Primary Tumor, Primary Tumor"),
        ("f2", "b.tsv", *KIND, "TCGA-A7-A0DC", "TCGA-A7-A0DC-01A, TCGA-A7-A0DC-11A", "Primary Tumor, Solid Tissue Normal"),
        ("f3", "c.tsv", *KIND, "TCGA-A7-A0DC, TCGA-A7-A0DD", "TCGA-A7-A0DC-01A, TCGA-A7-A0DD-01A", "Primary Tumor, Primary Tumor"),
    )
    assert [row.sample for row in read.rows] == ["TCGA-A7-A0DB-01A"]
    assert [(file_id, "several samples" in reason) for file_id, _, reason in read.refused] == [("f2", True), ("f3", True)]


def test_rows_that_contradict_themselves_or_each_other_are_refused(tmp_path):
    read = sheet(
        tmp_path,
        OLD,
        ("f1", "a.tsv", *KIND, "TCGA-A7-A0DB", "TCGA-A7-A0DC-01A", "Primary Tumor"),
        ("f2", "b.tsv", *KIND, "TCGA-A7-A0DB", "TCGA-A7-A0DB-01A", "Solid Tissue Normal"),
        ("f3", "c.tsv", *KIND, "TCGA-A7-A0DD", "TCGA-A7-A0DD-01A", "Primary Tumor"),
        ("f3", "c.tsv", *KIND, "TCGA-A7-A0DE", "TCGA-A7-A0DE-01A", "Primary Tumor"),
        ("f4", "d.tsv", *KIND, "TCGA-A7-A0DF", "TCGA-A7-A0DF-01A", "Primary Tumor"),
        ("f4", "d.tsv", *KIND, "TCGA-A7-A0DF", "TCGA-A7-A0DF-01A", "Primary Tumor"),
        ("f5", "e.tsv", *KIND, "TCGA-A7-A0DF", "'--", "Primary Tumor"),
        ("f6", "--", *KIND, "TCGA-A7-A0DF", "TCGA-A7-A0DF-01A", "Primary Tumor"),
    )
    assert [row.file_id for row in read.rows] == ["f4"]
    assert read.repeated == 1
    reasons = {file_id: reason for file_id, _, reason in read.refused}
    assert "not of one patient" in reasons["f1"]
    assert "tumour or normal" in reasons["f2"]
    assert "two samples" in reasons["f3"]
    assert "no sample" in reasons["f5"]
    assert "row 8" in reasons["f6"]


def test_metadata_without_or_with_several_aliquots(tmp_path):
    entries = [
        {"file_id": "f1", "file_name": "a.tsv"},
        {"file_id": "f2", "file_name": "b.tsv", "associated_entities": [{"entity_submitter_id": name} for name in ("X", "Y")]},
        {"file_id": "f3", "file_name": "c.svs", "data_type": "Slide Image"},
        {"file_name": "d.tsv"},
        {
            "file_id": "f5",
            "file_name": "e.tsv",
            "associated_entities": [{"entity_submitter_id": "HCC-1-R"}],
            "cases": [{"submitter_id": "HCC-1", "project": {"project_id": "HCMI"}}],
        },
    ]
    path = tmp_path / "metadata.json.gz"
    path.write_bytes(gzip.compress(json.dumps(entries).encode()))
    read = read_sheet(path)
    assert [(row.aliquot, row.patient, row.project) for row in read.rows] == [("HCC-1-R", "HCC-1", "HCMI")]
    assert [file_id for file_id, _, _ in read.refused] == ["f1", "f2", ""]
    assert read.other_data == 1


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([{"sample_type": "Primary Tumor"}], "01"),
        ([{"sample_type": "Solid Tissue Normal"}], "11"),
        ([{"tissue_type": "Normal", "tumor_descriptor": "Not Applicable"}], "11"),
        ([{"tissue_type": "Tumor", "tumor_descriptor": "Metastatic"}], "06"),
        ([{"submitter_id": "C3N-1-T"}], None),
        ("broken", None),
    ],
)
def test_metadata_tells_the_sample_type_where_the_barcode_does_not(tmp_path, samples, expected):
    assert [row.sample_type for row in read_samples(tmp_path, samples).rows] == [expected]


def test_metadata_of_tumour_and_normal_samples_is_refused(tmp_path):
    read = read_samples(tmp_path, [{"sample_type": "Primary Tumor"}, {"sample_type": "Solid Tissue Normal"}])
    assert not read.rows and "several types: 01, 11" in read.refused[0][2]


def read_samples(folder, samples):
    entry = {
        "file_id": "f1",
        "file_name": "a.tsv",
        "associated_entities": [{"entity_submitter_id": "CPT-1-R"}],
        "cases": [{"submitter_id": "C3N-1", "samples": samples}],
    }
    path = folder / "metadata.json"
    path.write_text(json.dumps([entry]))
    return read_sheet(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("manifest.txt", "id\tfilename\tmd5\nx\ty\tz\n", "no GDC sample sheet: it lacks the column 'File ID'"),
        ("metadata.json", "[{", "is not JSON"),
        ("metadata.json", '{"data": 1}', "a list of files is expected"),
    ],
)
def test_what_is_neither_sheet_nor_metadata_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_sheet(tmp_path / name)


def test_words_that_are_no_tumour_or_that_nobody_knows_are_kept_for_the_listing(tmp_path):
    read = sheet(
        tmp_path,
        OLD,
        ("f1", "a.tsv", *KIND, "HCM-1", "HCM-1-85A", "Next Generation Cancer Model"),
        ("f2", "b.tsv", *KIND, "HCM-1", "HCM-1-91T", "Primary Tumour"),
        ("f3", "c.tsv", *KIND, "HCM-2", "HCM-2-x", "a word of our own"),
        ("f4", "d.tsv", *KIND, "HCM-3", "HCM-3-x", "--"),
        ("f5", "e.tsv", *KIND, "TCGA-A7-A0DB", "TCGA-A7-A0DB", "Metastatic"),
    )
    assert [row.sample_type for row in read.rows] == ["Next Generation Cancer Model", "01", "a word of our own", None, "06"]


def test_a_tcga_barcode_decides_where_the_word_says_nothing_and_is_refused_where_the_word_contradicts_it(tmp_path):
    words = ["FFPE Scrolls", "Unknown", "a word of our own", "Tumor", "Cell Lines", "Control Analyte", "Solid Tissue Normal"]
    rows = [(f"f{n}", f"{n}.tsv", *KIND, "TCGA-A7-A0DB", "TCGA-A7-A0DB-01A", word) for n, word in enumerate(words)]
    read = sheet(tmp_path, OLD, *rows)
    assert {row.file_id: row.sample_type for row in read.rows} == dict.fromkeys(["f0", "f1", "f2", "f3"], "01")
    assert [file_id for file_id, _, reason in read.refused if "tumour or normal" in reason] == ["f4", "f5", "f6"]


def test_barcodes_in_small_letters_are_read_as_capitals(tmp_path):
    read = sheet(tmp_path, OLD, ("f1", "a.tsv", *KIND, "tcga-a7-a0db", "tcga-a7-a0db-11a", "Solid Tissue Normal"))
    assert [(row.patient, row.sample, row.sample_type) for row in read.rows] == [("TCGA-A7-A0DB", "TCGA-A7-A0DB-11A", "11")]


def test_types_are_known_of_samples_whose_rows_are_about_other_data_too(tmp_path):
    read = sheet(
        tmp_path,
        OLD,
        ("f1", "a.tsv", *KIND, "C3L-1", "C3L-1-T", "Primary Tumor"),
        ("f2", "b.svs", "Biospecimen", "Slide Image", "CPTAC-3", "C3L-1", "C3L-1-N", "Solid Tissue Normal"),
        ("f3", "c.svs", "Biospecimen", "Slide Image", "CPTAC-3", "C3L-1", "C3L-1-T", "Metastatic"),
        ("f4", "d.svs", "Biospecimen", "Slide Image", "CPTAC-3", "C3L-1", "C3L-1-U", "--"),
    )
    assert len(read.rows) == 1 and read.other_data == 3
    assert read.sample_types == {("C3L-1", "C3L-1-T"): {"01", "06"}, ("C3L-1", "C3L-1-N"): {"11"}}


def test_metadata_of_an_organoid_says_so_and_names_the_sample(tmp_path):
    samples = [{"submitter_id": " S-1 ", "tissue_type": "Tumor", "tumor_descriptor": "Primary", "specimen_type": "3D Organoid"}]
    row = read_samples(tmp_path, samples).rows[0]
    assert (row.sample, row.sample_type) == ("S-1", "Tumor, Primary, 3D Organoid")
