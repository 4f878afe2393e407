"""GDC's STAR-count files of many samples → `expression.h5ad`, and a report of everything that was left out and why.

A sample whose file lacks genes or has others is left out; nothing is filled in and nothing is renormalised.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from pathfm.cohort.aliquots import lost_to_sibling
from pathfm.cohort.folder import CohortFolder, record_step
from pathfm.cohort.matrix import Genes, MatrixWriter, Sample, common_genes, read_sample
from pathfm.cohort.overlap import no_overlap
from pathfm.engines import run
from pathfm.engines.threads import Threads
from pathfm.errors import InputError
from pathfm.files import digest, replacing, sha256, write_json
from pathfm.sources import barcodes, sample_types, star
from pathfm.sources.downloads import LEGACY_FILE, expression_files, locate
from pathfm.sources.sheets import Sheet, SheetRow, read_sheet

TPM_TOTAL, TPM_TOLERANCE = 1e6, 1e3
LEGACY = "a legacy file (HTSeq or FPKM, GENCODE v22); download augmented_star_gene_counts.tsv instead"

WHAT_TO_ADD = (
    "so they pair with no slide; give the sheet a column `Sample Type` with `Primary Tumor`, `Metastatic`, `Tumor` or `Solid Tissue Normal`"
)

LeftOut = dict[str, list[dict]]


def build_expression(gdc_folder: str | Path, sheet_path: str | Path, cohort: CohortFolder, workers: int) -> dict:
    """Writes `expression.h5ad` and `expression.report.json` into the cohort folder and returns the report.

    Files are read by `workers` threads (Arrow parses outside Python's lock) and written row by row, in the order of the samples' names,
    so memory does not grow with their number. Raises InputError when the sheet or folder is unusable or no sample remains.
    """
    gdc_folder = Path(gdc_folder).resolve()
    if not gdc_folder.is_dir():
        raise InputError(f"there is no folder of GDC files at {gdc_folder}")
    sheet = read_sheet(sheet_path)
    left_out: LeftOut = defaultdict(list)
    rows, files = _usable(sheet, gdc_folder, left_out)
    names = observation_names(rows)
    rows = sorted(rows, key=lambda row: names[row.file_id])
    genes = common_genes([files[row.file_id] for row in rows])
    if genes is None:
        _note_faults(rows, files, left_out)
        raise InputError(_nothing_left(sheet_path, left_out))
    with replacing(cohort.expression) as temporary, MatrixWriter(temporary, genes, len(rows)) as matrix:
        kept: list[SheetRow] = []
        tpm_sums: list[float] = []

        def keep(row: SheetRow, result: Sample | star.StarError) -> None:
            if isinstance(result, star.StarError):
                left_out[result.fault].append(_entry(row, str(result)))
                return
            matrix.append(result)
            kept.append(row)
            tpm_sums.append(result.tpm_sum)

        run(partial(_read, files=files, genes=genes), rows, Threads(workers), keep, "expression", "files")
        if not kept:
            raise InputError(_nothing_left(sheet_path, left_out))
        obs = observations(kept, names, files)
        matrix.finish(obs, stated_types(sheet))
    overlap = no_overlap(set(obs["patient"]), "the sheet", cohort, replaces=cohort.expression)
    report = {
        "sheet": Path(sheet_path).name,
        "rows": len(sheet.rows) + len(sheet.refused),
        "rows_of_other_data": sheet.other_data,
        "rows_repeated": sheet.repeated,
        **_kept(obs, genes),
        "left_out": {fault: len(entries) for fault, entries in sorted(left_out.items())},
        "left_out_list": dict(sorted(left_out.items())),
        "files_without_a_row": _without_row(gdc_folder, files),
        "lost_to_sibling": _lost(obs),
        **_oddities(kept, obs, tpm_sums, files),
        "warnings": [*filter(None, (overlap, _without_type(obs)))],
    }
    write_json(report, cohort.expression_report)
    record_step(
        cohort,
        "expression",
        {"samples": report["samples"], "genes": report["genes"], "gene_model": genes.model},
        _inputs(sheet_path, files),
    )
    return report


def _read(row: SheetRow, files: dict[str, Path], genes: Genes) -> Sample | star.StarError:
    return read_sample(files[row.file_id], genes)


def _usable(sheet: Sheet, folder: Path, left_out: LeftOut) -> tuple[list[SheetRow], dict[str, Path]]:
    """The rows whose file may be read, and file id → file for every row that has one; the other rows are noted in `left_out`."""
    for file_id, file_name, reason in sheet.refused:
        left_out["ambiguous row"].append({"file_id": file_id, "file": file_name, "sample": None, "reason": reason})
    files, lacking = locate(sheet.rows, folder)
    rows = []
    for row in sheet.rows:
        if LEGACY_FILE.search(row.file_name):
            left_out["legacy"].append(_entry(row, LEGACY))
        elif row.file_id in lacking:
            left_out["row without a file"].append(_entry(row, lacking[row.file_id]))
        else:
            rows.append(row)
    return rows, files


def _entry(row: SheetRow, reason: str) -> dict:
    return {"file_id": row.file_id, "file": row.file_name, "sample": row.aliquot or row.sample, "reason": reason}


def _note_faults(rows: list[SheetRow], files: dict[str, Path], left_out: LeftOut) -> None:
    for row in rows:
        try:
            star.read_star_counts(files[row.file_id])
        except star.StarError as error:
            left_out[error.fault].append(_entry(row, str(error)))


def _nothing_left(sheet_path: str | Path, left_out: LeftOut) -> str:
    counts = ", ".join(f"{fault}: {len(entries)}" for fault, entries in sorted(left_out.items()))
    first = next((f"; the first: {entry['file']}: {entry['reason']}" for entries in left_out.values() for entry in entries), "")
    return f"{sheet_path} leads to no usable expression file ({counts or 'it lists none'}){first}"


def observation_names(rows: Iterable[SheetRow]) -> dict[str, str]:
    """File id → the name of its row in the matrix: the aliquot's barcode, or the sample's where the sheet knows no aliquot.

    Names that several files share get the first eight characters of the file id after a dot.
    """
    plain = {row.file_id: row.aliquot or row.sample for row in rows}
    shared = Counter(plain.values())
    suffixed = {file_id: f"{name}.{file_id[:8]}" if shared[name] > 1 else name for file_id, name in plain.items()}
    again = Counter(suffixed.values())
    return {file_id: f"{plain[file_id]}.{file_id}" if again[name] > 1 else name for file_id, name in suffixed.items()}


def observations(rows: list[SheetRow], names: dict[str, str], files: dict[str, Path]) -> pd.DataFrame:
    """AnnData's table of the samples; `sample_type`, `site` and `project` are categories, missing where unknown."""
    table = pd.DataFrame(
        {
            "aliquot": [names[row.file_id] for row in rows],
            "sample": [row.sample for row in rows],
            "patient": [row.patient for row in rows],
            "sample_type": _categories([row.sample_type for row in rows]),
            "site": _categories([barcodes.site(row.patient) if barcodes.is_tcga(row.patient) else None for row in rows]),
            "project": _categories([row.project for row in rows]),
            "file": [files[row.file_id].name for row in rows],
        }
    )
    return table.set_index(pd.Index(table["aliquot"].to_numpy(), dtype=object))


def stated_types(sheet: Sheet) -> pd.DataFrame:
    """patient, sample and sample_type of every sample without a TCGA barcode that the sheet tells the type of, with RNA or without."""
    rows = [
        (*name, stated) for name, types in sheet.sample_types.items() for stated in sorted(types) if barcodes.sample_type(name[1]) is None
    ]
    return pd.DataFrame(sorted(rows), columns=["patient", "sample", "sample_type"], dtype=object)


def _without_type(obs: pd.DataFrame) -> str | None:
    """What to add where the sheet does not tell what a sample is: RNA that is not known to be of tumour pairs with nothing."""
    types = obs["sample_type"].astype(object)
    untyped = types[[not isinstance(stated, str) or not sample_types.is_decided(stated) for stated in types]]
    if untyped.empty:
        return None
    first = f"{untyped.index[0]}, {untyped.iloc[0] if isinstance(untyped.iloc[0], str) else 'none'}"
    return f"the sheet states no sample type that is known for {len(untyped):,} of {len(obs):,} samples ({first}), {WHAT_TO_ADD}"


def _categories(values: list[str | None]) -> pd.Categorical:
    return pd.Categorical(values, categories=pd.Index(sorted({value for value in values if value}), dtype=object))


def _kept(obs: pd.DataFrame, genes: Genes) -> dict:
    notes = []
    if len(genes.ids) != star.GENES or genes.model != star.GENE_MODEL:
        stated = genes.model or "an unnamed gene model"
        notes.append(f"the files hold {len(genes.ids):,} genes of {stated}; the GDC's hold {star.GENES:,} of {star.GENE_MODEL}")
    return {
        "samples": len(obs),
        "patients": int(obs["patient"].nunique()),
        "sample_types": {str(code): int(count) for code, count in obs["sample_type"].value_counts().sort_index().items()},
        "gene_model": genes.model,
        "genes_in_files": len(genes.ids),
        "par_y_dropped": len(genes.ids) - len(genes.kept),
        "genes": len(genes.kept),
        "notes": notes,
    }


def _lost(obs: pd.DataFrame) -> list[dict]:
    types = [code if isinstance(code, str) else None for code in obs["sample_type"]]
    lost = lost_to_sibling(zip(obs["aliquot"], obs["patient"], types, strict=True))
    return [{"aliquot": aliquot, "kept": winner} for aliquot, winner in sorted(lost.items())]


def _without_row(folder: Path, files: dict[str, Path]) -> list[str]:
    known = set(files.values())
    return [str(path.relative_to(folder)) for path in expression_files(folder) if path.resolve() not in known]


def _oddities(rows: list[SheetRow], obs: pd.DataFrame, tpm_sums: list[float], files: dict[str, Path]) -> dict:
    """What is worth a look though the sample is kept: TPM that do not sum to a million, a size that the portal does not state."""
    sizes = [files[row.file_id].stat().st_size if row.size and files[row.file_id].name == row.file_name else None for row in rows]
    return {
        "tpm_sum_not_a_million": [
            {"aliquot": name, "sum": round(total, 1)}
            for name, total in zip(obs.index, tpm_sums, strict=True)
            if abs(total - TPM_TOTAL) > TPM_TOLERANCE
        ],
        "size_not_as_stated": [
            {"aliquot": name, "bytes": size, "stated": row.size}
            for name, size, row in zip(obs.index, sizes, rows, strict=True)
            if size is not None and size != row.size
        ],
    }


def _inputs(sheet_path: str | Path, files: dict[str, Path]) -> dict:
    listed = sorted([path.name, path.stat().st_size] for path in files.values())
    return {
        "sheet": {"name": Path(sheet_path).name, "bytes": Path(sheet_path).stat().st_size, "sha256": sha256(sheet_path)},
        "files": {"count": len(listed), "bytes": sum(size for _, size in listed), "names_and_sizes_sha256": digest(listed)},
    }
