"""Who may import whom, as pyproject.toml says it."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_imports_go_one_way():
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    process = subprocess.run(command, cwd=Path(__file__).resolve().parents[1], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
