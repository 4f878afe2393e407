"""Which sample types are tumour: TCGA's codes and the words of the GDC's sheets, each decided once; no other counts as tumour.

A type is TCGA's two digits, or TUMOR where more is not said, or the sheet's own words where they have no code. Codes:
https://gdc.cancer.gov/resources-tcga-users/tcga-code-tables/sample-type-codes; those that TCGA leaves unnamed (15 to 18, 41, 42, 99):
https://docs.gdc.cancer.gov/Encyclopedia/pages/TARGET_Barcode/. Words: sample_type, tissue_type, tumor_descriptor and specimen_type of
`sample` in the GDC's dictionary, https://github.com/NCI-GDC/gdcdictionary (src/gdcdictionary/schemas/sample.yaml, 2025). How a sample was
preserved (FFPE, OCT) does not tell what it is.
"""

import re
from collections.abc import Mapping

from pathfm.sources import barcodes

TUMOR = "Tumor"
COLUMNS = ("Tissue Type", "Tumor Descriptor", "Specimen Type")

CODES = {
    "01": "Primary Tumor",
    "02": "Recurrent Tumor",
    "03": "Primary Blood Derived Cancer - Peripheral Blood",
    "04": "Recurrent Blood Derived Cancer - Bone Marrow",
    "05": "Additional - New Primary",
    "06": "Metastatic",
    "07": "Additional Metastatic",
    "08": "Human Tumor Original Cells",
    "09": "Primary Blood Derived Cancer - Bone Marrow",
    "10": "Blood Derived Normal",
    "11": "Solid Tissue Normal",
    "12": "Buccal Cell Normal",
    "13": "EBV Immortalized Normal",
    "14": "Bone Marrow Normal",
    "15": "Fibroblasts from Bone Marrow Normal",
    "16": "Mononuclear Cells from Bone Marrow Normal",
    "17": "Lymphoid Normal",
    "18": "Tumor Adjacent Normal - Post Neo-adjuvant Therapy",
    "20": "Control Analyte",
    "40": "Recurrent Blood Derived Cancer - Peripheral Blood",
    "41": "Blood Derived Cancer - Bone Marrow, Post-treatment",
    "42": "Blood Derived Cancer - Peripheral Blood, Post-treatment",
    "50": "Cell Lines",
    "60": "Primary Xenograft Tissue",
    "61": "Cell Line Derived Xenograft Tissue",
    "99": "Granulocytes",
}

# Further words for tumour, in lower case: of TCGA's own table, of the dictionary, and of the new sheet's Tumor Descriptor.
TUMOR_WORDS = {
    "primary solid tumor": "01",
    "primary": "01",
    "recurrent solid tumor": "02",
    "recurrence": "02",
    "ffpe recurrent": "02",
    "new primary": "05",
    "tumor": TUMOR,
    "blood derived cancer - bone marrow": TUMOR,
    "blood derived cancer - peripheral blood": TUMOR,
}

# Words that say nothing of the tissue: the GDC's for "not known", and those for what was made of it.
SILENT = frozenset(
    ("unknown", "not reported", "not allowed to collect", "not applicable", "nos", "ffpe scrolls", "slides", "dna", "rna", "total rna")
    + ("genomeplex (rubicon) amplified dna", "repli-g (qiagen) dna", "repli-g x (qiagen) dna")
)

SOLID, LYMPHOID, ORIGINAL_CELLS = "solid tissue", "lymphoid", "human original cells"
BLOOD = frozenset(("peripheral blood nos", "peripheral whole blood", "peripheral blood components nos"))
MARROW = frozenset(("bone marrow nos", "whole bone marrow", "bone marrow components nos", "mononuclear cells from bone marrow"))
PATIENTS_TISSUE = frozenset((SOLID, LYMPHOID, ORIGINAL_CELLS)) | BLOOD | MARROW

# Words that are decided, and are not tumour tissue of the patient. A word that is in no table is not known to be, and pairs no more.
NO_TUMOR = frozenset(
    # Sample Type
    ("benign neoplasms", "blood derived liquid biopsy", "in situ neoplasms", "mixed adherent suspension", "pleural effusion", "saliva")
    + ("neoplasms of uncertain and unknown behavior", "post neo-adjuvant therapy", "xenograft tissue")
    + ("next generation cancer model", "expanded next generation cancer model")
    + ("next generation cancer model expanded under non-conforming conditions",)
    # Tissue Type and Tumor Descriptor
    + ("normal", "peritumoral", "abnormal", "premalignant", "xenograft")
    # Specimen Type: models, cells that were sorted or cultured, and fluids
    + ("2d classical conditionally reprogrammed cells", "2d modified conditionally reprogrammed cells", "3d air-liquid interface organoid")
    + ("3d neurosphere", "3d organoid", "adherent cell line", "derived cell line", "liquid suspension cell line", "cell line", "cell")
    + ("buccal cells", "buffy coat", "control analyte", "ebv immortalized", "fibroblasts from bone marrow", "granulocytes", "lymphocytes")
    + ("plasma", "serum", "sorted cells", "sputum")
)

