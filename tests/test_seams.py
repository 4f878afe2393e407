"""What a part must not know of another, beyond who imports whom."""

import re
from pathlib import Path

import pytest

from pathfm.settings.terms import TermSettings

PACKAGE = Path(__file__).resolve().parents[1] / "pathfm"


def lines_with(expression, *places):
    files = [PACKAGE / place if place.endswith(".py") else PACKAGE / place / "**" / "*.py" for place in places]
    files = [file for pattern in files for file in sorted(PACKAGE.glob(str(pattern.relative_to(PACKAGE)))) if file.suffix == ".py"]
    found = [(file.relative_to(PACKAGE), line) for file in files for line in file.read_text().splitlines()]
    assert found
    return [f"{name}: {line}" for name, line in found if re.search(expression, line)]


def test_no_modality_is_named_in_the_way_from_data_to_step():
    assert lines_with(r"""["']expression["']""", "input", "training", "modalities", "train.py") == []


@pytest.mark.parametrize("name", TermSettings.kinds)
def test_no_objective_is_named_outside_objectives_and_settings(name):
    places = [place.name for place in PACKAGE.iterdir() if place.suffix == ".py" or (place / "__init__.py").exists()]
    others = [place for place in places if place not in ("objectives", "settings")]
    named = lines_with(rf"""[=!]= *["']{name}["']|in \([^)]*["']{name}["']""", *others)
    assert [line for line in named if 'source == "cohort"' not in line] == []


def test_no_settings_are_any():
    assert lines_with(r"(config|settings): Any", "objectives", "training", "input", "train.py") == []
