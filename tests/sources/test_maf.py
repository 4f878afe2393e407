"""TP53 status from mutation calls."""

import csv
import gzip

import pytest

from pathfm.errors import InputError
from pathfm.sources.maf import passes, read_calls

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


STATUS = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\tMutation_Status\n"


def statuses(tmp_path, *words):
    rows = [("TP53", "Missense_Mutation", f"TCGA-A7-A0D{number}", word) for number, word in enumerate(words)]
    others = [("TTN", "Silent", f"TCGA-A7-A0D{number}", "Somatic") for number in range(len(words))]
    calls = read_calls([maf(tmp_path, *rows, *others, header=STATUS)])
    return [calls.status(f"TCGA-A7-A0D{number}") for number in range(len(words))], calls


def test_calls_that_are_not_somatic_make_no_mutant(tmp_path):
    words = ["Germline", "GERMLINE", "germline", "LOH", "Wildtype", "None", "Post-transcriptional modification", "Redacted"]
    found, calls = statuses(tmp_path, *words)
    assert found == ["wild type"] * len(words) and not calls.unclear
    assert calls.unused["call that is not somatic but 'Germline'"] == 1


def test_calls_whose_status_is_not_given_are_somatic_and_one_of_an_unknown_status_is_told(tmp_path):
    found, calls = statuses(tmp_path, "Somatic", "SOMATIC", "", "UNKNOWN", "NA", "Somatic_vs_germline", "5")
    assert found == ["mutant"] * 5 + [None, None]
    assert calls.unused["call of the unknown mutation status 'Somatic_vs_germline'"] == 1 and len(calls.unclear) == 2


def test_germline_calls_make_nobody_sequenced(tmp_path):
    rows = [
        ("TTN", "Silent", "TCGA-A7-A0D1", "Germline"),
        ("TP53", "Silent", "TCGA-A7-A0D2", "Somatic"),
        ("TTN", "RNA", "TCGA-A7-A0D2", ""),
    ]
    calls = read_calls([maf(tmp_path, *rows, header=STATUS)])
    assert (calls.status("TCGA-A7-A0D1"), calls.status("TCGA-A7-A0D2")) == (None, "wild type")
    assert calls.not_somatic == {"TCGA-A7-A0D1"}
    (tmp_path / "list.txt").write_text("TCGA-A7-A0D1\n")
    assert read_calls([tmp_path / "calls.maf"], tmp_path / "list.txt").status("TCGA-A7-A0D1") == "wild type"
    with pytest.raises(InputError, match="holds no somatic call: Mutation_Status is another in all of its 1 rows"):
        read_calls([maf(tmp_path, rows[0], header=STATUS)], tmp_path / "list.txt")


def test_classes_that_are_not_known_are_counted_by_name_and_leave_a_patient_without_a_label(tmp_path):
    rows = [
        ("TP53", "Who_Knows", "TCGA-A7-A0D1", "PASS"),
        ("TP53", "", "TCGA-A7-A0D2", "PASS"),
        ("TTN", "Who_Knows", "TCGA-A7-A0D3", "PASS"),
    ]
    known = [("TTN", "Silent", f"TCGA-A7-A0D{number}", "PASS") for number in (1, 2, 3)]
    calls = read_calls([maf(tmp_path, *rows, *known)])
    assert [calls.status(f"TCGA-A7-A0D{number}") for number in (1, 2, 3)] == [None, None, "wild type"]
    assert calls.unused["call of the unknown class 'Who_Knows'"] == 2 and calls.unused["call without a class"] == 1
    with pytest.raises(InputError, match="2 of 3 calls are of a class that is not known .'Who_Knows' 2.; Variant_Classification must hold"):
        read_calls([maf(tmp_path, rows[0], rows[2], known[0])])


