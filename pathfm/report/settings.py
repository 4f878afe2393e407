"""The configs behind the runs: in what a tuned run differs from its base, and what all share."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pathfm.errors import InputError
from pathfm.files import read_json
from pathfm.report.figures import Named
from pathfm.report.words import MISSING

TITLES = {"training_config": "Settings of training", "config": "Settings of evaluation"}


def settings(runs: Sequence[Named]) -> list[dict]:
    """A block for training and one for evaluation: columns (the runs that brought a config), rows that differ, rows that are shared."""
    blocks = []
    for kind, title in TITLES.items():
        paths = {run.name: getattr(run.evaluation.files, kind) for run in runs}
        found = {name: flattened(_config(path)) for name, path in paths.items() if path.is_file()}
        if found:
            blocks.append(_block(title, found))
    return blocks


def _config(path: Path) -> Mapping[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"{path} is not a config; evaluate again")
    return values


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Key with its path (`optimizer.rate`) → its value in words; of paths in the file system only the last name."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flattened(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = _words(value)
    return found


def _words(value: Any) -> str:
    if isinstance(value, str):
        last = value.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return MISSING if not value else value if last == value else f"…/{last}"
    return MISSING if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)


def _block(title: str, found: Mapping[str, Mapping[str, str]]) -> dict:
    keys = sorted(_keys(found.values()))
    rows = [(key, [config.get(key, MISSING) for config in found.values()]) for key in keys]
    return {
        "title": title,
        "columns": list(found),
        "differing": [(key, values) for key, values in rows if len(set(values)) > 1],
        "shared": [(key, values[0]) for key, values in rows if len(set(values)) == 1],
    }


def _keys(configs: Iterable[Mapping[str, str]]) -> set[str]:
    return {key for config in configs for key in config}
