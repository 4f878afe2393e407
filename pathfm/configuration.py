"""Configs: Python files with `get_config(arg)`, overridden by flags, checked against frozen dataclasses, kept as JSON.

This module and everything it imports answer before jax is imported, so that help and mistakes come back at once.
"""

import argparse
import ast
import dataclasses
import difflib
import json
import runpy
import types
import typing
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pathfm.errors import DONE, InputError, guarded

T = TypeVar("T")


def start(module: str, argv: list[str]) -> int:
    """Runs `module.run(config, workdir)` as the command line asks; exit codes 0, 2 and 75 as in `pathfm.errors`.

    The dataclass of the config is `SCHEMAS[module]`; the module itself is imported once the config has been found right.
    """
    command = f"python -m {module}"

    def work() -> int:
        if any(argument in ("-h", "-help", "--help", "--helpfull") for argument in argv):
            print(usage(module))
            return DONE
        left = import_module("pathfm.training.joining").without_joining_flags(argv) if module == "pathfm.train" else argv
        config, workdir = parse(left, command, schema_of(module))
        import_module(module).run(config, workdir)
        return DONE

    return guarded(work, command)


def schema_of(module: str) -> type:
    """The dataclass that a program's config must fit."""
    path, name = {
        "pathfm.train": ("pathfm.training.config", "TrainConfig"),
        "pathfm.evaluate": ("pathfm.evaluation.config", "EvaluateConfig"),
    }[module]
    return getattr(import_module(path), name)


def usage(module: str) -> str:
    lines = [
        f"usage: python -m {module} --config FILE[:ARGUMENT] --workdir DIR [--config.KEY=VALUE …]",
        "",
        "FILE is a Python file with get_config(); see configs/. Only this file is executed. The keys:",
        "",
    ]
    if module == "pathfm.train":
        lines[1:1] = [" " * 7 + "[--coordinator HOST:PORT --processes N --process-id K] [--join-timeout SECONDS]"]
    return "\n".join(lines + [f"  --config.{name}={default}" for name, default in _keys(schema_of(module))])


def _keys(schema: type, prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for field in dataclasses.fields(schema):
        if dataclasses.is_dataclass(field.type):
            found += _keys(field.type, f"{prefix}{field.name}.")
        else:
            found.append((prefix + field.name, "…" if field.default is dataclasses.MISSING else str(field.default)))
    return found


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
    """What `get_config` of the config file `FILE[:ARGUMENT]` returns, as nested dictionaries."""
    path, _, argument = file.partition(":")
    try:
        get_config = runpy.run_path(path)["get_config"]
        return (get_config(argument) if argument else get_config()).to_dict()
    except FileNotFoundError as error:
        raise InputError(f"there is no config file {path}; the recipes lie in configs/") from error
    except Exception as error:  # whatever the user's own file raises
        raise InputError(f"the config file {path} fails: {type(error).__name__}: {_first_line(error)}") from error


def overridden(values: dict[str, Any], overrides: list[str], schema: type, command: str) -> dict[str, Any]:
    """`values` with the flags `--config.KEY=VALUE` applied; a value is read by the type that the schema gives its key."""
    from_dict(_optional(schema), values)
    for flag in overrides:
        key, equals, text = flag.partition("=")
        if not key.startswith("--config.") or not equals:
            raise InputError(f"unexpected argument {flag!r}; settings are written --config.KEY=VALUE, see {command} --help")
        path = key.removeprefix("--config.").split(".")
        kind = _kind(path, schema)
        group = values
        for part in path[:-1]:
            group = group.setdefault(part, {})
        group[path[-1]] = _converted(kind, _literal(kind, text, ".".join(path)), ".".join(["config", *path]))
    return values


def _kind(path: list[str], schema: Any, where: str = "config") -> Any:
    """The type of the key that `path` names; InputError when the schema has none."""
    known = {field.name: field.type for field in dataclasses.fields(schema)}
    if path[0] not in known:
        raise InputError(_unknown(path[0], known, where))
    if len(path) == 1:
        return known[path[0]]
    if not dataclasses.is_dataclass(known[path[0]]):
        raise InputError(f"{where}.{path[0]} is a value, not a group of keys")
    return _kind(path[1:], known[path[0]], f"{where}.{path[0]}")


def _literal(kind: Any, text: str, where: str) -> Any:
    if kind is str:
        return text
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        raise InputError(f"config.{where}={text} is not a value of type {getattr(kind, '__name__', kind)}") from None


def _optional(schema: type) -> type:
    """The schema with nothing required: a config file may leave to the flags what only the user knows."""
    return dataclasses.make_dataclass(
        schema.__name__,
        [
            (
                field.name,
                _optional(field.type) if dataclasses.is_dataclass(field.type) else field.type,
                dataclasses.field(default=None),
            )
            for field in dataclasses.fields(schema)
        ],
        frozen=True,
    )


def _unknown(key: str, known, where: str) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key {where}.{key}" + (f"; did you mean {where}.{near[0]}?" if near else f"; known are {', '.join(known)}")


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error.args[0] if error.args else error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def from_dict(schema: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """The dataclass `schema` filled from nested mappings; an unknown key, a missing one or another type is an InputError."""
    fields = {field.name: field for field in dataclasses.fields(schema)}
    for key in values:
        if key not in fields:
            raise InputError(_unknown(key, fields, where))
    arguments = {}
    for name, field in fields.items():
        if name not in values:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise InputError(f"{where}.{name} is missing; give it with --{where}.{name}=…")
            continue
        arguments[name] = _converted(field.type, values[name], f"{where}.{name}")
    try:
        return schema(**arguments)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _converted(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise InputError(f"{where} is a group of keys, not {value!r}")
        return from_dict(kind, value, where)
    origin = typing.get_origin(kind)
    if origin is tuple and isinstance(value, list | tuple):
        inner = typing.get_args(kind)[0]
        return tuple(_converted(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _converted(typing.get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    allowed = typing.get_args(kind) if origin in (types.UnionType, typing.Union) else (kind,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, tuple(a for a in allowed if isinstance(a, type))) and (bool in allowed or not isinstance(value, bool)):
        return value
    names = " or ".join(getattr(a, "__name__", str(a)) for a in allowed)
    raise InputError(f"{where} must be of type {names}, not {value!r}")


def to_json(config: Any) -> str:
    """The config as JSON, the one form in which a run keeps it."""
    return json.dumps(dataclasses.asdict(config), indent=2, sort_keys=True) + "\n"