@pytest.mark.parametrize(
    ("header", "gene"),
    [
        ("Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode", "tp53"),
        ("Gene\tConsequence\tTumor_Sample_Barcode", "ENSG00000141510.18"),
        ("Entrez_Gene_Id\tVariant_Classification\tTumor_Sample_Barcode", "7157"),
        ("gene\teffect\tSample_ID", "TP53"),
        ("HUGO_SYMBOL\tMUTATION_TYPE\tSAMPLE_ID", "TP53"),
        ("hugoGeneSymbol\tmutationType\tsampleId", "TP53"),
        ("Hugo.Symbol\tVariant.Classification\tTumor.Sample.Barcode", "TP53"),
        ("#Hugo_Symbol and so on\nHugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode", "ENSG00000141510"),
    ],
)
def test_genes_by_symbol_or_id_and_columns_by_the_names_of_others(tmp_path, header, gene):
    path = maf(tmp_path, (gene, "missense_variant", "TCGA-A7-A0D1-01A"), ("KRAS", "silent", "TCGA-A7-A0D2-01A"), header=f"{header}\n")
    calls = read_calls([path])
    assert [calls.status(f"TCGA-A7-A0D{number}") for number in (1, 2)] == ["mutant", "wild type"]


def test_a_gene_without_symbol_is_known_by_its_id(tmp_path):
    header = "Hugo_Symbol\tEntrez_Gene_Id\tVariant_Classification\tTumor_Sample_Barcode\n"
    rows = [
        ("", "7157", "Silent", "TCGA-A7-A0D1"),
        ("Unknown", "7157", "Stop_Codon_Del", "TCGA-A7-A0D2"),
        ("WRAP53", "0", "Intron", "TCGA-A7-A0D3"),
    ]
    calls = read_calls([maf(tmp_path, *rows, header=header)])
    assert [calls.status(f"TCGA-A7-A0D{number}") for number in (1, 2, 3)] == ["wild type", "mutant", "wild type"]


def test_column_names_among_the_calls_that_are_not_understood_are_refused(tmp_path):
    rows = [("TP53", "Silent", "TCGA-A7-A0D1", "PASS"), ("HUGO_SYMBOL", "VARIANT_CLASSIFICATION", "TUMOR_SAMPLE_BARCODE", "FILTER")]
    with pytest.raises(InputError, match="a line of column names stands among the calls"):
        read_calls([maf(tmp_path, *rows)])


def test_joined_files_that_lack_a_line_feed_or_a_column_are_refused(tmp_path):
    row = "TTN\tSilent\tTCGA-A7-A0D1\tPASS"
    (tmp_path / "glued.maf").write_text(f"{HEADER}{row}{HEADER}{row}\n")
    with pytest.raises(InputError, match="glued.maf: line 2 has 7 fields where the header has 4; .* two lines were joined into one"):
        read_calls([tmp_path / "glued.maf"])
    (tmp_path / "cut.maf").write_text(f"{HEADER[:-8]}\n{row[:-8]}")
    with pytest.raises(InputError, match="cut.maf: 'TCGA-A7-A' is no whole TCGA barcode; the file is cut or damaged"):
        read_calls([tmp_path / "cut.maf"])
    (tmp_path / "other.maf").write_text(f"{HEADER}{row}\nHugo_Symbol\tTumor_Sample_Barcode\nTP53\tTCGA-A7-A0D1\n")
    with pytest.raises(InputError, match="other.maf is no MAF: it lacks the column 'Variant_Classification'"):
        read_calls([tmp_path / "other.maf"])


def test_the_real_laml_maf_saved_by_r_and_by_a_spreadsheet(tmp_path, shared):
    rows = list(csv.reader(gzip.open(shared / "maf" / "maftools_tcga_laml.maf.gz", "rt"), delimiter="\t", quoting=csv.QUOTE_NONE))
    for delimiter, quoting, encoding in (
        ("\t", csv.QUOTE_ALL, "utf-16"),
        (";", csv.QUOTE_MINIMAL, "latin-1"),
        (",", csv.QUOTE_ALL, "utf-8-sig"),
    ):
        with open(tmp_path / "again.txt", "w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter, quoting=quoting).writerows(rows)
        assert read_calls([tmp_path / "again.txt"]).mutant == read_calls([shared / "maf" / "maftools_tcga_laml.maf.gz"]).mutant
