"""Labels of five tasks from clinical tables and mutation calls."""

import json

import pandas as pd
import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.labels import build_labels
from pathfm.commands.labels import summary
from pathfm.errors import InputError
from pathfm.files import read_parquet, write_parquet

IDC, ILC = "Infiltrating duct carcinoma, NOS", "Lobular carcinoma, NOS"


def table(path, columns, *rows):
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)
    return path


def build(tmp_path, clinical, mafs=(), sequenced=None):
    cohort = CohortFolder(tmp_path / "cohort")
    report = build_labels(list(clinical), list(mafs), sequenced, cohort)
    return read_parquet(cohort.labels).set_index("patient"), report


def gdc(tmp_path, *rows, name="clinical.tsv"):
    return table(tmp_path / name, ["cases.submitter_id", "project.project_id", "diagnoses.primary_diagnosis"], *rows)


def test_five_tasks_from_project_diagnosis_and_calls(tmp_path):
    clinical = gdc(
        tmp_path,
        ("TCGA-A7-A0D1", "TCGA-BRCA", IDC),
        ("TCGA-A7-A0D2", "TCGA-BRCA", ILC),
        ("TCGA-A7-A0D3", "TCGA-BRCA", "Infiltrating duct and lobular carcinoma"),
        ("TCGA-B0-0001", "TCGA-KIRC", "Clear cell adenocarcinoma, NOS"),
        ("TCGA-KL-0001", "TCGA-KICH", "Renal cell carcinoma, chromophobe type"),
        ("TCGA-05-0001", "TCGA-LUAD", "Adenocarcinoma, NOS"),
        ("TCGA-05-0002", "TCGA-LUSC", "Lobular carcinoma, NOS"),
    )
    columns = ["Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"]
    calls = [
        ("TP53", "Missense_Mutation", "TCGA-A7-A0D1-01A"),
        ("TTN", "Silent", "TCGA-A7-A0D2-01A"),
        ("TTN", "Silent", "TCGA-ZZ-0009-01A"),
    ]
    labels, report = build(tmp_path, [clinical], [table(tmp_path / "calls.maf", columns, *calls)])
    assert list(labels) == ["site", "project", "cancer", "tp53", "breast", "kidney", "lung"]
    assert labels.loc["TCGA-A7-A0D1"].tolist() == ["A7", "TCGA-BRCA", "BRCA", "mutant", "IDC", None, None]
    assert labels.loc["TCGA-A7-A0D2"].tolist() == ["A7", "TCGA-BRCA", "BRCA", "wild type", "ILC", None, None]
    assert labels.loc["TCGA-A7-A0D3"].tolist() == ["A7", "TCGA-BRCA", "BRCA", None, None, None, None]
    assert labels.loc["TCGA-B0-0001", "kidney"] == "KIRC" and labels.loc["TCGA-KL-0001", "kidney"] == "KICH"
    assert labels.loc["TCGA-05-0001", "lung"] == "LUAD"
    assert labels.loc["TCGA-05-0002", ["lung", "breast"]].tolist() == ["LUSC", None]
    assert labels.loc["TCGA-ZZ-0009"].tolist() == ["ZZ", None, None, "wild type", None, None, None]
    breast = report["tasks"]["breast"]
    assert breast["classes"] == {"IDC": 1, "ILC": 1}
    assert breast["null"] == {"another cancer": 4, "mixed or another diagnosis": 1, "no diagnosis given": 1}
    assert report["tasks"]["tp53"] == {"classes": {"mutant": 1, "wild type": 2}, "null": {"not sequenced": 5}}
    assert report["tasks"]["cancer"]["null"] == {"no project or cancer type given": 1}
    assert json.loads((tmp_path / "cohort" / "labels.report.json").read_text()) == report


