"""The words for what a score's flags say; they are made here, last, and never read back."""

from collections.abc import Iterator

import pandas as pd

MISSING = "–"
DAGGER = "†"  # a gain in one fit only
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
    if row.edge:
        one = row.parts == 1
        what = f"{row.setting} {row.chosen:g}" if one else row.setting
        yield f"{what} is at the edge of the grid" + ("" if one else f" in {row.edge} of {row.parts} parts")
    if row.unconverged is not pd.NA and row.unconverged:
        yield "the probe did not converge" if row.parts == 1 else f"the probe did not converge in {row.unconverged} of {row.parts} parts"
    if row.constant_genes:
        yield f"{row.constant_genes} genes with constant truth left out"


def listed(words: list[str]) -> str:
    """For example "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def number(value: float, signed: bool) -> str:
    """One decimal; differences carry their sign, with a real minus, and a rounded zero has none."""
    text = f"{value:+.1f}" if signed else f"{value:.1f}"
    if float(text) == 0:
        text = "0.0"
    return text.replace("-", "−")
