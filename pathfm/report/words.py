"""The words for what a score's flags say; they are made here, last, and never read back."""

from collections.abc import Iterator

import pandas as pd

from pathfm.probes.held_out import PARTS

MEAN = "mean Δ"
MISSING = "–"
DAGGER = "†"  # a gain in one fit only
FLOOR = "§"  # a base that is not shown to lie above its floor
DOUBLE_DAGGER = "‡"  # a probe that did not converge
ARROWS = {"": "", "up": "▲", "down": "▼"}
UNCHANGED = "no prediction changed"


def few(count: int) -> str:
    """Where a score would stand if its rarest class had more units."""
    return f"n too small ({count})"


def note_of(row) -> str:
    """All that a row of scores.parquet says beside its value; an empty string where that is nothing."""
    return "; ".join(_notes(row))


def _notes(row) -> Iterator[str]:
    if row.resamples:
        yield f"over {row.resamples} resampled training sets"
        return
    if row.too_small:
        yield few(row.smallest_class)
    if row.left_out:
        yield f"without {row.left_out}"
    if row.sites and not row.parts and not row.too_small:
        yield too_few_hospitals(row.sites)
    if row.edge:
        one = row.parts == 1
        what = f"{row.setting} {row.chosen:g}" if one else row.setting
        yield f"{what} is at the edge of the grid" + ("" if one else f" in {row.edge} of {row.parts} parts")
    if row.unconverged is not pd.NA and row.unconverged:
        yield "the probe did not converge" if row.parts == 1 else f"the probe did not converge in {row.unconverged} of {row.parts} parts"
    if row.constant_genes:
        yield f"{row.constant_genes} genes with constant truth left out"


def too_few_hospitals(count: int) -> str:
    """Why a held-out fit has no number though its classes are large enough."""
    few = f"the scored patients come from {count} {'hospital' if count == 1 else 'hospitals'}"
    return (
        f"{few}, parts of whole hospitals need {PARTS}" if count < PARTS else "its classes lie in too few of the scored patients’ hospitals"
    )


def listed(words: list[str]) -> str:
    """For example "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def number(value: float, signed: bool) -> str:
    """One decimal; differences carry their sign, with a real minus, and a rounded zero has none."""
    text = f"{value:+.1f}" if signed else f"{value:.1f}"
    if float(text) == 0:
        text = "0.0"
    return text.replace("-", "−")
