"""The same as `python -m pathfm.evaluate`; `pathfm evaluate --config FILE --workdir DIR`."""

HELP = "frozen features, probes and metrics of a checkpoint"
PASSES_ARGUMENTS_ON = True


def add_arguments(parser) -> None:
    """Every argument belongs to the config; see `python -m pathfm.evaluate --help`."""


def run(arguments) -> int:
    from pathfm.settings.command_line import start

    return start("pathfm.evaluate", arguments.rest)
