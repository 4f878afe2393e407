"""The commands of the console script `pathfm`, one light file each.

A command's module imports nothing heavy at its top: `pathfm --help` must answer at once. It offers `HELP` (one line),
`add_arguments(parser)` and `run(arguments) -> exit code`; what it needs, it imports inside `run`.
"""

NAMES = (
    "demo",
    "tile",
    "expression",
    "vectors",
    "labels",
    "cohort",
    "zoo",
    "benchmarks",
    "import",
    "verify",
    "train",
    "blend",
    "evaluate",
    "report",
    "export",
    "ask",
)
