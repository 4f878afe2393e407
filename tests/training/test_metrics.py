"""Metrics of a run: TensorBoard's events are written without the libraries that their writer knows as well."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from pathfm.training.metrics import summary_writer
with summary_writer(Path(sys.argv[1]), None) as writer:
    writer.add_scalar("loss", 0.5, 3)
assert "torch" not in sys.modules
import torch
"""


@pytest.mark.slow
def test_torch_is_not_waited_for_and_can_be_imported_afterwards(tmp_path):
    (tmp_path / "torch.py").write_text("print('torch was imported')\n")
    search = [str(Path(__file__).parents[2]), str(tmp_path)]
    program = [sys.executable, "-c", f"import sys; sys.path[:0] = {search}\n{PROGRAM}", str(tmp_path / "events")]
    said = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "torch was imported\n"), said.stderr
    assert list((tmp_path / "events").glob("events.out.tfevents.*"))
