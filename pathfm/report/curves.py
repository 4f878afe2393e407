"""How the loss of a training run went: as a share of the loss of a model that has learned nothing, where the run wrote that."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NOTHING = "knowing nothing"
SHARES = {"loss_share": NOTHING, "loss_over_ln_batch": "ln(B)", "loss_over_mean_profile": "mean profile"}
"""Names of the loss as a share of knowing nothing, and what knowing nothing is there: today's, then those that earlier runs wrote."""


@dataclass(frozen=True)
class Curve:
    """What one run wrote while it trained: steps, and losses as shares of the loss of a model that has learned nothing.

    That loss is of each batch's own size, so that training and validation may stand in one plot. Where a run wrote no such shares,
    the losses themselves, and no `nothing`.
    """

    training: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    nothing: str  # "knowing nothing", "ln(B)", "mean profile", or ""


def training_curve(lines: Sequence[Mapping[str, Any]]) -> Curve:
    """The curve of the lines of metrics.jsonl."""
    for name, nothing in SHARES.items():
        if any(name in line for line in lines):
            return Curve(_series(lines, name), _series(lines, f"validation_{name}"), nothing)
    return Curve(_series(lines, "loss"), _series(lines, "validation_loss"), "")


def validation_shares(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, float]]:
    """(step, loss on validation patients as a share of knowing nothing) of the lines that have one."""
    for line in lines:
        value = next((line[f"validation_{name}"] for name in SHARES if f"validation_{name}" in line), None)
        if value is not None:
            yield line["step"], value


def _series(lines: Sequence[Mapping[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    found = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
    return np.array([step for step, _ in found]), np.array([value for _, value in found], float)
