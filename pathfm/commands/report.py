"""Set base against tuned: the poster's table with intervals, and one page with curves and embeddings.

RUNS are folders that `python -m pathfm.evaluate` wrote: the bases and the runs tuned from them, in any order. Every tuned run is paired
with its base by the base's weight hash; both must have been evaluated on the same split, units and genes. DIR receives table.md,
table.tex, table.csv, table.parquet, genes.parquet and report.html, a single file that opens anywhere. None holds a patient id unless
--with-ids.
"""

HELP = "evaluations to the table of base against tuned, and a page"


def add_arguments(parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUNS", help="evaluation run folders, base and tuned")
    parser.add_argument("--out", required=True, metavar="DIR", help="where the table, the genes and the page go")
    parser.add_argument("--with-ids", action="store_true", help="list, by id, the patients whose prediction changed")


def run(arguments) -> int:
    from pathlib import Path

    from pathfm.errors import DONE
    from pathfm.report.plots import require_report

    require_report()
    from pathfm.report.page import write_report

    sentences = write_report([Path(path) for path in arguments.runs], Path(arguments.out), with_ids=arguments.with_ids)
    names = "table.md, table.tex, table.csv, table.parquet, genes.parquet, report.html"
    print("\n".join([*sentences, f"the table and the page are in {arguments.out}: {names}"]))
    return DONE
