"""Clinical tables of the GDC, of cBioPortal, and of others."""

import csv
import io
import tarfile

import pytest

from pathfm.errors import InputError
from pathfm.sources.clinical import CANCERS, read_clinical


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


BCR = (
    "bcr_patient_uuid\tbcr_patient_barcode\tform_completion_date\thistologic_diagnosis\tprospective_collection\tpatient_id\ttissue_source_site\n"
    "bcr_patient_uuid\tbcr_patient_barcode\tform_completion_date\thistological_type\ttissue_prospective_collection_indicator\tpatient_id\ttissue_source_site\n"
    "CDE_ID:\tCDE_ID:2003301\tCDE_ID:\tCDE_ID:3081934\tCDE_ID:3088492\tCDE_ID:\tCDE_ID:\n"
    "6E7D5EC6-A469-467C-B748-237353C23416\tTCGA-3C-AAAU\t2014-1-13\tInfiltrating Lobular Carcinoma\tNO\tAAAU\t3C\n"
    "55262FCB-1B01-4480-B322-36570430C917\tTCGA-3C-AALI\t2014-7-28\tInfiltrating Ductal Carcinoma\tNO\tAALI\t3C\n"
    "427D0648-3F77-4FFC-B52C-89855426D647\tTCGA-3C-AALJ\t2014-7-28\t[Not Available]\tNO\tAALJ\t3C\n"
)


@pytest.mark.parametrize("name", ["nationwidechildrens.org_clinical_patient_brca.txt", "renamed.txt"])
def test_three_header_lines_of_the_old_archive(tmp_path, name):
    facts, unused = read(tmp_path, BCR, name)
    assert {patient: fact.breast for patient, fact in facts.items()} == {
        "TCGA-3C-AAAU": {"ILC"},
        "TCGA-3C-AALI": {"IDC"},
        "TCGA-3C-AALJ": set(),
    }
    cancer = {"BRCA"} if name.startswith("nation") else set()
    assert all(fact.cancer == cancer for fact in facts.values()) and not unused