DESCRIPTORS = {"primary": "01", "recurrence": "02", "new primary": "05", "metastatic": "06", "progression": TUMOR, "": TUMOR}
OF_BLOOD, OF_MARROW = {"01": "03", "02": "40"}, {"01": "09", "02": "04"}
NORMALS = {"": "11", SOLID: "11", "buccal cells": "12", "ebv immortalized": "13", "fibroblasts from bone marrow": "15", LYMPHOID: "17"} | {
    "mononuclear cells from bone marrow": "16",
    "granulocytes": "99",
}

_CODE_OF = {word.lower(): code for code, word in CODES.items()} | TUMOR_WORDS


def is_tumour(sample_type: str) -> bool:
    """Whether a type is known to be tumour tissue of the patient: the codes 01 to 09, and TUMOR."""
    return sample_type == TUMOR or barcodes.is_tumour(sample_type)


def is_decided(sample_type: str) -> bool:
    """Whether a type is known to be tumour, or known not to be; a word that pathfm does not know is neither."""
    return sample_type == TUMOR or sample_type in CODES or any(_plain(word) in NO_TUMOR for word in _split(sample_type))


def name_of(sample_type: str) -> str:
    """The words for a type."""
    return CODES.get(sample_type, sample_type)


def rank(sample_type: str) -> int:
    """The place of a tumour type among others, the lowest first: as TCGA numbers them, TUMOR last."""
    return len(CODES) if sample_type == TUMOR else list(CODES).index(sample_type)


def of_word(word: str) -> str:
    """The type of a word of `Sample Type`, or of a code; a word that has none is its own type."""
    plain = _plain(word)
    code = plain.zfill(2)
    return _CODE_OF.get(plain) or (code if code in CODES else word.strip())


def stated(values: Mapping[str, str | None]) -> str | None:
    """The type that a row states in `Sample Type`, or in `Tissue Type`, `Tumor Descriptor` and `Specimen Type`; None where it states none.

    Where several are stated, a sample is tumour only when all of them say so.
    """
    types = [of_word(word) for word in _split(values.get("Sample Type"))]
    columns = [_split(values.get(column)) for column in COLUMNS]
    types += [_of_columns(*columns)] if any(columns) else []
    telling = [sample_type for sample_type in types if any(map(_tells, _split(sample_type)))]
    return min(telling or types, key=is_tumour, default=None)


def _of_columns(tissues: list[str], descriptors: list[str], specimens: list[str]) -> str:
    """The type by the new sheet's columns. Two words in one column, or a word that is not known, make a type of their own."""
    tissue, descriptor, specimen = (", ".join(filter(_tells, map(_plain, words))) for words in (tissues, descriptors, specimens))
    if tissue == "normal":
        code = NORMALS.get(specimen) or ("10" if specimen in BLOOD else "14" if specimen in MARROW else None)
    elif tissue == "tumor" and specimen in PATIENTS_TISSUE | {""}:
        code = "08" if specimen == ORIGINAL_CELLS else DESCRIPTORS.get(descriptor)
        code = (OF_BLOOD if specimen in BLOOD else OF_MARROW if specimen in MARROW else {}).get(code, code)
    else:
        code = None
    words = [*tissues, *descriptors, *specimens]
    own = ", ".join([*filter(_tells, words)] or words)
    return code or (f"'{own}'" if is_tumour(own) else own)  # a code, or `Tumor`, in a column that holds neither


def _tells(word: str) -> bool:
    return _plain(word) not in SILENT


def _split(cell: str | None) -> list[str]:
    """The distinct words of a cell in which the portal joins several samples by commas; one comma belongs to the words themselves."""
    return list(
        dict.fromkeys(word.strip() for word in re.split(r",(?!\s*Post-treatment)", cell or "", flags=re.IGNORECASE) if word.strip())
    )


def _plain(word: str) -> str:
    return " ".join(word.lower().replace("tumour", "tumor").split())
