"""Build labels.parquet from clinical tables and mutation calls.

Clinical tables are the GDC's clinical.tsv, those of its archive, cBioPortal's patient or sample tables, or any table of patient and cancer
type; several are joined by patient. A MAF tells who carries a TP53 mutation, and who was sequenced unless --sequenced does. Values of one
patient that contradict each other are null and listed in labels.report.json.
"""

from pathfm.errors import DONE

HELP = "clinical tables and MAFs to labels.parquet"


def add_arguments(parser) -> None:
    parser.add_argument(
        "--clinical", required=True, nargs="+", action="extend", metavar="FILE", help="clinical tables, also packed, or .xlsx"
    )
    parser.add_argument("--maf", nargs="+", default=[], action="extend", metavar="FILE", help="mutation calls, also packed")
    parser.add_argument(
        "--sequenced", metavar="FILE", help="the samples that were sequenced: one barcode a line, or cBioPortal's case list"
    )
    parser.add_argument("--cohort", required=True, metavar="DIR", help="the cohort folder, made when it is not there")


def run(arguments) -> int:
    from pathlib import Path

    from pathfm.cohort.folder import CohortFolder
    from pathfm.cohort.labels import build_labels

    report = build_labels(arguments.clinical, arguments.maf, arguments.sequenced, CohortFolder(Path(arguments.cohort)))
    print("\n".join(summary(report)))
    return DONE


def summary(report: dict) -> list[str]:
    """The closing lines: patients per class of each task, and how many are null for which reason."""
    lines = [f"labels.parquet: {report['patients']:,} patients"]
    for task, counts in report["tasks"].items():
        classes = ", ".join(f"{name} {count:,}" for name, count in counts["classes"].items()) or "nobody"
        null = ", ".join(f"{reason} {count:,}" for reason, count in counts["null"].items())
        lines.append(f"{task}: {classes}{f'; null: {null}' if null else ''}")
    lines += [f"not used, {what}: {count:,}" for what, count in report["unused_rows"].items() if count]
    if report["conflicts"]:
        first = report["conflicts"][0]
        example = f"{first['patient']}, {first['column']}: {' or '.join(first['values'])}"
        lines.append(f"contradictory values: {len(report['conflicts']):,} (first: {example})")
    if report["mutant_but_not_listed_as_sequenced"]:
        lines.append(f"mutants that the list of sequenced samples lacks: {len(report['mutant_but_not_listed_as_sequenced']):,}")
    return [*lines, *report["strangers"], "every name is in labels.report.json"]
