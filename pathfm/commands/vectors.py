"""Make a modality of a cohort from vectors of patients, such as embeddings of their reports.

FILE is a table with the column patient and numbers in all others, or rows of numbers with a table of their names beside them (.npy and
.csv, also .safetensors and .h5), or AnnData. NAME.h5ad of the cohort then holds a row a patient, the mean of its rows.
"""

from pathfm.errors import DONE

HELP = "vectors of patients, such as embeddings of reports, to NAME.h5ad"


def add_arguments(parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a table, or rows of numbers with their names")
    parser.add_argument("--name", required=True, metavar="NAME", help="of the modality, for example text")
    parser.add_argument("--cohort", required=True, metavar="DIR", help="the cohort folder, made when it is not there")


def run(arguments) -> int:
    from pathlib import Path

    from pathfm.cohort.folder import CohortFolder
    from pathfm.features.vectors import build_vectors

    report = build_vectors(Path(arguments.file), arguments.name, CohortFolder(Path(arguments.cohort)))
    print(f"{report['name']}.h5ad: {report['patients']:,} patients × {report['columns']:,} columns, of {report['rows']:,} rows")
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    return DONE
