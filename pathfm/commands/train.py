"""The same as `python -m pathfm.train`; `pathfm train --config FILE --workdir DIR`."""

HELP = "fine-tune an image tower, or train one, by a config"
PASSES_ARGUMENTS_ON = True


def add_arguments(parser) -> None:
    """Every argument belongs to the config; see `python -m pathfm.train --help`."""


def run(arguments) -> int:
    from pathfm.settings.command_line import start

    return start("pathfm.train", arguments.rest)