def test_several_rows_of_a_case_agree_or_are_null_and_listed(tmp_path):
    clinical = gdc(
        tmp_path,
        ("TCGA-A7-A0D1", "TCGA-BRCA", IDC),
        ("TCGA-A7-A0D1", "TCGA-BRCA", "'--"),
        ("TCGA-A7-A0D2", "TCGA-BRCA", IDC),
        ("TCGA-A7-A0D2", "TCGA-BRCA", ILC),
    )
    other = table(tmp_path / "types.csv", ["patient_id", "cancer_type"], ("TCGA-A7-A0D1", "OV"), ("TCGA-A7-A0D2", "BRCA"))
    labels, report = build(tmp_path, [clinical, other])
    assert labels.loc["TCGA-A7-A0D1", ["cancer", "breast"]].tolist() == [None, None]
    assert labels.loc["TCGA-A7-A0D2", ["cancer", "breast"]].tolist() == ["BRCA", None]
    assert report["conflicts"] == [
        {"patient": "TCGA-A7-A0D1", "column": "cancer", "values": ["BRCA", "OV"]},
        {"patient": "TCGA-A7-A0D2", "column": "breast", "values": ["IDC", "ILC"]},
    ]
    assert report["tasks"]["breast"]["null"] == {"another cancer": 1, "contradictory": 1}
    assert report["tasks"]["cancer"]["null"] == {"contradictory": 1}
    assert "contradictory values: 2 (first: TCGA-A7-A0D1, cancer: BRCA or OV)" in summary(report)


def test_gdc_and_oncotree_say_the_same_in_two_files(tmp_path):
    clinical = gdc(tmp_path, ("TCGA-A7-A0D1", "TCGA-BRCA", IDC), ("TCGA-A7-A0D2", "TCGA-BRCA", IDC))
    codes = table(tmp_path / "c.tsv", ["PATIENT_ID", "ONCOTREE_CODE"], ("TCGA-A7-A0D1", "IDC"), ("TCGA-A7-A0D2", "ILC"))
    labels, report = build(tmp_path, [clinical, codes])
    assert labels["breast"].tolist() == ["IDC", None] and len(report["conflicts"]) == 1


def test_a_hospitals_own_patients_get_kidney_and_lung_from_oncotree_and_the_site_from_a_column(tmp_path):
    rows = [("P1", "CCRCC", "Bonn"), ("P2", "LUSC", "Bonn"), ("P3", "CHRCC", "Kiel"), ("P4", "IDC", "Kiel")]
    labels, _ = build(tmp_path, [table(tmp_path / "c.tsv", ["PATIENT_ID", "ONCOTREE_CODE", "SITE"], *rows)])
    assert labels["kidney"].tolist() == ["KIRC", None, "KICH", None]
    assert labels["lung"].tolist() == [None, "LUSC", None, None]
    assert labels["breast"].tolist() == [None, None, None, "IDC"]
    assert labels["site"].tolist() == ["Bonn", "Bonn", "Kiel", "Kiel"]
    assert labels["project"].isna().all() and labels["cancer"].isna().all()


def test_the_real_tables_together(tmp_path, shared):
    clinical = [
        shared / "gdc" / "scidat_clinical.tsv",
        shared / "gdc" / "coad_clinical.csv",
        shared / "reports" / "tcga_patient_to_cancer_type.csv",
    ]
    labels, report = build(tmp_path, clinical, [shared / "maf" / "maftools_tcga_laml.maf.gz", shared / "maf" / "maftools_brca.maf.gz"])
    assert len(labels) == 11_162 and report["conflicts"] == []
    assert labels["cancer"].nunique() == 33
    assert report["tasks"]["tp53"]["classes"] == {"mutant": 15, "wild type": 179}
    assert report["tasks"]["kidney"]["classes"] == {"KICH": 113, "KIRC": 537, "KIRP": 291}
    assert report["tasks"]["lung"]["classes"] == {"LUAD": 522, "LUSC": 504}
    assert (labels["project"] == "TCGA-" + labels["cancer"]).all()
    assert (labels["site"] == labels.index.str[5:7]).all()


def test_without_calls_tp53_is_null_for_all_and_without_patients_nothing_is_written(tmp_path):
    labels, report = build(tmp_path, [gdc(tmp_path, ("TCGA-A7-A0D1", "TCGA-BRCA", IDC))])
    assert labels["tp53"].tolist() == [None] and report["tasks"]["tp53"]["null"] == {"not sequenced": 1}
    with pytest.raises(InputError, match="names no patients"):
        build(tmp_path / "other", [table(tmp_path / "empty.tsv", ["submitter_id", "project_id"])])
    assert not (tmp_path / "other").exists()


