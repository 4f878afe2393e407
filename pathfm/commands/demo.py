"""Writes a planted demo world as a user would find it on disk: slides, GDC RNA files, sheets, clinical data, mutations, benchmarks.

Hidden programmes of each patient drive both the picture and the expression; DIR/truth.parquet holds them. The same --patients and
--seed give the same bytes. Run again, it makes what is missing.
"""

HELP = "write a planted demo world: slides, RNA files, labels, benchmarks"


def add_arguments(parser) -> None:
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--patients", type=int, default=96, help="how many patients (default 96)")
    parser.add_argument("--seed", type=int, default=0, help="which world (default 0)")
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one for each core that may be used)")


def run(arguments) -> int:
    import os
    from pathlib import Path

    # A process paints on one core: set before NumPy is imported, for the processes that it starts as well.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pathfm.demo.folder import BENCHMARKS, write_world
    from pathfm.errors import DONE, InputError
    from pathfm.machine import cores
    from pathfm.progress import say

    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"--workers is {arguments.workers}; give 1 or more")
    out = Path(arguments.out)
    world = write_world(out, arguments.patients, arguments.seed, arguments.workers or cores())
    projects = world.people["project"].str.removeprefix("TCGA-").value_counts().sort_index()
    patients = f"{len(world.people)} patients ({', '.join(f'{name} {count}' for name, count in projects.items())})"
    files = f"{len(world.slides)} slides, {len(world.aliquots)} RNA files and the benchmarks {', '.join(BENCHMARKS)}"
    say(f"demo: {out} holds {patients} of {len(world.hospitals)} hospitals: {files}")
    say(f"next: pathfm tile {out / 'slides'} --cohort COHORT --tile 96")
    return DONE
