"""Mutation Annotation Format → the TP53 status of each sequenced patient.

https://docs.gdc.cancer.gov/Data/File_Formats/MAF_Format/
A patient is a mutant with one protein-changing somatic call in any tumour sample, and wild type when sequenced without one; absence from a
MAF says nothing. A call counts when FILTER is PASS, absent or only says how the library was made (whole-genome amplification, as for LAML
and OV in MC3, Ellrott et al. 2018). A patient is neither, and counted, when all of their TP53 calls were filtered for another reason, or
when one is of a class or a mutation status that is not known. Germline calls and the like make nobody a mutant, and nobody sequenced: that
the germline was read says nothing of the tumour.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pathfm.errors import InputError
from pathfm.sources.columns import squash
from pathfm.sources.consequences import changes_protein
from pathfm.sources.patients import refuse_damaged, tumour_patient
from pathfm.sources.sequenced import read_sequenced
from pathfm.sources.tables import read_parts

GENE = re.compile(r"TP53|7157|ENSG00000141510(\.\d+)?", re.IGNORECASE)  # HGNC's symbol, and the ids of NCBI and Ensembl
NO_DOUBT = frozenset(("PASS", ".", "wga", "native_wga_mix"))
COLUMNS = ("Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode")
KNOWN = {
    "Hugo_Symbol": ("Hugo_Gene_Symbol", "Gene_Symbol", "Symbol", "Gene", "Entrez_Gene_Id"),
    "Variant_Classification": ("Mutation_Type", "Consequence", "Effect"),
    "Tumor_Sample_Barcode": ("Tumor_Sample", "Sample_Barcode", "Sample_ID", "Sample"),
    "Mutation_Status": ("MS",),
    "FILTER": (),
    "Entrez_Gene_Id": (),
}
# Mutation_Status, of the GDC (MAF 2.4) and cBioPortal; UNKNOWN is a missing value, as the callers of tumours without normal tissue write it
SOMATIC = frozenset(("somatic", "confirmedsomatic", "confirmedsomaticvariant"))
NOT_SOMATIC = frozenset(("germline", "loh", "wildtype", "none", "posttranscriptionalmodification", "redacted", "normal"))
HEADINGS = frozenset(map(squash, (*COLUMNS, *KNOWN["Tumor_Sample_Barcode"], "Matched_Norm_Sample_Barcode", "Tumor_Sample_UUID")))
MOST = 0.5
WORDS_TOLD = 20


@dataclass
class Calls:
    """Patients who were sequenced, who have a TP53 call that counts, and who have only filtered or unclear ones; who have only calls that
    are not somatic, of any gene.

    `named` holds the patients whom each file names, `unused` counts the rows that were not used.
    """

    sequenced: set[str] = field(default_factory=set)
    mutant: set[str] = field(default_factory=set)
    filtered: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)
    not_somatic: set[str] = field(default_factory=set)
    named: dict[str, set[str]] = field(default_factory=dict)
    unused: Counter = field(default_factory=Counter)

    def status(self, patient: str) -> str | None:
        """The words "mutant" or "wild type", or None when not sequenced or with only filtered or unclear calls."""
        if patient in self.mutant:
            return "mutant"
        doubtful = patient in self.filtered or patient in self.unclear
        return "wild type" if patient in self.sequenced and not doubtful else None


@dataclass
class Seen:
    """What one file holds: its genes, its rows by mutation status, its classes and how many rows have one that is not known."""

    genes: set[str] = field(default_factory=set)
    rows: int = 0
    somatic: int = 0
    classes: Counter = field(default_factory=Counter)
    unknown: Counter = field(default_factory=Counter)


def read_calls(mafs: Sequence[str | Path], sequenced: str | Path | None = None) -> Calls:
    """Calls from all `mafs`; with a list of sequenced samples only that list (and the mutants) counts as sequenced.

    Raises InputError for a table that is no MAF, whose classes are mostly not known, or that holds no somatic call, and without such a list
    for a MAF of a single gene: whoever has no mutation there is not named there.
    """
    calls = Calls()
    for path in mafs:
        seen = Seen()
        named = calls.named.setdefault(str(path), set())
        for part in read_parts(path, lambda name: name in KNOWN, known=KNOWN, suits=lambda names: set(COLUMNS) <= set(names)):
            missing = [column for column in COLUMNS if column not in part]
            if missing:
                raise InputError(f"{path} is no MAF: it lacks the column {missing[0]!r}")
            named |= _add(calls, seen, part, path)
        _check(seen, path, sequenced is not None)
        for word, count in seen.unknown.most_common(WORDS_TOLD):
            calls.unused[f"call of the unknown class {word!r}" if word else "call without a class"] += count
    if sequenced is not None:
        calls.sequenced = read_sequenced(sequenced)
    calls.not_somatic -= calls.sequenced
    calls.filtered -= calls.mutant | calls.unclear
    calls.unclear -= calls.mutant
    return calls


def _check(seen: Seen, path: str | Path, listed: bool) -> None:
    if seen.rows and not seen.somatic:
        raise InputError(f"{path} holds no somatic call: Mutation_Status is another in all of its {seen.rows:,} rows")
    if len(seen.genes) < 2 and not listed:
        held = f"only the gene {min(seen.genes)}" if seen.genes else "no call"
        raise InputError(f"{path} holds {held}, so it cannot tell who was sequenced; give the list of sequenced samples with --sequenced")
    unknown, classes = seen.unknown.total(), seen.classes.total()
    if unknown > MOST * classes:
        words = ", ".join(f"{word!r} {count:,}" for word, count in seen.unknown.most_common(3))
        raise InputError(
            f"{path}: {unknown:,} of {classes:,} calls are of a class that is not known ({words}); Variant_Classification must hold the "
            "words of MAF, VEP, Oncotator or ANNOVAR"
        )


def _add(calls: Calls, seen: Seen, part: pd.DataFrame, path: str | Path) -> set[str]:
    """Adds the rows of a part and returns the tumours' patients that it names."""
    patients = {name: tumour_patient(name) for name in part["Tumor_Sample_Barcode"].dropna().unique()}
    if any(squash(name) in HEADINGS for name in patients):
        raise InputError(
            f"{path}: a line of column names stands among the calls in a way that is not understood; give the joined files one by one"
        )
    for name in patients:
        refuse_damaged(name, str(path))
    patient = part["Tumor_Sample_Barcode"].map(patients)
    calls.unused["row without a tumour sample"] += int(patient.isna().sum())
    status = _mapped(part, "Mutation_Status", _is_somatic, True)
    _count(calls.unused, part, "Mutation_Status", status.isna(), "call of the unknown mutation status")
    _count(calls.unused, part, "Mutation_Status", status.eq(False), "call that is not somatic but")
    somatic = status.eq(True)
    effect = _mapped(part, "Variant_Classification", changes_protein, None)
    symbol = part["Hugo_Symbol"]
    if "Entrez_Gene_Id" in part:
        symbol = symbol.where(symbol.notna(), part["Entrez_Gene_Id"])
    genes = {name: GENE.fullmatch(name) is not None for name in symbol.dropna().unique()}
    seen.rows += len(part)
    seen.somatic += int(somatic.sum())
    seen.genes.update(name for name, ours in genes.items() if not ours)
    seen.genes.update(["TP53"] * any(genes.values()))
    seen.classes["known"] += int((somatic & effect.notna()).sum())
    for word, count in part.loc[somatic & effect.isna(), "Variant_Classification"].value_counts(dropna=False).items():
        seen.unknown["" if pd.isna(word) else word] += int(count)
        seen.classes["unknown"] += int(count)
    calls.sequenced.update(patient[somatic].dropna().unique())
    calls.not_somatic.update(patient[~somatic].dropna().unique())
    ours = symbol.map(genes).eq(True) & patient.notna() & ~effect.eq(False) & ~status.eq(False)
    filters = part.loc[ours, "FILTER"] if "FILTER" in part else [None] * int(ours.sum())
    for name, value, clear in zip(patient[ours], filters, somatic[ours] & effect[ours].notna(), strict=True):
        if not passes(value):
            calls.filtered.add(name)
            calls.unused["TP53 call that was filtered"] += 1
        else:
            (calls.mutant if clear else calls.unclear).add(name)
    return {name for name in patients.values() if name}


def _mapped(part: pd.DataFrame, column: str, meaning, absent: bool | None) -> pd.Series:
    """What each cell of a column means: true, false or None; `absent` where there is no such column."""
    if column not in part:
        return pd.Series([absent] * len(part), index=part.index, dtype=object)
    meanings = {word: meaning(None if pd.isna(word) else word) for word in part[column].unique()}
    return pd.Series([meanings[word] for word in part[column]], index=part.index, dtype=object)


def _count(unused: Counter, part: pd.DataFrame, column: str, rows: pd.Series, what: str) -> None:
    if rows.any():
        for word, count in part.loc[rows, column].value_counts().head(WORDS_TOLD).items():
            unused[f"{what} {word!r}"] += int(count)


def _is_somatic(status: str | None) -> bool | None:
    """Whether a call is one of the tumour alone; true where its status is not given, None where the word is not known."""
    word = squash(status or "")
    if not word or word in SOMATIC:
        return True
    return False if word in NOT_SOMATIC else None


def passes(filters: str | None) -> bool:
    """Whether a FILTER value leaves the call standing."""
    return not filters or all(value.strip() in NO_DOUBT for value in re.split("[;,|]", filters))
