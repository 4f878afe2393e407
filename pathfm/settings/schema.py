"""Configs as frozen dataclasses: filled from nested mappings with every key and type checked, and written back as JSON."""

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, TypeGuard, TypeVar

from pathfm.errors import InputError

T = TypeVar("T")


class Tagged:
    """Settings of one of several kinds, told apart by their key `name`. A family is a subclass with a dictionary `kinds` of its own."""

    kinds: ClassVar[dict[str, type]]
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # every kind is a dataclass
    short: ClassVar[str] = ""  # the key that a bare number stands for among several groups; a bare word stands for the name

    @classmethod
    def kind(cls, name: Any, where: str) -> type:
        """The schema behind a name; InputError that lists the known ones."""
        if name is None:
            raise InputError(f"{where}.name is missing; known are {', '.join(cls.kinds)}")
        if name not in cls.kinds:
            near = difflib.get_close_matches(str(name), cls.kinds, n=1)
            raise InputError(f"{where}.name is {name!r}; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(cls.kinds)}"))
        return cls.kinds[name]


def from_dict(schema: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """The dataclass `schema` filled from nested mappings; an unknown key, a missing one or another type is an InputError."""
    return _group(schema, values, where, partial=False)


def partial_dict(schema: type, values: Mapping[str, Any], where: str = "config") -> dict[str, Any]:
    """`values` with short forms written out. Refuses what `from_dict` refuses but missing keys: a config may leave some to the flags."""
    return _group(schema, values, where, partial=True)


def _group(schema: type, values: Mapping[str, Any], where: str, partial: bool, tag: str | None = None) -> Any:
    if not isinstance(values, Mapping):
        raise InputError(f"{where} is a group of keys, not {values!r}")
    if issubclass(schema, Tagged) and schema not in schema.kinds.values():
        schema = schema.kind(values.get("name", tag), where)
    fields = {field.name: field for field in dataclasses.fields(schema)}
    for key in values:
        if key not in fields:
            raise InputError(unknown_key(key, fields, where))
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = converted(field.type, values[name], f"{where}.{name}", partial)
        elif not partial and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}.{name} is missing; give it with --{where}.{name}=…")
    if partial:
        return arguments
    try:
        return schema(**arguments)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def converted(kind: Any, value: Any, where: str, partial: bool = False, tag: str | None = None) -> Any:
    """`value` as the type `kind` of the schema; InputError when it is of another. `tag` is the name of a tagged group that names none."""
    if is_group(kind):
        if issubclass(kind, Tagged) and not isinstance(value, Mapping):
            value = {"name": value} if isinstance(value, str) else {kind.short: value} if tag and kind.short else value
        return _group(kind, value, where, partial, tag)
    origin = typing.get_origin(kind)
    if origin is tuple and isinstance(value, list | tuple):
        inner = typing.get_args(kind)[0]
        return tuple(converted(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        inner = typing.get_args(kind)[1]
        return {str(key): converted(inner, item, f"{where}.{key}", partial, tag=str(key)) for key, item in value.items()}
    allowed = typing.get_args(kind) if origin in (types.UnionType, typing.Union) else (kind,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, tuple(a for a in allowed if isinstance(a, type))) and (bool in allowed or not isinstance(value, bool)):
        return value
    names = " or ".join(getattr(a, "__name__", str(a)) for a in allowed)
    raise InputError(f"{where} must be of type {names}, not {value!r}")


def is_group(kind: Any) -> TypeGuard[type]:
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, Tagged))


def kind_of(
    path: list[str], schema: Any, values: Mapping[str, Any], where: str = "config", tag: str | None = None
) -> tuple[Any, str | None]:
    """(type, name of its group where that tells the kind) of the key that `path` names; InputError when there is no such key.

    `values` tell which kinds the groups on the way are of.
    """
    if typing.get_origin(schema) is dict:
        kind, tag = typing.get_args(schema)[1], path[0]
    elif not is_group(schema):
        raise InputError(f"{where} is a value, not a group of keys")
    else:
        if issubclass(schema, Tagged) and schema not in schema.kinds.values():
            schema = named_only() if path == ["name"] else schema.kind(values.get("name", tag), where)
        known = {field.name: field.type for field in dataclasses.fields(schema)}
        if path[0] not in known:
            raise InputError(unknown_key(path[0], known, where))
        kind, tag = known[path[0]], None
    if len(path) == 1:
        return kind, tag
    inner = values.get(path[0])
    return kind_of(path[1:], kind, inner if isinstance(inner, Mapping) else {}, f"{where}.{path[0]}", tag)


def named_only() -> type:
    """The schema of a tagged group before its kind is known: it has a name."""
    return dataclasses.make_dataclass("Named", [("name", str)])


def unknown_key(key: str, known, where: str) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key {where}.{key}" + (f"; did you mean {where}.{near[0]}?" if near else f"; known are {', '.join(known)}")


def unknown_keys(schema: type, values: Mapping[str, Any]) -> set[str]:
    return set(values) - {field.name for field in dataclasses.fields(schema)}


def differing(one: Any, other: Any, besides: type | None = None) -> list[tuple[str, Any, Any]]:
    """(key, value, other value) of the keys in which two configs of one schema differ, but those of the schema `besides`."""
    left_out = {field.name for field in dataclasses.fields(besides)} if besides else set()
    found = []
    for field in dataclasses.fields(one):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name in left_out or ours == theirs:
            continue
        if dataclasses.is_dataclass(ours) and type(ours) is type(theirs):
            found += [(f"{field.name}.{key}", *values) for key, *values in differing(ours, theirs)]
        else:
            found.append((field.name, ours, theirs))
    return found


def listed_keys(schema: type, prefix: str = "") -> list[tuple[str, str]]:
    """(key, default) of all keys of a schema, those of nested groups with their path; of a tagged group each kind's own."""
    if issubclass(schema, Tagged) and schema not in schema.kinds.values():
        named = [(f"{prefix}name", "|".join(schema.kinds))]
        own = [(key, f"{default}  ({name})") for name, kind in schema.kinds.items() for key, default in listed_keys(kind, prefix)]
        return named + [(key, default) for key, default in own if key != f"{prefix}name"]
    found = []
    for field in dataclasses.fields(schema):
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if is_group(field.type):
            found += listed_keys(field.type, f"{prefix}{field.name}.")
        else:
            found.append((prefix + field.name, "…" if default is dataclasses.MISSING else str(default)))
    return found


def differences(config: Any) -> dict[str, Any]:
    """The values that are not the schema's defaults, as plain JSON-like values; a tagged group always with its name.

    A key that a later version adds does not show here until somebody sets it, so what is identified by these values stays identified.
    """
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            if (inner := differences(value)) or field.default_factory is dataclasses.MISSING:
                found[field.name] = inner
        elif isinstance(value, Mapping) and value and all(dataclasses.is_dataclass(item) for item in value.values()):
            found[field.name] = {key: differences(item) for key, item in value.items()}
        else:
            default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            if value != default or (isinstance(config, Tagged) and field.name == "name"):
                found[field.name] = list(value) if isinstance(value, tuple) else value
    return found


def to_json(config: Any) -> str:
    """The config as JSON, every value of it: the one form in which a run keeps it."""
    return json.dumps(dataclasses.asdict(config), indent=2, sort_keys=True) + "\n"
