"""The figures of a report: from the files of evaluation folders to panels with titles, captions and words for who cannot see them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pathfm.folders.metrics import read_metrics
from pathfm.report import plots
from pathfm.report.curves import NOTHING, Curve, training_curve
from pathfm.report.evaluations import Evaluation
from pathfm.statistics.correlation import pearson
from pathfm.tasks.fits import SPLIT

FEWEST_PATIENTS = 10  # of whom a correlation is drawn


@dataclass(frozen=True)
class Named:
    """An evaluation under the name by which the table calls it."""

    name: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Point:
    """A place of a drawing that says something when it is pointed at or reached by the keyboard."""

    group: str  # the same for all points of a drawing, and no other's
    left: str  # % of the drawing's width
    top: str  # % of its height
    words: str


@dataclass(frozen=True)
class Drawing:
    title: str
    svg: str
    alt: str
    wide: bool = False
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a glyph, the number of its colour on the page (0: grey), what it stands for."""

    glyph: str
    series: int
    label: str


@dataclass(frozen=True)
class Figure:
    caption: str
    panels: tuple[Drawing, ...]
    keys: tuple[Key, ...] = ()


def training_figure(runs: Sequence[Named]) -> Figure | None:
    """A panel of curves for each run that brought its training metrics; None when none did."""
    panels = []
    for run in runs:
        path = run.evaluation.files.metrics
        if not path.is_file():
            continue
        curve = training_curve(read_metrics(path))
        if len(curve.training[0]) or len(curve.validation[0]):
            panels.append(Drawing(run.name, plots.curve_panel(curve), f"Loss over steps of {run.name}. {_ends(curve)}"))
    if not panels:
        return None
    caption = (
        "Loss on training patients and on the split's validation patients, as a share of the loss at which nothing has been learned: ln(B) "
        "of a batch of B pairs for a contrastive run, the loss of the mean profile for a direct one. A curve that stays at 1 learned "
        "nothing; training far below validation means memorised pairs."
    )
    return Figure(caption, tuple(panels))


def _ends(curve: Curve) -> str:
    sentences = []
    for name, (steps, losses) in (("Training", curve.training), ("Validation", curve.validation)):
        if len(steps):
            sentences.append(f"{name} loss goes from {losses[0]:.3g} at step {steps[0]} to {losses[-1]:.3g} at step {steps[-1]}.")
    if curve.nothing:
        which = "" if curve.nothing == NOTHING else f" ({curve.nothing})"
        sentences.append(f"A line at 1 marks the loss of knowing nothing{which}.")
    return " ".join(sentences)


def expression_figures(base: Named, tuned: Sequence[Named]) -> list[Figure]:
    """How well genes are predicted with a base and its tuned runs: distributions of r, and each gene's change.

    Empty when expression was evaluated for the base alone, or not at all.
    """
    found = {run.name: r for run in (base, *tuned) if (r := gene_correlations(run.evaluation)) is not None}
    if base.name not in found or len(found) < 2:
        return []
    there = ~np.isnan(np.stack(list(found.values()))).any(axis=0)
    if not there.any():
        return []
    before = found[base.name][there]
    changes = {name: r[there] for name, r in found.items() if name != base.name}
    largest = 1.08 * max(max(float(np.abs(r - before).max()) for r in changes.values()), 1e-3)
    means = "; ".join(
        f"{name}: mean {r.mean():.3f}, from {r.min():.2f} to {r.max():.2f}" for name, r in ((base.name, before), *changes.items())
    )
    distribution = Drawing(
        f"{base.name} and what was tuned from it",
        plots.correlation_panel([(base.name, before), *changes.items()]),
        f"Distribution of r over {len(before):,} genes. {means}.",
        wide=True,
    )
    scatters = tuple(
        Drawing(
            f"{name}: better in {np.mean(after > before):.0%} of genes",
            plots.change_panel(before, after, (-largest, largest)),
            f"Each gene's r with the base against its change by {name}; mean change {np.mean(after - before):+.3f}.",
        )
        for name, after in changes.items()
    )
    return [
        Figure(
            f"Pearson r between predicted and measured expression of each of {len(before):,} genes; a thin line marks the mean.",
            (distribution,),
        ),
        Figure("Each point is a gene. Solid line: no change. Dashed line: the mean change.", scatters),
    ]


def gene_correlations(evaluation: Evaluation) -> np.ndarray | None:
    """[genes]: r over the test patients of the split's fit, joined over folds by Fisher z; None without predictions."""
    if evaluation.expression is None:
        return None
    table = evaluation.expression[(evaluation.expression.obs["fit"] == SPLIT.name).to_numpy()]
    if table.n_obs < FEWEST_PATIENTS:
        return None
    return pearson(np.asarray(table.X), np.asarray(table.layers["truth"]), np.asarray(table.obs["fold"]))
