"""The console script `pathfm`: it finds the command, and imports nothing heavy before it knows which one runs."""

import argparse
import sys
from importlib import import_module

from pathfm import __version__, commands
from pathfm.errors import guarded

DESCRIPTION = "Enhance pathology foundation models with transcriptomics, and show whether it helped."


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 where `verify` says no, 2 for wrong usage or input, 75 when stopped early and resumable."""
    parser = argparse.ArgumentParser(prog="pathfm", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"pathfm {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    modules = {name: import_module(f"pathfm.commands.{name}") for name in commands.NAMES}
    for name, module in modules.items():
        passes_on = getattr(module, "PASSES_ARGUMENTS_ON", False)
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            add_help=not passes_on,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
    arguments, rest = parser.parse_known_args(argv)
    module = modules[arguments.command]
    if rest and not getattr(module, "PASSES_ARGUMENTS_ON", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    return guarded(lambda: module.run(arguments), f"pathfm {arguments.command}")


if __name__ == "__main__":
    sys.exit(main())
