"""The trial of the planted effect: one small seed from the painter to the table, and the arithmetic of its intervals."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


def command(monkeypatch, *arguments):
    import planted_effect

    monkeypatch.setattr(sys, "argv", ["planted_effect.py", *map(str, arguments)])
    return planted_effect.main()


@pytest.mark.slow
@pytest.mark.long
def test_small_trial_goes_from_painter_to_table_and_is_not_run_twice(tools, tmp_path, monkeypatch, capsys):
    import planted_effect

    tool = [sys.executable, str(TOOLS / "planted_effect.py"), "--out", str(tmp_path), "--small", "--workers", "1"]
    printed = subprocess.run(tool, check=True, capture_output=True, text=True, env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"}).stdout
    assert "| contrastive-permuted |" in printed and "Δ to the control" in printed
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert set(scores["arm"]) == {"base", "control", "direct-true", "direct-permuted", "contrastive-true", "contrastive-permuted"}
    assert set(scores["measure"]) == {"genes", "programmes", "proliferation", "immune", "gland", "necrosis"}
    assert scores["value"].between(-1, 1).all()

    monkeypatch.setattr(planted_effect, "finish", None)  # a finished training is not run again
    assert command(monkeypatch, "--out", tmp_path, "--small", "--workers", 1) == 0
    assert command(monkeypatch, "--out", tmp_path, "--small", "--workers", 1, "--steps", 3) == 2
    assert "holds a trial with other settings" in capsys.readouterr().err


def test_arms_differ_from_the_control_in_their_objective_alone(tools, tmp_path):
    from planted_recipe import CONTROL, TUNED, Settings, training

    def of(arm):
        return training(arm, Settings(), tmp_path / "cohort", tmp_path / "base", 3)

    control = of(CONTROL)
    for arm in TUNED:
        changes = {name: getattr(control, name) for name in ("objective", "pairing", "panel", "residual")}
        assert of(arm).replace(**changes) == control
        assert of(arm).pairing == arm.pairing


def test_interval_is_that_of_students_t(tools):
    from planted_table import interval

    values = np.array([0.02, 0.05, -0.01, 0.04, 0.03])
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values)[1:] == pytest.approx(tuple(expected))
    assert np.isnan(interval(values[:1])[1])


def test_verdict_asks_for_gain_on_true_pairing_and_for_none_on_permuted(tools):
    from planted_recipe import Arm
    from planted_table import met

    gain, noise = np.array([0.05, 0.06, 0.07]), np.array([0.05, -0.06, 0.01])
    assert "yes" in met(gain, Arm("direct", "true")) and "no" in met(noise, Arm("direct", "true"))
    assert "no" in met(gain, Arm("direct", "permuted")) and "yes" in met(noise, Arm("direct", "permuted"))
