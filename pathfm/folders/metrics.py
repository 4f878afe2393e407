"""`metrics.jsonl`: a JSON object a line, each with its step; a value that is not finite is null."""

import json
from pathlib import Path
from typing import Any

from pathfm.errors import InputError


def metric_lines(path: Path) -> list[str]:
    """The whole lines of the file, none where there is no file; a last line that a kill cut short is left out."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of the file in their order; InputError when one is not a JSON object."""
    lines = []
    for number, line in enumerate(metric_lines(path), start=1):
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}, is not JSON: {error}") from error
        if not isinstance(values, dict) or not isinstance(values.get("step"), int):
            raise InputError(f"{path}, line {number}, has no step; it is not a line of metrics")
        lines.append(values)
    return lines
