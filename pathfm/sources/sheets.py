"""Which sample lies in which file: the GDC's sample sheet (old and new columns) and the portal's metadata JSON.

File names of STAR counts carry no barcode, so the map comes from here. The sample sheet names the sample (`TCGA-XX-XXXX-01A`), the
metadata JSON the aliquot. https://docs.gdc.cancer.gov/Data_Portal/Users_Guide/Repository/
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pathfm.errors import InputError
from pathfm.sources import barcodes, sample_types
from pathfm.sources.tables import read_bytes, read_table

EXPRESSION = "Gene Expression Quantification"
COLUMNS = ("File ID", "File Name", "Case ID", "Sample ID")
OTHER_COLUMNS = ("Data Type", "Project ID", "Sample Type", "Tissue Type", "Tumor Descriptor")
MAX_JSON_BYTES = 2 << 30


@dataclass(frozen=True)
class SheetRow:
    """One expression file and its sample; `aliquot` is None where the sheet does not know it.

    `sample_type` is that of the barcode, and where there is none, what the sheet states (`pathfm.sources.sample_types`); None: nothing.
    """

    file_id: str
    file_name: str
    aliquot: str | None
    sample: str
    patient: str
    sample_type: str | None
    project: str | None
    size: int | None = None


@dataclass
class Sheet:
    """The rows that can be used, those that cannot with the reason, and how many rows are about other kinds of data.

    `sample_types`: (patient, sample) → the types that any row states of it, also one of other data: the sample may be that of a slide.
    """

    rows: list[SheetRow] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    sample_types: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    other_data: int = 0
    repeated: int = 0

    def note_type(self, row: "SheetRow | str") -> None:
        """Keeps what a row that can be used states of its sample."""
        if isinstance(row, SheetRow) and row.sample_type:
            self.sample_types.setdefault((row.patient, row.sample), set()).add(row.sample_type)


def read_sheet(path: str | Path) -> Sheet:
    """Reads a sample sheet (tabs or commas) or metadata JSON, gzipped or not; `refused` holds (file id, file name, reason).

    Raises InputError when the file is neither.
    """
    path = Path(path)
    name = path.name.lower().removesuffix(".gz")
    sheet = Sheet()
    entries = _metadata(path, sheet) if name.endswith(".json") else _sample_sheet(path, sheet)
    rows: dict[str, SheetRow] = {}
    contradictory: set[str] = set()
    for file_id, file_name, entry in entries:
        if isinstance(entry, str):
            sheet.refused.append((file_id, file_name, entry))
        elif file_id not in rows:
            rows[file_id] = entry
        elif rows[file_id] == entry:
            sheet.repeated += 1
        else:
            contradictory.add(file_id)
    sheet.rows = [row for file_id, row in rows.items() if file_id not in contradictory]
    sheet.refused += [(i, rows[i].file_name, "the sheet gives this file id to two samples or names") for i in rows if i in contradictory]
    return sheet


def _sample_sheet(path: Path, sheet: Sheet) -> Iterator[tuple[str, str, SheetRow | str]]:
    table = read_table(path, known=dict.fromkeys((*COLUMNS, *OTHER_COLUMNS), ()), suits=lambda names: set(COLUMNS) <= set(names))
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path} is no GDC sample sheet: it lacks the column {missing[0]!r}; the portal's cart gives sheet and metadata")
    for number, values in enumerate(table.to_dict("records"), 1):
        row = _sheet_row(values)
        sheet.note_type(row)
        if values.get("Data Type") not in (None, EXPRESSION):
            sheet.other_data += 1
            continue
        file_id, file_name = values["File ID"], values["File Name"]
        if not file_id or not file_name:
            yield file_id or "", file_name or "", f"row {number} of the sheet lacks a file id or a file name"
            continue
        yield file_id, file_name, row


def _sheet_row(values: dict[str, str | None]) -> SheetRow | str:
    """The row, or why it cannot be used. Cells of joined samples are taken when all are of one patient and one type."""
    samples, cases, stated = _split(values["Sample ID"]), _split(values["Case ID"]), sample_types.stated(values)
    if not samples:
        return "the sheet names no sample for it"
    tcga = all(map(barcodes.is_tcga, samples))
    cases = [barcodes.patient(case) if barcodes.is_tcga(case) else case for case in cases]
    patients = set(map(barcodes.patient, samples)) if tcga else set(cases or samples)
    coded = {barcodes.sample_type(sample) for sample in samples} - {None} if tcga else set()
    if len(patients) > 1 or len(coded) > 1 or (len(samples) > 1 and not tcga):
        return f"the sheet gives this file to several samples: {', '.join(samples)}"
    patient, code = patients.pop(), coded.pop() if coded else None
    if cases and cases != [patient]:
        return f"the sheet's case {', '.join(cases)} and sample {samples[0]} are not of one patient"
    if code and stated and sample_types.is_decided(stated) and sample_types.is_tumour(stated) != sample_types.is_tumour(code):
        return f"the sheet and the barcode {samples[0]} disagree on whether it is tumour or normal tissue"
    sample = min(samples).upper() if tcga else min(samples)
    return SheetRow(values["File ID"], values["File Name"], None, sample, patient, code or stated, values.get("Project ID"))


def _split(value: str | None) -> list[str]:
    """The distinct values of a comma-joined cell, in order."""
    return list(dict.fromkeys(part.strip() for part in (value or "").split(",") if part.strip()))


def _metadata(path: Path, sheet: Sheet) -> Iterator[tuple[str, str, SheetRow | str]]:
    try:
        entries = json.loads(read_bytes(path, MAX_JSON_BYTES))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path} is not the portal's metadata: a list of files is expected")
    for number, entry in enumerate(entries, 1):
        if entry.get("data_type") not in (None, EXPRESSION):
            sheet.other_data += 1
            continue
        file_id, file_name = entry.get("file_id"), entry.get("file_name")
        if not (isinstance(file_id, str) and file_id and isinstance(file_name, str) and file_name):
            yield str(file_id or ""), str(file_name or ""), f"entry {number} of the metadata lacks file_id or file_name"
            continue
        row = _metadata_row(file_id, file_name, entry)
        sheet.note_type(row)
        yield file_id, file_name, row


def _metadata_row(file_id: str, file_name: str, entry: dict) -> SheetRow | str:
    entities = entry.get("associated_entities")
    entities = [entity for entity in entities if isinstance(entity, dict)] if isinstance(entities, list) else []
    aliquots = sorted({str(entity["entity_submitter_id"]).strip() for entity in entities if entity.get("entity_submitter_id")})
    if not aliquots:
        return "the metadata names no aliquot for it (associated_entities); add that field to the export or use the sample sheet"
    if len(aliquots) > 1:
        return f"the metadata gives this file to several aliquots: {', '.join(aliquots)}"
    aliquot = aliquots[0]
    cases = entry.get("cases")
    case = cases[0] if isinstance(cases, list) and cases and isinstance(cases[0], dict) else {}
    project = case.get("project")
    project = project.get("project_id") if isinstance(project, dict) else None
    tcga, code = barcodes.is_tcga(aliquot), barcodes.sample_type(aliquot)
    patient = barcodes.patient(aliquot) if tcga else str(case.get("submitter_id") or aliquot).strip()
    samples = _samples(case)
    names = {str(sample["submitter_id"]).strip() for sample in samples if sample.get("submitter_id")}
    sample = barcodes.sample(aliquot) if tcga else names.pop() if len(names) == 1 else aliquot
    types = {code} if code else set(map(_stated, samples)) - {None} or {None}
    if len(types) > 1:
        return f"the metadata gives {aliquot} samples of several types: {', '.join(sorted(types))}"
    size = entry.get("file_size")
    return SheetRow(file_id, file_name, aliquot, sample, patient, types.pop(), project, size if isinstance(size, int) else None)


def _samples(case: dict) -> list[dict]:
    """`cases.samples` of the metadata, where the export has that field; other programmes than TCGA need it for the sample type."""
    samples = case.get("samples")
    return [sample for sample in samples if isinstance(sample, dict)] if isinstance(samples, list) else []


def _stated(sample: dict) -> str | None:
    cells = {"Sample Type": "sample_type", **{column: column.lower().replace(" ", "_") for column in sample_types.COLUMNS}}
    return sample_types.stated({column: str(sample.get(key) or "") for column, key in cells.items()})
