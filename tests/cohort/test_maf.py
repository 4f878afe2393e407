"""TP53 status from mutation calls."""

import gzip

import pytest

from pathfm.cohort.maf import passes, read_calls
from pathfm.cohort.sequenced import read_sequenced
from pathfm.errors import InputError

NINE = (
    "Missense_Mutation Nonsense_Mutation Nonstop_Mutation Frame_Shift_Del Frame_Shift_Ins In_Frame_Del In_Frame_Ins Splice_Site "
    "Translation_Start_Site"
).split()
HEADER = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\tFILTER\n"


def maf(tmp_path, *rows, header="#version 2.4\n#made by x\n" + HEADER, name="calls.maf"):
    (tmp_path / name).write_text(header + "".join("\t".join(row) + "\n" for row in rows))
    return tmp_path / name


def test_the_real_laml_maf_has_15_mutants_of_193_patients(shared):
    calls = read_calls([shared / "maf" / "maftools_tcga_laml.maf.gz"])
    assert (len(calls.sequenced), len(calls.mutant), len(calls.filtered)) == (193, 15, 0)
    assert calls.mutant < calls.sequenced and all(len(patient) == 12 for patient in calls.sequenced)
    assert calls.status("TCGA-AB-2829") == "mutant" and calls.status("TCGA-AB-2988") == "wild type"
    assert calls.status("TCGA-A7-A0DB") is None


def test_the_real_brca_maf_of_one_patient_without_tp53(shared):
    calls = read_calls([shared / "maf" / "maftools_brca.maf.gz"])
    assert calls.status("TCGA-A8-A08B") == "wild type" and len(calls.sequenced) == 1


def test_barcodes_of_12_15_16_and_28_characters_name_the_same_patients(tmp_path):
    names = ["TCGA-A7-A0D1", "TCGA-A7-A0D2-01", "TCGA-A7-A0D3-01A", "TCGA-A7-A0D4-01A-11D-A12D-09"]
    rows = [("TP53", "Missense_Mutation", name, "PASS") for name in names] + [("TTN", "Silent", "TCGA-A7-A0D5-01A-11D-A12D-09", "PASS")]
    calls = read_calls([maf(tmp_path, *rows)])
    assert calls.mutant == {f"TCGA-A7-A0D{number}" for number in (1, 2, 3, 4)}
    assert calls.status("TCGA-A7-A0D5") == "wild type"


@pytest.mark.parametrize("kind", NINE)
def test_the_nine_protein_changing_kinds_make_a_mutant(tmp_path, kind):
    calls = read_calls([maf(tmp_path, ("TP53", kind, "TCGA-A7-A0D1", "PASS"), ("TTN", "Silent", "TCGA-A7-A0D2", "PASS"))])
    assert calls.mutant == {"TCGA-A7-A0D1"}


@pytest.mark.parametrize("kind", ["Silent", "Intron", "3'UTR", "Splice_Region", "RNA"])
def test_other_kinds_leave_a_sequenced_patient_wild_type(tmp_path, kind):
    calls = read_calls([maf(tmp_path, ("TP53", kind, "TCGA-A7-A0D1", "PASS"), ("TTN", "Silent", "TCGA-A7-A0D2", "PASS"))])
    assert calls.status("TCGA-A7-A0D1") == "wild type"


def test_a_patient_with_only_filtered_calls_is_neither(tmp_path):
    calls = read_calls(
        [
            maf(
                tmp_path,
                ("TP53", "Missense_Mutation", "TCGA-A7-A0D1", "oxog"),
                ("TP53", "Missense_Mutation", "TCGA-A7-A0D2", "oxog"),
                ("TP53", "Nonsense_Mutation", "TCGA-A7-A0D2", "PASS"),
                ("TP53", "Missense_Mutation", "TCGA-A7-A0D3", "wga"),
                ("TTN", "Silent", "TCGA-A7-A0D4", "panel_of_normals"),
            )
        ]
    )
    statuses = [calls.status(f"TCGA-A7-A0D{number}") for number in (1, 2, 3, 4)]
    assert statuses == [None, "mutant", "mutant", "wild type"]
    assert calls.filtered == {"TCGA-A7-A0D1"} and calls.unused["TP53 call that was filtered"] == 2


def test_filter_values():
    assert all(map(passes, (None, "", "PASS", ".", "wga;native_wga_mix", "PASS; wga")))
    assert not any(map(passes, ("oxog", "wga;oxog", "PASS,strand_bias")))


def test_calls_of_normal_samples_tell_nothing_of_the_tumour(tmp_path):
    rows = [("TP53", "Missense_Mutation", "TCGA-A7-A0D1-11A", "PASS"), ("TTN", "Silent", "TCGA-A7-A0D2-01A", "PASS")]
    calls = read_calls([maf(tmp_path, *rows)])
    assert calls.status("TCGA-A7-A0D1") is None and calls.unused["row without a tumour sample"] == 1


def test_a_maf_of_one_gene_needs_the_list_of_sequenced_samples(tmp_path):
    path = maf(tmp_path, ("TP53", "Missense_Mutation", "TCGA-A7-A0D1-01A", "PASS"))
    with pytest.raises(InputError, match="only the gene TP53.*--sequenced"):
        read_calls([path])
    with pytest.raises(InputError, match="holds no call"):
        read_calls([maf(tmp_path, name="empty.maf")])
    listed = tmp_path / "sequenced.txt"
    listed.write_text("barcode\nTCGA-A7-A0D1-01A\nTCGA-A7-A0D2-01\nTCGA-A7-A0D3-11A\n")
    calls = read_calls([path], listed)
    assert [calls.status(f"TCGA-A7-A0D{number}") for number in (1, 2, 3)] == ["mutant", "wild type", None]


def test_a_given_list_counts_instead_of_the_rows(tmp_path):
    listed = tmp_path / "sequenced.txt"
    listed.write_text("TCGA-A7-A0D2\n")
    rows = [("TTN", "Silent", "TCGA-A7-A0D1", "PASS"), ("TP53", "Splice_Site", "TCGA-A7-A0D3", "PASS")]
    calls = read_calls([maf(tmp_path, *rows)], listed)
    assert [calls.status(f"TCGA-A7-A0D{number}") for number in (1, 2, 3)] == [None, "wild type", "mutant"]


def test_the_case_list_of_cbioportal(tmp_path):
    path = tmp_path / "cases_sequenced.txt"
    path.write_text("cancer_study_identifier: brca_tcga\nstable_id: brca_tcga_sequenced\ncase_list_ids: TCGA-A7-A0D1-01\tTCGA-A7-A0D2-01\n")
    assert read_sequenced(path) == {"TCGA-A7-A0D1", "TCGA-A7-A0D2"}


@pytest.mark.parametrize(("data", "message"), [(b"sample_id\n", "names no sequenced"), (b"\xff\xfe", "not UTF-8")])
def test_a_list_that_names_nobody_is_refused(tmp_path, data, message):
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_sequenced(tmp_path / "list.txt")


def test_what_is_no_maf_is_refused_and_a_maf_without_filter_is_read(tmp_path):
    with pytest.raises(InputError, match="lacks the column 'Hugo_Symbol'"):
        read_calls([maf(tmp_path, header="Chromosome\tTumor_Sample_Barcode\n")])
    path = tmp_path / "nofilter.maf.gz"
    path.write_bytes(
        gzip.compress(
            b"Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\nTP53\tIn_Frame_Del\tTCGA-A7-A0D1\nTTN\tSilent\tTCGA-A7-A0D1\n"
        )
    )
    assert read_calls([path]).mutant == {"TCGA-A7-A0D1"}
