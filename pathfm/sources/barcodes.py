"""TCGA barcodes, as described by the GDC: https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/.

They are written in capitals; small letters, as some file systems and tables have them, mean the same and come out as capitals.
"""

import re

CAPITALS_OR_NOT = re.IGNORECASE | re.ASCII
PATIENT = re.compile(r"^TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?![A-Z0-9])", CAPITALS_OR_NOT)
SAMPLE = re.compile(r"^TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}-(\d{2})([A-Z]?)", CAPITALS_OR_NOT)
ALIQUOT = re.compile(r"^TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}-\d{2}[A-Z]-\d{2}[A-Z]-([A-Z0-9]{4})-\d{2}$", CAPITALS_OR_NOT)
SLIDE = re.compile(r"^TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}-\d{2}[A-Z]-\d{2}-([A-Z]{2})[A-Z0-9]*", CAPITALS_OR_NOT)
TUMOUR_CODES = frozenset(f"0{digit}" for digit in range(1, 10))


def is_tcga(barcode: str) -> bool:
    """Whether it begins with the twelve characters of a TCGA case."""
    return PATIENT.match(barcode) is not None


def patient(barcode: str) -> str:
    """The case: the first twelve characters."""
    return barcode[:12].upper()


def site(barcode: str) -> str:
    """The tissue source site: characters six and seven."""
    return barcode[5:7].upper()


def sample(barcode: str) -> str:
    """The sample with its vial: the first sixteen characters."""
    return barcode[:16].upper()


def sample_type(barcode: str) -> str | None:
    """Two digits: 01 to 09 tumour (01 primary, 02 recurrent, 06 metastatic), 10 to 19 normal; None for a case's barcode.

    What each means is in `pathfm.sources.sample_types`.
    """
    match = SAMPLE.match(barcode)
    return match.group(1) if match else None


def is_tumour(type_code: str) -> bool:
    """Whether a sample type of two digits is one of tumour tissue."""
    return type_code in TUMOUR_CODES


def vial(barcode: str) -> str | None:
    """The letter after the sample type, A for the first vial; None where the barcode has none."""
    match = SAMPLE.match(barcode)
    return (match.group(2).upper() or None) if match else None


def plate(aliquot: str) -> str | None:
    """The plate of an aliquot's barcode, four characters."""
    match = ALIQUOT.match(aliquot)
    return match.group(1).upper() if match else None


def preparation(slide: str) -> str | None:
    """DX for a diagnostic (FFPE) slide, TS, BS or MS for a frozen one: how it was prepared, not whether it is tumour."""
    match = SLIDE.match(slide)
    return match.group(1).upper() if match else None
