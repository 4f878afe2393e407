"""Clinical tables of the GDC, of cBioPortal, and of others."""

import pytest

from pathfm.cohort.clinical import CANCERS, read_clinical
from pathfm.errors import InputError


def read(tmp_path, text, name="clinical.tsv"):
    (tmp_path / name).write_text(text)
    return read_clinical([tmp_path / name])


def test_the_real_old_clinical_tsv_with_several_submitter_ids_and_rows_per_case(shared):
    facts, unused = read_clinical([shared / "gdc" / "scidat_clinical.tsv"])
    assert len(facts) == 43 and not unused.total()
    assert all(patient.startswith("TCGA-") and len(patient) == 12 for patient in facts)
    assert all(fact.project == {"TCGA-KIRP"} and fact.cancer == {"KIRP"} and fact.breast == {"other"} for fact in facts.values())


def test_the_real_cbioportal_table(shared):
    facts, _ = read_clinical([shared / "gdc" / "coad_clinical.csv"])
    assert len(facts) == 461
    assert all(fact.project == {"TCGA-COAD"} and fact.oncotree == {"COAD"} for fact in facts.values())


def test_the_real_table_of_patient_and_cancer_type(shared):
    facts, _ = read_clinical([shared / "reports" / "tcga_patient_to_cancer_type.csv"])
    assert len(facts) == 11_160
    assert {next(iter(fact.cancer)) for fact in facts.values()} == CANCERS


def test_prefixed_columns_of_newer_exports(tmp_path):
    facts, unused = read(
        tmp_path,
        "project.project_id\tcases.case_id\tcases.submitter_id\tdemographic.submitter_id\tdiagnoses.diagnosis_is_primary_disease\tdiagnoses.primary_diagnosis\n"
        "TCGA-BRCA\tu1\tTCGA-A7-A0DB\tx_demographic\ttrue\tInfiltrating duct carcinoma, NOS\n"
        "TCGA-BRCA\tu1\tTCGA-A7-A0DB\tx_demographic\tfalse\tMalignant melanoma, NOS\n"
        "TCGA-BRCA\tu2\tTCGA-A7-A0DC\tx_demographic\t'--\tLobular carcinoma, NOS\n"
        "TCGA-BRCA\tu3\t'--\t'--\t'--\t'--\n",
    )
    assert {patient: fact.breast for patient, fact in facts.items()} == {"TCGA-A7-A0DB": {"IDC"}, "TCGA-A7-A0DC": {"ILC"}}
    assert unused == {"row of another disease of the patient": 1, "row without a patient": 1}


def test_four_comment_lines_and_oncotree_codes(tmp_path):
    facts, _ = read(
        tmp_path,
        "#Patient Identifier\tSample Identifier\tCode\n#d\td\td\n#STRING\tSTRING\tSTRING\n#1\t1\t1\n"
        "PATIENT_ID\tSAMPLE_ID\tONCOTREE_CODE\n"
        "TCGA-A7-A0DB\tTCGA-A7-A0DB-01\tIDC\nTCGA-A7-A0DC\tTCGA-A7-A0DC-01\tILC\nTCGA-A7-A0DD\tTCGA-A7-A0DD-01\tMDLC\n"
        "TCGA-A7-A0DE\tTCGA-A7-A0DE-01\tBRCA\nP9\tP9-T\tCCRCC\n",
    )
    assert [fact.breast for fact in facts.values()] == [{"IDC"}, {"ILC"}, {"other"}, set(), {"other"}]
    assert facts["P9"].oncotree == {"CCRCC"}


def test_the_words_of_the_portal_are_no_cancer_codes(tmp_path):
    facts, _ = read(tmp_path, "Patient ID\tCancer Type\tOncotree Code\nTCGA-A7-A0DB\tBreast Cancer\tIDC\n")
    assert facts["TCGA-A7-A0DB"].cancer == set() and facts["TCGA-A7-A0DB"].breast == {"IDC"}


def test_both_missing_marks_and_not_reported_say_nothing(tmp_path):
    facts, _ = read(tmp_path, "case_submitter_id\tproject_id\tprimary_diagnosis\nTCGA-A7-A0DB\t'--\t--\nTCGA-A7-A0DC\t--\tNot Reported\n")
    assert all(not fact.project and not fact.breast for fact in facts.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("submitter_id\tproject_id\n'--\tTCGA-BRCA\n", "names no patients"),
        ("age\tproject_id\n3\tTCGA-BRCA\n", "names no patients"),
        ("submitter_id\tage\nTCGA-A7-A0DB\t3\n", "tells nothing of the labels"),
    ],
)
def test_a_table_without_patients_or_facts_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
