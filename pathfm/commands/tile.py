"""Cuts whole-slide images into tile records of a cohort folder.

SLIDES are files, folders (searched with all below them, links followed) or quoted globs. A slide level within 3 % of --mpp is read as
it is, a finer one is area-averaged, a coarser slide is refused. A slide that cannot be tiled and a file that is no slide yet are listed
with the reason, and the rest goes on; run the same command again to go on after a stop. Several jobs may tile different slides into one
cohort at the same time. Exit code 0 when any slide is done, else 2.
"""

from pathlib import Path

HELP = "whole-slide images into tile records"


def add_arguments(parser) -> None:
    parser.add_argument("slides", nargs="+", metavar="SLIDES", help="files, folders or globs")
    parser.add_argument("--cohort", required=True, type=Path, metavar="DIR", help="the cohort folder; made when there is none")
    parser.add_argument("--mpp", type=float, default=0.5, help="µm per pixel of a tile (default 0.5)")
    parser.add_argument("--tile", type=int, default=224, help="pixels of a tile's edge (default 224)")
    parser.add_argument("--min-tissue", type=float, default=0.5, help="least share of tissue in a tile, 0 to 1 (default 0.5)")
    parser.add_argument("--mpp-override", type=Path, metavar="FILE", help="CSV slide,mpp: µm per pixel that the file does not tell")
    parser.add_argument("--slides-table", type=Path, metavar="FILE", help="CSV slide,patient,sample,site: for names without a TCGA barcode")
    parser.add_argument("--workers", type=int, metavar="N", help="slides at a time (default: one for each core that may be used)")
    parser.add_argument("--engine", default="local", metavar="NAME", help="where slides are tiled: local (processes), threads, serial")


def run(arguments) -> int:
    from pathfm.cohort.folder import CohortFolder
    from pathfm.cohort.overlap import no_overlap
    from pathfm.cohort.pairing import listing
    from pathfm.engines import engine
    from pathfm.errors import DONE, WRONG_INPUT, stopping_on_sigterm
    from pathfm.machine import cores
    from pathfm.progress import say
    from pathfm.slides import finding, table, tiling
    from pathfm.slides.reader import MICROSCOPES
    from pathfm.slides.tiler import Settings

    check(arguments)
    chosen = engine(arguments.engine, arguments.workers or cores())
    folder = CohortFolder(arguments.cohort)
    with stopping_on_sigterm():
        found = finding.find_slides(arguments.slides, besides=(folder.root / "tiles", folder.root / "thumbnails"))
        for line in listing(found.left_out, "tile: files"):
            say(line)
        overrides = table.read_overrides(arguments.mpp_override) if arguments.mpp_override else {}
        owners = table.read_owners(arguments.slides_table) if arguments.slides_table else {}
        paths = [path for same in found.slides.values() for path in same]
        for file, names in ((arguments.mpp_override, overrides), (arguments.slides_table, owners)):
            if strangers := table.unknown(names, paths):
                say(f"tile: {file} names {len(strangers)} slides that were not given, such as {strangers[0]}")
        low, high = MICROSCOPES
        if strange := [name for name, mpp in overrides.items() if not low <= mpp <= high]:
            say(
                f"tile: {arguments.mpp_override} gives {len(strange)} slides a µm/px outside {low:g} to {high:g}, "
                f"such as {strange[0]}: {overrides[strange[0]]:g}; it is taken as given"
            )
        patients = {table.identity(name, table.lookup(owners, same[0]))["patient"] for name, same in found.slides.items()} - {None}
        if warning := no_overlap(patients, "the slides", folder, replaces=folder.slides):
            say(f"tile: warning: {warning}")
        settings = Settings(arguments.mpp, arguments.tile, arguments.min_tissue)
        rows = tiling.tile_all(folder, found.slides, settings, chosen, overrides, owners)
        tiling.note_step(folder, settings, {"mpp_override": arguments.mpp_override, "slides_table": arguments.slides_table})
    tiling.report(rows)
    return DONE if any(row["status"] == "done" for row in rows) else WRONG_INPUT


def check(arguments) -> None:
    """Raises InputError for a number out of its range."""
    from pathfm.errors import InputError

    for flag, value, low, high in (
        ("--mpp", arguments.mpp, 0.05, 100),
        ("--tile", arguments.tile, 16, 4096),
        ("--min-tissue", arguments.min_tissue, 0, 1),
        ("--workers", arguments.workers, 1, 4096),
    ):
        if value is not None and not low <= value <= high:
            raise InputError(f"{flag} is {value}; it must lie between {low} and {high}")
    if arguments.cohort.exists() and not arguments.cohort.is_dir():
        raise InputError(f"--cohort {arguments.cohort} is a file; give a folder")
