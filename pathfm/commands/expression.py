"""Build expression.h5ad from a folder of GDC STAR-count files.

GDC_DIR holds the files as gdc-client leaves them (`<file id>/<file name>`), or flat. The sheet, a GDC sample sheet or the
portal's metadata JSON, tells which sample each file is. Whatever is left out is counted, and listed in expression.report.json.
"""

from pathfm.errors import DONE, InputError

HELP = "STAR-count files of the GDC to expression.h5ad"

NOTED = {
    "files_without_a_row": "files without a row in the sheet, not read",
    "lost_to_sibling": "aliquots in the matrix that lose to a sibling of the same patient and sample type",
    "tpm_sum_not_a_million": "samples whose TPM do not sum to a million (kept, not renormalised)",
    "size_not_as_stated": "files of another size than the portal states",
}


def add_arguments(parser) -> None:
    parser.add_argument("gdc_dir", metavar="GDC_DIR", help="the folder of downloaded files")
    parser.add_argument("--sheet", required=True, metavar="FILE", help="gdc_sample_sheet.tsv or metadata.json, also gzipped")
    parser.add_argument("--cohort", required=True, metavar="DIR", help="the cohort folder, made when it is not there")
    parser.add_argument(
        "--workers", type=int, default=None, metavar="N", help="reading threads (default: one for each core that may be used)"
    )


def run(arguments) -> int:
    from pathlib import Path

    from pathfm.cohort.expression import build_expression
    from pathfm.cohort.folder import CohortFolder
    from pathfm.machine import cores

    workers = cores() if arguments.workers is None else arguments.workers
    if workers < 1:
        raise InputError(f"--workers {workers} makes no sense; give 1 or more")
    report = build_expression(arguments.gdc_dir, arguments.sheet, CohortFolder(Path(arguments.cohort)), workers)
    print("\n".join(summary(report)))
    return DONE


def summary(report: dict) -> list[str]:
    """The closing lines: what is in the matrix, and how much was left out for which reason."""
    size = f"{report['samples']:,} samples of {report['patients']:,} patients × {report['genes']:,} genes"
    lines = [f"expression.h5ad: {size} ({report['gene_model'] or 'gene model unknown'})"]
    for fault, count in report["left_out"].items():
        first = report["left_out_list"][fault][0]
        lines.append(f"left out, {fault}: {count:,} (first: {first['file']}: {first['reason']})")
    lines += [f"{words}: {len(report[key]):,}" for key, words in NOTED.items() if report[key]]
    lines += [f"note: {note}" for note in report["notes"]] + [f"warning: {warning}" for warning in report["warnings"]]
    return [*lines, "every name is in expression.report.json"]