def test_the_old_archive_itself(tmp_path):
    with tarfile.open(tmp_path / "brca.tar.gz", "w:gz") as archive:
        for name, text in {
            "x/nationwidechildrens.org_clinical_patient_brca.txt": BCR,
            "MANIFEST.txt": "id\tfilename\nx\ty\n",
            "x/annotations.txt": "id\tsubmitter_id\tcategory\nx\t1\ty\n",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    facts, _ = read_clinical([tmp_path / "brca.tar.gz"])
    assert len(facts) == 3 and all(fact.cancer == {"BRCA"} for fact in facts.values()) and facts["TCGA-3C-AALI"].breast == {"IDC"}


@pytest.mark.parametrize(
    "text",
    [
        "sampleID\t_PATIENT\thistological_type\tproject_id\nTCGA-A7-A0DB-01\tTCGA-A7-A0DB\tInfiltrating Ductal Carcinoma\tTCGA-BRCA\n",
        "submitter_id.samples\tsubmitter_id\tprimary_diagnosis.diagnoses\tproject_id.project\n"
        "TCGA-A7-A0DB-01A\tTCGA-A7-A0DB\tInfiltrating duct carcinoma, NOS\tTCGA-BRCA\n",
        "\tbcr_patient_barcode\ttype\thistological_type\n1\tTCGA-A7-A0DB\tBRCA\tInfiltrating Ductal Carcinoma\n",
        '"","submitter_id","project","primary_diagnosis","bcr_patient_barcode"\n'
        '"1","TCGA-A7-A0DB","TCGA-BRCA","Infiltrating duct carcinoma, NOS","TCGA-A7-A0DB"\n',
        '"project" "primary_diagnosis"\n"TCGA-A7-A0DB" "TCGA-BRCA" "Infiltrating duct carcinoma, NOS"\n',
        "Study ID\tPatient ID\tSample ID\tOncotree Code\tTCGA PanCanAtlas Cancer Type Acronym\tCancer.Type.Acronym\n"
        "brca\tTCGA-A7-A0DB\tTCGA-A7-A0DB-01\tIDC\tBRCA\tBRCA\n",
        "case_barcode,disease_code,project_short_name,histological_type\nTCGA-A7-A0DB,BRCA,TCGA-BRCA,Infiltrating Ductal Carcinoma\n",
        "tcga_participant_barcode;admin.disease_code;histological_type\ntcga-a7-a0db;brca;infiltrating ductal carcinoma\n",
        'id,submitter_id,project.project_id,diagnoses.0.primary_diagnosis\nu,TCGA-A7-A0DB,TCGA-BRCA,"Infiltrating duct carcinoma, NOS"\n',
    ],
)
def test_one_patient_in_the_words_of_xena_the_cdr_r_cbioportal_isb_firehose_and_the_gdcs_interface(tmp_path, text):
    facts, _ = read(tmp_path, text)
    assert {patient: (fact.cancer, fact.breast) for patient, fact in facts.items()} == {"TCGA-A7-A0DB": ({"BRCA"}, {"IDC"})}


def test_numbered_diagnoses_are_several_rows_of_the_patient(tmp_path):
    header = ["submitter_id"] + [
        f"diagnoses.{number}.{name}" for number in (0, 1) for name in ("primary_diagnosis", "diagnosis_is_primary_disease")
    ]
    rows = [
        ["TCGA-A7-A0DB", "Lobular carcinoma, NOS", "false", "Infiltrating duct carcinoma, NOS", "true"],
        ["TCGA-A7-A0DC", "Lobular carcinoma, NOS", "", "Infiltrating duct carcinoma, NOS", ""],
    ]
    facts, unused = read(tmp_path, "\n".join("\t".join(row) for row in [header, *rows]))
    assert [fact.breast for fact in facts.values()] == [{"IDC"}, {"IDC", "ILC"}]
    assert unused == {"row of another disease of the patient": 1}


def test_columns_that_say_different_things_are_all_heard(tmp_path):
    facts, _ = read(tmp_path, "submitter_id\tproject.project_id\tcases.project.project_id\nTCGA-A7-A0DB\tTCGA-BRCA\tTCGA-OV\n")
    assert facts["TCGA-A7-A0DB"].cancer == {"BRCA", "OV"}


def test_joined_tables_of_several_projects(tmp_path):
    one = "#Patient\tType\n#STRING\tSTRING\nPATIENT_ID\tCANCER_TYPE_ACRONYM\nP1\tBRCA\n"
    two = "#Type\tPatient\n#STRING\tSTRING\nCANCER_TYPE_ACRONYM\tPATIENT_ID\nOV\tP2\n"
    facts, unused = read(tmp_path, one + two)
    assert {patient: fact.cancer for patient, fact in facts.items()} == {"P1": {"BRCA"}, "P2": {"OV"}} and not unused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "patient_id\tcase_submitter_id\tproject_id\nP1\tP1\tX\nP2\tP3\tX\n",
            "line 3: the columns 'case_submitter_id' and 'patient_id' may both name the patient and differ, P3 and P2",
        ),
        (
            "submitter_id\tsample_id\tproject_id\nTCGA-A7-A0DB\tTCGA-A7-A0DC-01A\tX\n",
            "'submitter_id' and 'sample_id' may both name the patient and differ, TCGA-A7-A0DB and TCGA-A7-A0DC-01A",
        ),
        ("patient\tproject\n1.23E+11\tX\n", r"line 2: 1.23E\+11 is a name that a spreadsheet has shortened"),
        ("patient_id\tproject\nP1\tX\nPATIENT_ID\tPROJECT\n", "line 3: column names stand among the rows"),
        ("sample_id\tproject\nS1\tX\n", "names no patients"),
    ],
)
def test_patients_that_cannot_be_told_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_uuids_beside_names_and_samples_of_other_programmes_are_no_ambiguity(tmp_path):
    uuid = "6e7d5ec6-a469-467c-b748-237353c23416"
    facts, _ = read(tmp_path, f"case_id\tcase_submitter_id\tsample_id\tproject_id\n{uuid}\tC3L-00001\tC3L-00001-01\tCPTAC-3\n")
    assert list(facts) == ["C3L-00001"]


@pytest.mark.parametrize("name", ["scidat_clinical.tsv", "coad_clinical.csv"])
def test_the_real_tables_saved_by_a_spreadsheet_and_by_r(tmp_path, shared, name):
    delimiter = "," if name.endswith(".csv") else "\t"
    with open(shared / "gdc" / name, newline="") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    plain = read_clinical([shared / "gdc" / name])
    for other, quoting, encoding, numbered in ((";", 0, "cp1252", False), ("\t", 1, "utf-16", True), (",", 1, "utf-8-sig", True)):
        below = [[str(number), *row] for number, row in enumerate(rows[1:], 1)] if numbered else rows[1:]
        with open(tmp_path / "again.txt", "w", newline="", encoding=encoding) as file:
            csv.writer(file, delimiter=other, quoting=quoting).writerows([[cell.replace(" ", ".") for cell in rows[0]], *below])
        assert read_clinical([tmp_path / "again.txt"]) == plain
