"""Public benchmarks: list them, say how a download must lie on disk, and prepare one.

Without a further word it lists every benchmark with its licence, size and source, and whether it is prepared below --out. Nothing is
downloaded: who wants a benchmark gets it from its publisher, under the publisher's terms. `prepare` turns the download into ArrayRecord
files that TensorFlow Datasets and `python -m pathfm.evaluate` read. Stopped, it is begun anew by the same command.
"""

from pathlib import Path

HELP = "list public benchmarks, prepare a download of one"
OUT = "benchmarks"


def add_arguments(parser) -> None:
    parser.add_argument("--out", type=Path, default=Path(OUT), metavar="DIR", help=f"where benchmarks are prepared (default: {OUT})")
    actions = parser.add_subparsers(dest="action", metavar="{prepare,show}")
    show = actions.add_parser("show", help="all that is known of one benchmark, and the layout of its download")
    show.add_argument("name", metavar="NAME")
    prepare = actions.add_parser("prepare", help="a download into files that are read fast")
    prepare.add_argument("name", metavar="NAME", help="bach, pcam, mhist, crc_msi, crc_9 or tcga_uniform")
    prepare.add_argument("folder", type=Path, metavar="FOLDER", help="the download, unpacked")
    prepare.add_argument("--out", type=Path, default=None, metavar="DIR", dest="prepare_out", help=f"(default: {OUT})")
    prepare.add_argument("--subset", action="store_true", help="take what is there, though the publisher's has more, or other sizes")


def run(arguments) -> int:
    from pathfm.benchmarks import BENCHMARKS
    from pathfm.errors import DONE, InputError, stopping_on_sigterm

    name = getattr(arguments, "name", None)
    if name is not None and name not in BENCHMARKS:
        raise InputError(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    if arguments.action == "prepare":
        from pathfm.benchmarks.preparing import prepare
        from pathfm.progress import say

        with stopping_on_sigterm():
            folder = prepare(BENCHMARKS[name], arguments.folder, arguments.prepare_out or arguments.out, arguments.subset)
        say(f"done: {folder}; next: python -m pathfm.evaluate … --config.benchmarks.{name}={folder}")
    elif arguments.action == "show":
        print("\n".join(f"{fact:<9}  {value}" for fact, value in facts(BENCHMARKS[name]).items()))
    else:
        from pathfm.commands.columns import columns

        print(columns(HEAD, [row(known, arguments.out) for known in BENCHMARKS.values()]))
    return DONE


HEAD = ("name", "images", "pixels", "µm/px", "classes", "unit", "licence", "to download", "status", "from")


def facts(known) -> dict[str, str]:
    """Everything that is known of a benchmark, in words."""
    about = {"name": known.name, "title": f"{known.title} ({known.paper})", "classes": ", ".join(known.classes), "unit": known.unit}
    about |= {"licence": known.licence, "from": known.source, "on disk": known.layout}
    for release, size in known.releases.items():
        images = ", ".join(f"{role} {count:,}" for role, count in size.images.items())
        about[release or "images"] = f"{images}; {size.pixels[0]} × {size.pixels[1]} px at {size.mpp:g} µm/px"
    return about


def row(known, out: Path) -> tuple[str, ...]:
    sizes = list(known.releases.values())
    gigabytes = [size.gigabytes for size in sizes]
    return (
        known.name,
        " or ".join(f"{count:,}" for count in known.total.values()),
        " or ".join(f"{size.pixels[0]} × {size.pixels[1]}" for size in sizes),
        " or ".join(dict.fromkeys(f"{size.mpp:g}" for size in sizes)),
        str(len(known.classes)),
        known.unit,
        known.licence,
        "?" if None in gigabytes else f"{sum(gigabytes):g} GB",
        status(known, out),
        known.source,
    )


def _unlike(known, notes: dict) -> str:
    """In what a prepared benchmark that lacks something is unlike the published one."""
    return "a part" if notes["images"] < known.total[notes["release"]] else "resized"


def status(known, out: Path) -> str:
    """What `prepare` has left of a benchmark below `out`."""
    from pathfm.benchmarks.prepared import NOTES, Place, prepared_folders
    from pathfm.files import read_json

    words = []
    for folder in prepared_folders(known, out):
        notes = read_json(folder / NOTES)
        part = f"({notes['images']:,} images, {_unlike(known, notes)})" if notes["lacking"] else ""
        words.append(" ".join(filter(None, ("prepared", notes["release"], part))))
    unfinished = [release for release in known.releases if Place(out, known.name, release).partial.exists()]
    words += [" ".join(filter(None, ("unfinished", release))) for release in unfinished]
    return ", ".join(words) or "not prepared"
