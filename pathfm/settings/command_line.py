"""`--config FILE --workdir DIR --config.KEY=VALUE …`: a recipe is a Python file with `get_config(arg)`, overridden by flags."""

import argparse
import ast
import os
import runpy
import typing
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pathfm.errors import DONE, InputError, guarded
from pathfm.settings.joining import refuse_copies, without_joining_flags
from pathfm.settings.schema import Tagged, converted, from_dict, is_group, kind_of, listed_keys, partial_dict

T = TypeVar("T")

SCHEMAS = {
    "pathfm.train": ("pathfm.settings.training", "TrainConfig"),
    "pathfm.evaluate": ("pathfm.settings.evaluation", "EvaluateConfig"),
}
PACKAGE = Path(__file__).resolve().parents[1]


def start(module: str, argv: list[str]) -> int:
    """Runs `module.run(config, workdir)` as the command line asks; exit codes 0, 2 and 75 as in `pathfm.errors`.

    The dataclass of the config is that of `SCHEMAS`; the module itself is imported once the config has been found right.
    """
    command = f"python -m {module}"

    def work() -> int:
        if any(argument in ("-h", "-help", "--help", "--helpfull") for argument in argv):
            print(usage(module))
            return DONE
        left = argv
        if module == "pathfm.train":
            left = without_joining_flags(argv)
        else:
            refuse_copies(os.environ)
        config, workdir = parse(left, command, schema_of(module))
        import_module(module).run(config, workdir)
        return DONE

    return guarded(work, command)


def schema_of(module: str) -> type:
    """The dataclass that a program's config must fit."""
    path, name = SCHEMAS[module]
    return getattr(import_module(path), name)


def usage(module: str) -> str:
    lines = [
        f"usage: python -m {module} --config FILE[:ARGUMENT] --workdir DIR [--config.KEY=VALUE …]",
        *(["       [--coordinator HOST:PORT --processes N --process-id K] [--join-timeout SECONDS]"] if module == "pathfm.train" else []),
        "",
        f"FILE is a Python file with get_config(), or the name of a shipped one: {', '.join(shipped())}. Only this file is executed.",
        "The keys:",
        "",
    ]
    return "\n".join(lines + [f"  --config.{name}={default}" for name, default in listed_keys(schema_of(module))])


def parse(argv: list[str], command: str, schema: type[T]) -> tuple[T, Path]:
    """The checked config and the run folder that the arguments ask for; InputError in one sentence for any mistake."""
    parser = argparse.ArgumentParser(prog=command, add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config")
    parser.add_argument("--workdir")
    try:
        arguments, overrides = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise InputError(f"{error}; see {command} --help") from error
    if not arguments.config or not arguments.workdir:
        raise InputError(f"--config and --workdir are both needed; see {command} --help")
    return from_dict(schema, overridden(load(arguments.config), overrides, schema, command)), Path(arguments.workdir)


def load(file: str) -> dict[str, Any]:
    """What `get_config` of the config `FILE[:ARGUMENT]` returns, as nested dictionaries; FILE may be the name of a shipped one."""
    path, _, argument = file.partition(":")
    recipes = shipped()
    if path in recipes and not Path(path).is_file():
        path = str(recipes[path])
    try:
        get_config = runpy.run_path(path)["get_config"]
        return (get_config(argument) if argument else get_config()).to_dict()
    except FileNotFoundError as error:
        raise InputError(f"there is no config file {path}; shipped recipes are {', '.join(recipes)}") from error
    except Exception as error:  # whatever the user's own file raises
        raise InputError(f"the config file {path} fails: {type(error).__name__}: {_first_line(error)}") from error


def shipped() -> dict[str, Path]:
    """Name → file of the recipes in configs/: a wheel has them inside the package, a checkout beside it."""
    folder = next((folder for folder in (PACKAGE / "configs", PACKAGE.parent / "configs") if folder.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*.py"))} if folder else {}


def overridden(values: dict[str, Any], overrides: list[str], schema: type, command: str) -> dict[str, Any]:
    """`values` with the flags `--config.KEY=VALUE` applied; a value is read by the type that the schema gives its key.

    A flag for a whole group, or for its kind, comes before those for its keys.
    """
    values = partial_dict(schema, values)
    flags = [_flag(argument, command) for argument in overrides]
    for path, text in sorted(flags, key=lambda flag: len(flag[0]) - (flag[0][-1] == "name")):
        kind, tag = kind_of(path, schema, values)
        group = values
        for part in path[:-1]:
            group = group.setdefault(part, {})
        group[path[-1]] = _read(kind, text, ".".join(["config", *path]), tag)
    return values


def _flag(argument: str, command: str) -> tuple[list[str], str]:
    key, equals, text = argument.partition("=")
    if not key.startswith("--config.") or not equals:
        raise InputError(f"unexpected argument {argument!r}; settings are written --config.KEY=VALUE, see {command} --help")
    return key.removeprefix("--config.").split("."), text


def _read(kind: Any, text: str, where: str, tag: str | None) -> Any:
    if kind is str or (is_group(kind) and text.isidentifier()):
        return converted(kind, text, where, partial=True, tag=tag)
    try:
        value = ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        if _holds_tagged(kind) and not text.startswith("{"):
            return converted(kind, _listed(text, where), where, partial=True)
        raise InputError(f"{where}={text} is not a value of type {getattr(kind, '__name__', kind)}") from None
    return converted(kind, value, where, partial=True, tag=tag)


def _holds_tagged(kind: Any) -> bool:
    """Whether it is a dictionary of groups that their keys may name, each with a number that stands for it."""
    inner = typing.get_args(kind)[1] if typing.get_origin(kind) is dict else None
    return isinstance(inner, type) and issubclass(inner, Tagged) and bool(inner.short)


def _listed(text: str, where: str) -> dict[str, Any]:
    """`direct,views=0.3` as {"direct": {}, "views": 0.3}."""
    found = {}
    for part in text.split(","):
        name, equals, number = (word.strip() for word in part.partition("="))
        try:
            found[name] = float(number) if equals else {}
        except ValueError:
            raise InputError(f"{where}={text}: {number!r} is not a number; write NAME=NUMBER,NAME=NUMBER") from None
    return found


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error.args[0] if error.args else error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
