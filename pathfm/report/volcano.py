"""Genes as a picture: how much each changed against how sure that is; the surest are named when pointed at or reached by the keyboard."""

from collections.abc import Sequence

import numpy as np

from pathfm.files import digest
from pathfm.report import plots
from pathfm.report.figures import Drawing, Figure, Key, Point
from pathfm.report.genes import GeneChanges
from pathfm.statistics.correlation import LEVEL
from pathfm.tasks.fits import FITS

MOST_NAMED = 40  # of a panel
LEAST_P = 1e-16  # smaller ones are drawn here
REST, BETTER, WORSE = range(3)
LOOKS = {REST: ("o", 6, 0.45), BETTER: ("^", 20, 0.9), WORSE: ("v", 20, 0.9)}  # marker, area, opacity
SERIES = {BETTER: 3, WORSE: 8}  # colours of the page
CAPTION = (
    "Each point is a gene: the change of its r within cancer type against the evidence for a change, −log10 of p. p is two-sided, from the "
    "paired difference over the units of the table’s intervals (one hospital, or patient, left out at a time). Coloured: a false discovery "
    "rate below 5 % among the genes of the panel (Benjamini and Hochberg); the dashed line, where there is one, is the p at which that "
    "begins. Point at a gene, or step through the surest {named} of a panel with Tab and the arrow keys, to name it; genes.parquet has all."
)


def volcano_figure(changes: Sequence[GeneChanges]) -> Figure | None:
    """A panel for each comparison, all on one scale; None where there is none."""
    if not changes:
        return None
    widest = 1.08 * max(max(float(np.nanmax(np.abs(one.differences.change))) for one in changes), 1e-3)
    highest = 1.08 * max(max(float(np.nanmax(_evidence(one))) for one in changes), 2.0)
    keys = (Key("▲", SERIES[BETTER], "better"), Key("▼", SERIES[WORSE], "worse"), Key("•", 0, "not told from no change"))
    return Figure(CAPTION.format(named=MOST_NAMED), tuple(_panel(one, widest, highest) for one in changes), keys)


def _panel(one: GeneChanges, widest: float, highest: float) -> Drawing:
    better, worse, genes = int(one.better.sum()), int(one.worse.sum()), int(one.there.sum())
    drawing, points = _drawn(one, widest, highest)
    title = f"{one.run}, {FITS[one.fit].label}: {better:,} genes better, {worse:,} worse of {genes:,}"
    strongest = ", ".join(point.words for point in points[:5])
    alt = f"Change of r of {genes:,} genes against the evidence for it. The surest: {strongest}."
    return Drawing(title, drawing, alt, points=points)


def _drawn(one: GeneChanges, widest: float, highest: float) -> tuple[str, tuple[Point, ...]]:
    change, evidence = one.differences.change, _evidence(one)
    kinds = np.where(one.better, BETTER, np.where(one.worse, WORSE, REST))
    pixels = int(one.there.sum()) > plots.MOST_VECTOR_POINTS
    with plots.axes(plots.PANEL[0], plots.PANEL[0] * 0.95) as ax:
        ax.axvline(0, color=plots.MUTED, linewidth=1)
        for kind, (marker, area, opacity) in LOOKS.items():
            rows = one.there & (kinds == kind)
            colour = _colour(kind, pixels)
            ax.scatter(change[rows], evidence[rows], s=area, marker=marker, color=colour, alpha=opacity, linewidths=0, rasterized=pixels)
        if (one.better | one.worse).any():
            ax.axhline(evidence[one.better | one.worse].min(), color=plots.MUTED, linewidth=1, linestyle="--")
        ax.set(xlabel="Δ r, tuned − base", ylabel="evidence, −log10 p", xlim=(-widest, widest), ylim=(0, highest))
        text = plots.svg(ax)
        box = ax.get_position()  # as it was drawn
    left = 100 * (box.x0 + box.width * (change + widest) / (2 * widest))
    top = 100 * (1 - box.y0 - box.height * evidence / highest)
    group = f"gene-{digest([one.run, one.fit, text])[:8]}"
    surest = np.lexsort((-np.abs(change), -evidence))  # NaN last
    named = [gene for gene in surest if one.there[gene]][:MOST_NAMED]
    return text, tuple(Point(group, f"{left[gene]:.2f}", f"{top[gene]:.2f}", _words(one, gene)) for gene in named)


def _evidence(one: GeneChanges) -> np.ndarray:
    return -np.log10(np.maximum(one.differences.p, LEAST_P))


def _colour(kind: int, pixels: bool) -> str:
    if kind == REST:
        return "#8a929b" if pixels else plots.MUTED
    return (plots.PIXEL_COLOURS if pixels else plots.SERIES)[SERIES[kind] - 1]


def _words(one: GeneChanges, gene: int) -> str:
    found = one.differences
    change = f"{found.change[gene]:+.3f}".replace("-", "−")
    ends = " to ".join(f"{side[gene]:.3f}".replace("-", "−") for side in (found.before, found.after))
    q = found.q[gene]
    return f"{one.symbols[gene]} {change} ({ends}), q {f'{q:.2g}' if q < LEVEL else f'{q:.2f}'}"
