"""Mutation Annotation Format → the TP53 status of each sequenced patient.

https://docs.gdc.cancer.gov/Data/File_Formats/MAF_Format/
A patient is a mutant with one protein-changing call in any tumour sample, and wild type when sequenced without one; absence from a MAF
says nothing. A call counts when FILTER is PASS, absent or only says how the library was made (whole-genome amplification, as for LAML and
OV in MC3, Ellrott et al. 2018); a patient all of whose TP53 calls were filtered for another reason is neither, and counted.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pathfm.cohort import barcodes
from pathfm.cohort.tables import read_bytes, read_parts
from pathfm.errors import InputError

GENE = "TP53"
PROTEIN_CHANGING = frozenset(
    "Missense_Mutation Nonsense_Mutation Nonstop_Mutation Frame_Shift_Del Frame_Shift_Ins In_Frame_Del In_Frame_Ins Splice_Site "
    "Translation_Start_Site".split()
)
NO_DOUBT = frozenset(("PASS", ".", "wga", "native_wga_mix"))
COLUMNS = ("Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode")
HEADINGS = frozenset("barcode sample sample_id patient patient_id case case_id submitter_id tumor_sample_barcode".split())
MAX_LIST_BYTES = 256 << 20


@dataclass
class Calls:
    """Patients who were sequenced, who have a TP53 call that counts, and who have only filtered ones; rows that were not used."""

    sequenced: set[str] = field(default_factory=set)
    mutant: set[str] = field(default_factory=set)
    filtered: set[str] = field(default_factory=set)
    unused: Counter = field(default_factory=Counter)

    def status(self, patient: str) -> str | None:
        """The words "mutant" or "wild type", or None when not sequenced or with only filtered calls."""
        if patient in self.mutant:
            return "mutant"
        return "wild type" if patient in self.sequenced and patient not in self.filtered else None


def read_calls(mafs: list[str | Path], sequenced: str | Path | None = None) -> Calls:
    """Calls from all `mafs`; with a list of sequenced samples only that list (and the mutants) counts as sequenced.

    Raises InputError for a table that is no MAF, and without such a list for a MAF of a single gene: whoever has no mutation there is
    not named there.
    """
    calls = Calls()
    for path in mafs:
        genes: set[str] = set()
        for part in read_parts(path, lambda name: name in (*COLUMNS, "FILTER")):
            missing = [column for column in COLUMNS if column not in part]
            if missing:
                raise InputError(f"{path} is no MAF: it lacks the column {missing[0]!r}")
            genes.update(part["Hugo_Symbol"].dropna().unique())
            _add(calls, part)
        if len(genes) < 2 and sequenced is None:
            held = f"only the gene {min(genes)}" if genes else "no call"
            raise InputError(
                f"{path} holds {held}, so it cannot tell who was sequenced; give the list of sequenced samples with --sequenced"
            )
    if sequenced is not None:
        calls.sequenced = read_sequenced(sequenced)
    calls.filtered -= calls.mutant
    return calls


def _add(calls: Calls, part: pd.DataFrame) -> None:
    patients = {name: _tumour_patient(name) for name in part["Tumor_Sample_Barcode"].dropna().unique()}
    patient = part["Tumor_Sample_Barcode"].map(patients)
    calls.unused["row without a tumour sample"] += int(patient.isna().sum())
    calls.sequenced.update(patient.dropna().unique())
    ours = (part["Hugo_Symbol"] == GENE) & part["Variant_Classification"].isin(PROTEIN_CHANGING) & patient.notna()
    filters = part.loc[ours, "FILTER"] if "FILTER" in part else [None] * int(ours.sum())
    for name, value in zip(patient[ours], filters, strict=True):
        if passes(value):
            calls.mutant.add(name)
        else:
            calls.filtered.add(name)
            calls.unused["TP53 call that was filtered"] += 1


def passes(filters: str | None) -> bool:
    """Whether a FILTER value leaves the call standing."""
    return not filters or all(value.strip() in NO_DOUBT for value in re.split("[;,|]", filters))


def _tumour_patient(name: str) -> str | None:
    """The patient of a barcode of 12, 15, 16 or 28 characters; None for a normal sample's."""
    if not barcodes.is_tcga(name):
        return name
    code = barcodes.sample_type(name)
    return None if code and not barcodes.is_tumour(code) else barcodes.patient(name)


def read_sequenced(path: str | Path) -> set[str]:
    """The patients in a list of samples: one a line (the first cell of a table), or cBioPortal's `cases_sequenced.txt`.

    Raises InputError when it names nobody.
    """
    try:
        text = read_bytes(path, MAX_LIST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a list of samples: it is not UTF-8 text") from error
    case_list = re.search(r"^case_list_ids:(.*)$", text, re.MULTILINE)
    if case_list:
        names = case_list.group(1).split()
    else:
        cells = [re.split("[\t,;]", line)[0].strip().strip('"') for line in text.splitlines() if not line.startswith("#")]
        names = [cell for cell in cells if cell and cell.lower().replace(" ", "_") not in HEADINGS]
    patients = {patient for patient in map(_tumour_patient, names) if patient}
    if not patients:
        raise InputError(f"{path} names no sequenced tumour sample; one barcode a line is expected")
    return patients
