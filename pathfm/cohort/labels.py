"""Clinical tables and mutation calls → `labels.parquet`: a row per patient, a column per label task, null where it is not known.

Values of one patient that contradict each other, in several rows, columns or files, are null and listed: no table is believed more than
another.
"""

from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from pathfm.cohort.folder import CohortFolder, record_step
from pathfm.cohort.overlap import no_overlap
from pathfm.errors import InputError
from pathfm.files import sha256, write_json, write_parquet
from pathfm.sources import barcodes
from pathfm.sources.clinical import ONCOTREE_CANCER, OTHER, Facts, read_clinical
from pathfm.sources.maf import Calls, read_calls

TASKS = ("cancer", "tp53", "breast", "kidney", "lung")
KIDNEY = ("KIRC", "KIRP", "KICH")
LUNG = ("LUAD", "LUSC")
COLUMNS = ("patient", "site", "project", *TASKS)


def build_labels(clinical: list[str | Path], mafs: list[str | Path], sequenced: str | Path | None, cohort: CohortFolder) -> dict:
    """Writes `labels.parquet` and `labels.report.json` and returns the report; raises InputError when no patient is named."""
    if sequenced and not mafs:
        raise InputError(f"{sequenced} lists who was sequenced, but no --maf tells who is mutant; give the calls too")
    facts, unused = read_clinical(clinical)
    calls = read_calls(mafs, sequenced)
    patients = sorted({*facts, *calls.sequenced, *calls.mutant, *calls.filtered, *calls.unclear})
    if not patients:
        raise InputError(f"{clinical[0]} names no patient; there is nothing to label")
    notes = Notes()
    table = pd.DataFrame([label(patient, facts.get(patient, Facts()), calls, notes) for patient in patients], columns=list(COLUMNS))
    report = {
        "patients": len(table),
        "tasks": {task: {"classes": _counts(table[task]), "null": dict(sorted(notes.null[task].items()))} for task in TASKS},
        "conflicts": notes.conflicts,
        "unused_rows": dict(sorted((unused + calls.unused).items())),
        "mutant_but_not_listed_as_sequenced": sorted(calls.mutant - calls.sequenced),
        "strangers": strangers(set(facts), calls, str(sequenced) if sequenced else None),
    }
    apart = no_overlap(patients, "the labels", cohort, replaces=cohort.labels)
    report["strangers"] += [apart] if apart else []
    write_parquet(table.astype(object).where(table.notna(), None), cohort.labels)
    write_json(report, cohort.labels.with_name("labels.report.json"))
    inputs = [*clinical, *mafs, *([sequenced] if sequenced else [])]
    record_step(
        cohort,
        "labels",
        {"clinical": len(clinical), "maf": len(mafs), "sequenced": sequenced is not None},
        {str(path): {"bytes": Path(path).stat().st_size, "sha256": sha256(path)} for path in inputs},
    )
    return report


def strangers(clinical: set[str], calls: Calls, sequenced: str | None) -> list[str]:
    """A sentence, with an example of both sides, for each two of the clinical tables, a MAF and the list that have no patient in common."""
    listed = [(sequenced, calls.sequenced)] if sequenced else []
    pairs = [(("the clinical tables", clinical), other) for other in [*calls.named.items(), *listed]]
    pairs += [(maf, other) for maf in calls.named.items() for other in listed]
    return [
        f"no patient of {other} is in {one} ({other}: {min(theirs)}, {one}: {min(ours)})"
        for (one, ours), (other, theirs) in pairs
        if ours and theirs and ours.isdisjoint(theirs)
    ]


class Notes:
    """Why values are null, per task, and which patients' values contradict each other."""

    def __init__(self):
        self.null: dict[str, Counter] = defaultdict(Counter)
        self.conflicts: list[dict] = []

    def one(self, patient: str, column: str, values: set[str]) -> str | None:
        """The only value; None, and listed, when there are several."""
        if len(values) > 1:
            self.conflicts.append({"patient": patient, "column": column, "values": sorted(values)})
        return next(iter(values)) if len(values) == 1 else None


def label(patient: str, facts: Facts, calls: Calls, notes: Notes) -> tuple[str | None, ...]:
    """One row of the table, in the order of COLUMNS."""
    tcga = barcodes.is_tcga(patient)
    site = barcodes.site(patient) if tcga else notes.one(patient, "site", facts.site)
    project = notes.one(patient, "project", facts.project)
    cancer = notes.one(patient, "cancer", facts.cancer)
    if project is None and not facts.project and cancer and tcga:
        project = f"TCGA-{cancer}"
    if cancer is None:
        notes.null["cancer"]["contradictory" if facts.cancer else "no project or cancer type given"] += 1
    subtype = cancer if facts.cancer else notes.one(patient, "oncotree", _oncotree_cancers(facts))
    kidney, lung = (subtype if subtype in classes else None for classes in (KIDNEY, LUNG))
    for task, value in (("kidney", kidney), ("lung", lung)):
        if value is None:
            notes.null[task]["another or unknown cancer"] += 1
    return patient, site, project, cancer, _tp53(patient, calls, notes), _breast(patient, facts, notes), kidney, lung


def _oncotree_cancers(facts: Facts) -> set[str]:
    return {ONCOTREE_CANCER.get(code, OTHER) for code in facts.oncotree}


def _tp53(patient: str, calls: Calls, notes: Notes) -> str | None:
    status = calls.status(patient)
    if status is None:
        notes.null["tp53"][_why_unknown(patient, calls)] += 1
    return status


def _why_unknown(patient: str, calls: Calls) -> str:
    if patient in calls.unclear:
        return "call of an unknown class or mutation status"
    if patient in calls.filtered:
        return "only filtered calls"
    return "only calls that are not somatic" if patient in calls.not_somatic else "not sequenced"


def _breast(patient: str, facts: Facts, notes: Notes) -> str | None:
    """IDC or ILC; a patient with another cancer type is no breast patient, whatever the diagnosis is called."""
    if facts.cancer and facts.cancer != {"BRCA"}:
        notes.null["breast"]["another cancer"] += 1
        return None
    value = notes.one(patient, "breast", facts.breast)
    if value in ("IDC", "ILC"):
        return value
    reason = "mixed or another diagnosis" if value else "contradictory" if facts.breast else "no diagnosis given"
    notes.null["breast"][reason] += 1
    return None


def _counts(column: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().sort_index().items()}