def test_a_mutant_that_the_list_lacks_is_told(tmp_path):
    columns = ["Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"]
    calls = table(tmp_path / "calls.maf", columns, ("TP53", "Nonsense_Mutation", "TCGA-A7-A0D1-01A"))
    (tmp_path / "list.txt").write_text("TCGA-A7-A0D2\n")
    labels, report = build(tmp_path, [gdc(tmp_path, ("TCGA-A7-A0D1", "TCGA-BRCA", IDC))], [calls], tmp_path / "list.txt")
    assert labels["tp53"].to_dict() == {"TCGA-A7-A0D1": "mutant", "TCGA-A7-A0D2": "wild type"}
    assert report["mutant_but_not_listed_as_sequenced"] == ["TCGA-A7-A0D1"]
    assert "mutants that the list of sequenced samples lacks: 1" in summary(report)


def test_tables_without_a_patient_in_common_are_told_with_an_example_of_both_sides(tmp_path):
    columns = ["Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"]
    rows = [("TTN", "Silent", "6e7d5ec6-a469"), ("TP53", "Silent", "6e7d5ec6-a469")]
    calls = table(tmp_path / "calls.maf", columns, *rows)
    (tmp_path / "list.txt").write_text("P1\n")
    clinical = gdc(tmp_path, ("TCGA-A7-A0D1", "TCGA-BRCA", IDC))
    _, report = build(tmp_path, [clinical], [calls], tmp_path / "list.txt")
    maf, listed = str(calls), str(tmp_path / "list.txt")
    expected = [
        f"no patient of {maf} is in the clinical tables ({maf}: 6e7d5ec6-a469, the clinical tables: TCGA-A7-A0D1)",
        f"no patient of {listed} is in the clinical tables ({listed}: P1, the clinical tables: TCGA-A7-A0D1)",
        f"no patient of {listed} is in {maf} ({listed}: P1, {maf}: 6e7d5ec6-a469)",
    ]
    assert report["strangers"] == expected and summary(report)[-4:-1] == expected
    assert json.loads((tmp_path / "cohort" / "labels.report.json").read_text()) == report


def test_labels_of_other_patients_than_the_folders_are_told(tmp_path):
    cohort = CohortFolder(tmp_path / "cohort")
    write_parquet(pd.DataFrame({"slide": ["S"], "patient": ["TCGA-ZZ-0009"]}), cohort.slides)
    _, report = build(tmp_path, [gdc(tmp_path, ("TCGA-A7-A0D1", "TCGA-BRCA", IDC))])
    assert len(report["strangers"]) == 1
    assert all(word in report["strangers"][0] for word in ("the labels", "slides.parquet", "TCGA-A7-A0D1", "TCGA-ZZ-0009"))
    _, again = build(tmp_path, [gdc(tmp_path, ("TCGA-ZZ-0009", "TCGA-OV", "x"))])
    assert again["strangers"] == []


def test_a_call_that_cannot_be_judged_leaves_the_label_null_and_says_why(tmp_path):
    columns = ["Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode", "Mutation_Status"]
    rows = [("TP53", "Who_Knows", "TCGA-A7-A0D1", ""), ("TP53", "Missense_Mutation", "TCGA-A7-A0D2", "Germline")]
    known = [("TTN", "Silent", "TCGA-A7-A0D1", ""), ("TTN", "RNA", "TCGA-A7-A0D1", "")]
    clinical = gdc(tmp_path, ("TCGA-A7-A0D1", "TCGA-BRCA", IDC), ("TCGA-A7-A0D2", "TCGA-BRCA", IDC))
    labels, report = build(tmp_path, [clinical], [table(tmp_path / "calls.maf", columns, *rows, *known)])
    assert labels["tp53"].tolist() == [None, None]
    assert report["tasks"]["tp53"]["null"] == {"call of an unknown class or mutation status": 1, "only calls that are not somatic": 1}
    assert "not used, call that is not somatic but 'Germline': 1" in summary(report)
