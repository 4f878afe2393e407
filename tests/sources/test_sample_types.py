"""Every sample type of TCGA's code table and of the GDC's dictionary is decided, and only tumour of the patient is tumour."""

import pytest

from pathfm.sources.sample_types import CODES, NO_TUMOR, SILENT, TUMOR, is_decided, is_tumour, name_of, of_word, rank, stated

# `sample_type`, `tissue_type`, `tumor_descriptor` and `specimen_type` of sample.yaml in the GDC's dictionary, word by word.
SAMPLE_TYPES = {
    "Additional - New Primary": "05",
    "Additional Metastatic": "07",
    "Benign Neoplasms": None,
    "Blood Derived Cancer - Bone Marrow": TUMOR,
    "Blood Derived Cancer - Bone Marrow, Post-treatment": "41",
    "Blood Derived Cancer - Peripheral Blood": TUMOR,
    "Blood Derived Cancer - Peripheral Blood, Post-treatment": "42",
    "Blood Derived Liquid Biopsy": None,
    "Blood Derived Normal": "10",
    "Bone Marrow Normal": "14",
    "Buccal Cell Normal": "12",
    "Cell Line Derived Xenograft Tissue": "61",
    "Cell Lines": "50",
    "Control Analyte": "20",
    "DNA": None,
    "EBV Immortalized Normal": "13",
    "Expanded Next Generation Cancer Model": None,
    "FFPE Recurrent": "02",
    "FFPE Scrolls": None,
    "Fibroblasts from Bone Marrow Normal": "15",
    "GenomePlex (Rubicon) Amplified DNA": None,
    "Granulocytes": "99",
    "Human Tumor Original Cells": "08",
    "In Situ Neoplasms": None,
    "Lymphoid Normal": "17",
    "Metastatic": "06",
    "Mixed Adherent Suspension": None,
    "Mononuclear Cells from Bone Marrow Normal": "16",
    "Neoplasms of Uncertain and Unknown Behavior": None,
    "Next Generation Cancer Model": None,
    "Next Generation Cancer Model Expanded Under Non-conforming Conditions": None,
    "Pleural Effusion": None,
    "Post neo-adjuvant therapy": None,
    "Primary Blood Derived Cancer - Bone Marrow": "09",
    "Primary Blood Derived Cancer - Peripheral Blood": "03",
    "Primary Tumor": "01",
    "Primary Xenograft Tissue": "60",
    "Recurrent Blood Derived Cancer - Bone Marrow": "04",
    "Recurrent Blood Derived Cancer - Peripheral Blood": "40",
    "Recurrent Tumor": "02",
    "Repli-G (Qiagen) DNA": None,
    "Repli-G X (Qiagen) DNA": None,
    "RNA": None,
    "Saliva": None,
    "Slides": None,
    "Solid Tissue Normal": "11",
    "Total RNA": None,
    "Tumor": TUMOR,
    "Tumor Adjacent Normal - Post Neo-adjuvant Therapy": "18",
    "Xenograft Tissue": None,
    "Unknown": None,
    "Not Reported": None,
    "Not Allowed To Collect": None,
}
TISSUES = ("Abnormal", "Normal", "Peritumoral", "Tumor", "Unknown", "Not Reported", "Not Allowed To Collect")
DESCRIPTORS = {
    "Primary": "01",
    "Recurrence": "02",
    "New Primary": "05",
    "Metastatic": "06",
    **dict.fromkeys(("Progression", "NOS", "Unknown", "Not Reported", "Not Applicable", "Not Allowed To Collect", ""), TUMOR),
    **dict.fromkeys(("Premalignant", "Xenograft", "a word of our own"), None),
}
OF_THE_PATIENT = ("Solid Tissue", "Lymphoid", "Unknown", "Not Reported", "")
NO_TISSUE = (
    ("2D Classical Conditionally Reprogrammed Cells", "2D Modified Conditionally Reprogrammed Cells", "3D Air-Liquid Interface Organoid")
    + ("3D Neurosphere", "3D Organoid", "Adherent Cell Line", "Buccal Cells", "Buffy Coat", "Cell", "Control Analyte", "Derived Cell Line")
    + ("EBV Immortalized", "Fibroblasts from Bone Marrow", "Granulocytes", "Liquid Suspension Cell Line", "Lymphocytes", "Plasma", "Saliva")
    + ("Mixed Adherent Suspension", "Pleural Effusion", "Serum", "Sorted Cells", "Sputum", "Cell Line", "Xenograft")
)


@pytest.mark.parametrize(("word", "expected"), SAMPLE_TYPES.items())
def test_every_sample_type_of_the_dictionary_is_decided(word, expected):
    for spelling in (word, word.upper(), f"  {word.lower()} ", word.replace("Tumor", "Tumour")):
        read = stated({"Sample Type": spelling})
        assert read == expected or (expected is None and read == spelling.strip() and not is_tumour(read))
    assert is_tumour(stated({"Sample Type": word})) == (expected == TUMOR or expected is not None and "01" <= expected <= "09")
    assert is_decided(stated({"Sample Type": word})) != (word.lower() in SILENT)
    assert stated({"Sample Type": f"{word}, {word}"}) == stated({"Sample Type": word}), "the portal joins the samples of one file"


