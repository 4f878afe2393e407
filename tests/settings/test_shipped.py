"""The values of every shipped recipe, as text: a default that changes shows in the difference, and calls for another `DEFAULTS`.

After a change that is meant: PATHFM_PIN=1 pytest tests/settings/test_shipped.py
"""

import os
from pathlib import Path

import pytest

from pathfm.settings.command_line import load, schema_of, shipped
from pathfm.settings.schema import from_dict, to_json
from pathfm.settings.training import DEFAULTS

RESOLVED = Path(__file__).parent / "resolved"


def resolved(name: str) -> str:
    values = load(name)
    if name == "evaluate":
        return to_json(from_dict(schema_of("pathfm.evaluate"), values | {"checkpoint": "RUN", "cohort": "COHORT"}))
    needed = {"cohort": "COHORT"} | ({"init": "BASE"} if name == "anchored" else {})
    return to_json(from_dict(schema_of("pathfm.train"), values | needed))


@pytest.mark.parametrize("name", shipped())
def test_a_recipe_resolves_to_the_values_that_are_written_down(name):
    path = RESOLVED / f"{name}.json"
    if os.environ.get("PATHFM_PIN"):
        path.write_text(resolved(name), encoding="utf-8")
    assert resolved(name) == path.read_text(encoding="utf-8"), f"was a default changed on purpose? DEFAULTS is {DEFAULTS}"


def test_nothing_is_pinned_that_is_not_shipped():
    assert {path.stem for path in RESOLVED.glob("*.json")} == set(shipped())