@pytest.mark.parametrize("code", [f"{number:02d}" for number in range(100)])
def test_of_all_two_digits_01_to_09_are_tumour(code):
    assert is_tumour(code) == ("01" <= code <= "09")
    assert of_word(code) == code and is_decided(code) == (code in CODES)
    assert name_of(code) == CODES.get(code, code)


def test_every_code_of_tcgas_table_has_its_words():
    assert {
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "12",
        "13",
        "14",
        "15",
        "16",
        "20",
        "40",
        "50",
        "60",
        "61",
        "99",
    } <= set(CODES)
    assert [of_word(word) for word in CODES.values()] == list(CODES)


@pytest.mark.parametrize("specimen", OF_THE_PATIENT)
@pytest.mark.parametrize(("descriptor", "expected"), DESCRIPTORS.items())
def test_tumour_tissue_has_the_type_of_its_descriptor(descriptor, expected, specimen):
    read = stated({"Tissue Type": "Tumor", "Tumor Descriptor": descriptor, "Specimen Type": specimen})
    assert read == expected or (expected is None and not is_tumour(read) and descriptor in read)


@pytest.mark.parametrize("tissue", [tissue for tissue in TISSUES if tissue != "Tumor"] + ["a word of our own", ""])
@pytest.mark.parametrize("descriptor", ["Primary", "Not Applicable", ""])
def test_other_tissue_is_no_tumour_whatever_its_descriptor(tissue, descriptor):
    read = stated({"Tissue Type": tissue, "Tumor Descriptor": descriptor, "Specimen Type": "Solid Tissue"})
    assert read and not is_tumour(read)
    assert is_decided(read) == (tissue in ("Normal", "Peritumoral", "Abnormal"))


@pytest.mark.parametrize("specimen", [*NO_TISSUE, "a word of our own"])
@pytest.mark.parametrize("tissue", ["Tumor", "Normal"])
def test_cell_lines_organoids_xenografts_and_fluids_are_no_tumour_tissue(specimen, tissue):
    read = stated({"Tissue Type": tissue, "Tumor Descriptor": "Primary", "Specimen Type": specimen})
    assert not is_tumour(read) and is_decided(read) == (tissue == "Normal" or specimen.lower() in NO_TUMOR)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("Normal", "Not Applicable", "Solid Tissue"), "11"),
        (("Normal", "", ""), "11"),
        (("Normal", "Not Applicable", "Peripheral Blood NOS"), "10"),
        (("Normal", "Not Applicable", "Whole Bone Marrow"), "14"),
        (("Normal", "Not Applicable", "Mononuclear Cells from Bone Marrow"), "16"),
        (("Normal", "Not Applicable", "Saliva"), "Normal, Saliva"),
        (("Tumor", "Primary", "Peripheral Whole Blood"), "03"),
        (("Tumor", "Primary", "Bone Marrow NOS"), "09"),
        (("Tumor", "Recurrence", "Bone Marrow NOS"), "04"),
        (("Tumor", "Recurrence", "Peripheral Blood NOS"), "40"),
        (("Tumor", "Primary", "Human Original Cells"), "08"),
        (("Tumor, Tumor", "Primary, Primary", "Solid Tissue, Solid Tissue"), "01"),
        (("Tumor, Normal", "Primary", "Solid Tissue"), "Tumor, Normal, Primary, Solid Tissue"),
        (("Tumor", "Primary, Metastatic", "Solid Tissue"), "Tumor, Primary, Metastatic, Solid Tissue"),
        (("Peritumoral", "Not Applicable", "Solid Tissue"), "Peritumoral, Solid Tissue"),
        (("Unknown", "Not Reported", "Unknown"), "Unknown, Not Reported, Unknown"),
        (("", "", ""), None),
    ],
)
def test_the_new_sheets_columns_say_what_the_old_sheets_words_did(columns, expected):
    assert stated(dict(zip(("Tissue Type", "Tumor Descriptor", "Specimen Type"), columns, strict=True))) == expected


def test_where_both_kinds_of_columns_stand_a_sample_is_tumour_only_when_both_say_so():
    new = {"Tissue Type": "Tumor", "Tumor Descriptor": "Primary", "Specimen Type": "Solid Tissue"}
    assert stated({"Sample Type": "Primary Tumor", **new}) == "01"
    assert stated({"Sample Type": "Unknown", **new}) == "01", "Unknown contradicts nothing"
    assert stated({"Sample Type": "Solid Tissue Normal", **new}) == "11"
    assert stated({"Sample Type": "Primary Tumor", **new, "Specimen Type": "3D Organoid"}) == "Tumor, Primary, 3D Organoid"
    assert stated({"Sample Type": None, "Tissue Type": None}) is None and stated({}) is None


def test_a_code_or_tumor_in_a_column_that_does_not_hold_it_is_no_tumour():
    assert not any(
        is_tumour(stated({column: word})) for column in ("Tumor Descriptor", "Specimen Type") for word in ("01", "Tumor", "Primary")
    )
    assert not is_tumour(stated({"Tissue Type": "01"}))


def test_primary_comes_before_recurrent_before_metastatic_and_tumour_of_unknown_kind_last():
    assert sorted(["06", TUMOR, "02", "09", "01"], key=rank) == ["01", "02", "06", "09", TUMOR]
