"""Figures of the report as SVG text that takes its colours from the page, so that one file serves light, dark and paper."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.files import digest
from pathfm.report.curves import Curve

SEED = 0
MOST_PATIENTS = 2000  # in a t-SNE; more are thinned out evenly
MOST_VECTOR_POINTS = 2000  # in a figure; more become pixels
MOST_GROUPS = 10  # as many as there are markers and colours
MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("P", "✚"), ("X", "✖"), ("<", "◀"), (">", "▶"), ("*", "★"))
DASHES = ("-", "--", "-.", ":")
PANEL = (3.5, 2.6)  # inches
INK, MUTED, LINE = "#010203", "#040506", "#070809"
SERIES = ("#0d0e01", "#0d0e02", "#0d0e03", "#0d0e04", "#0d0e05", "#0d0e06", "#0d0e07", "#0d0e08", "#0d0e09", "#0d0e0a")
PAGE_COLOURS = {INK: "ink", MUTED: "muted", LINE: "line"} | {colour: f"series-{number}" for number, colour in enumerate(SERIES, start=1)}
# The same colours where points become pixels; dark enough on white and light enough on black.
PIXEL_COLOURS = ("#3b78c4", "#d07a1f", "#2f9372", "#c0568f", "#8767c9", "#a08a1c", "#2b93ad", "#c95450", "#7a8794", "#6f9a2d")
STYLE = {
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "pathfm",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
}


def require_report() -> None:
    """InputError when the packages of the extra `report` are not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise InputError(f"a report needs {error.name}, which is not installed: pip install 'pathfm[report]'") from error


def curve_panel(curve: Curve) -> str:
    """Loss on training and on validation patients over steps, and the loss at which nothing has been learned."""
    with axes(*PANEL) as ax:
        ax.plot(*curve.training, color=SERIES[0], linewidth=1.4, label="training")
        ax.plot(*curve.validation, color=SERIES[1], linewidth=1.4, linestyle="--", marker="o", markersize=3.5, label="validation")
        if curve.nothing:
            ax.axhline(1.0, color=MUTED, linewidth=1.2, linestyle=":", label=curve.nothing)
        ax.set(xlabel="step", ylabel=f"loss / {curve.nothing}" if curve.nothing else "loss")
        ax.margins(y=0.08)
        ax.figure.legend(loc="outside lower center", ncols=3, fontsize=8.5, columnspacing=1.2, handlelength=1.8)
        return svg(ax)


def points_panel(places: np.ndarray, groups: np.ndarray, shown: Sequence[str], pixels: bool, which: str = "") -> str:
    """Patients as points [patients, 2]; the groups `shown` are told by colour and by shape, all others are small and grey.

    `which` tells apart drawings of one page that may be equal.
    """
    colours = PIXEL_COLOURS if pixels else SERIES
    with axes(PANEL[0], PANEL[0] * 0.92) as ax:
        other = ~np.isin(groups, shown)
        ax.scatter(*places[other].T, s=6, color="#8a929b" if pixels else MUTED, alpha=0.5, linewidths=0, rasterized=pixels)
        for label, colour, (marker, _) in zip(shown, colours, MARKERS, strict=False):
            members = groups == label
            ax.scatter(*places[members].T, s=17, color=colour, marker=marker, alpha=0.8, linewidths=0, rasterized=pixels)
        ax.set(xticks=[], yticks=[])
        ax.margins(0.05)
        ax.spines[:].set_visible(True)
        return svg(ax, which)


def correlation_panel(runs: Sequence[tuple[str, np.ndarray]]) -> str:
    """How many genes reach which r in each run (name, correlations [genes]); a thin line marks the mean."""
    lowest = min(float(r.min()) for _, r in runs)
    highest = max(float(r.max()) for _, r in runs)
    edges = np.linspace(lowest, max(highest, lowest + 1e-3), min(40, max(8, len(runs[0][1]) // 5)) + 1)
    with axes(PANEL[0] * 1.5, PANEL[1] * 1.15) as ax:
        for number, (name, r) in enumerate(runs):
            look = {"color": SERIES[number % len(SERIES)], "linestyle": DASHES[number % len(DASHES)]}
            ax.stairs(np.histogram(r, edges)[0], edges, linewidth=1.5, label=f"{shortened(name)}: mean {r.mean():.3f}", **look)
            ax.axvline(r.mean(), linewidth=1, alpha=0.6, **look)
        ax.set(xlabel="r of a gene over test patients", ylabel="genes", ylim=(0, None))
        ax.margins(y=0.1)
        ax.figure.legend(loc="outside upper left", fontsize=8.5)
        return svg(ax)


def change_panel(before: np.ndarray, after: np.ndarray, limits: tuple[float, float]) -> str:
    """Each gene's r with the base against its change by tuning [genes]; a line at no change and one at the mean change.

    `limits` of the change are given, so that panels side by side can be compared.
    """
    change = after - before
    pixels = len(change) > MOST_VECTOR_POINTS
    with axes(*PANEL) as ax:
        ax.axhline(0, color=MUTED, linewidth=1)
        colour = PIXEL_COLOURS[0] if pixels else SERIES[0]
        ax.scatter(before, change, s=9, color=colour, alpha=0.45, linewidths=0, rasterized=pixels)
        ax.axhline(change.mean(), color=SERIES[1], linewidth=1.4, linestyle="--")
        ax.set(xlabel="r of the gene with the base", ylabel="Δ r, tuned − base", ylim=limits)
        return svg(ax)


def forest_panel(rows: Sequence[tuple[str, float, tuple[float, float], tuple[float, float]]], limits: tuple[float, float]) -> str:
    """Differences in points from above to below: name, value, its interval (thick) and its band (thin), and a line at no difference."""
    with axes(PANEL[0], 0.8 + 0.24 * len(rows)) as ax:
        ax.axvline(0, color=MUTED, linewidth=1)
        for place, (_, value, interval, band) in enumerate(rows):
            ax.plot(band, (place, place), color=SERIES[0], linewidth=1, solid_capstyle="butt")
            ax.plot(interval, (place, place), color=SERIES[0], linewidth=2.8, solid_capstyle="butt")
            ax.plot(value, place, color=SERIES[1], marker="o", markersize=4.5)
        ax.set(xlabel="Δ, points", xlim=limits, ylim=(len(rows) - 0.4, -0.6))
        ax.set_yticks(range(len(rows)), [shortened(name) for name, *_ in rows])
        return svg(ax)


def tsne(vectors: np.ndarray) -> np.ndarray:
    """[patients, 2] float64: t-SNE of standardised vectors [patients, features], seeded, started from their principal components."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    scaled = centred / np.maximum(centred.std(axis=0), 1e-6)
    kept = min(50, *scaled.shape)
    with threadpool_limits(1):  # one thread: the same bits on any machine, and busy machines stall spinning OpenMP threads
        if kept < scaled.shape[1]:
            scaled = PCA(kept, random_state=SEED).fit_transform(scaled)
        return TSNE(init="pca", perplexity=min(30.0, (len(vectors) - 1) / 3), random_state=SEED).fit_transform(scaled)


def neighbourhoods(places: np.ndarray, most: int) -> np.ndarray:
    """[patients] int from 0: k-means clusters of places [patients, 2], seeded, at most so many, of five patients or more on average."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return KMeans(max(1, min(most, len(places) // 5)), n_init=4, random_state=SEED).fit_predict(places)


def shortened(name: str, most: int = 32) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


@contextmanager
def axes(width: float, height: float) -> Iterator[Any]:
    """The axes of a figure of this size in inches, in the report's style and without pyplot's global state."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=(width, height), dpi=160, layout="constrained").subplots()


def svg(ax, which: str = "") -> str:
    """The figure as an SVG element for a page: colours and fonts are the page's, only an equal drawing, if not told apart by `which`,
    has the same identifiers.
    """
    file = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)  # the browser has its own fonts
        ax.figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' height="[\d.]+pt"', "", text, count=1)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    for colour, variable in PAGE_COLOURS.items():
        text = text.replace(colour, f"var(--{variable})")
    text = text.replace("'DejaVu Sans'", "inherit")
    own = digest([text, which])[:8]
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda match: f' id="{match[1]}-{own}"' if match[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)([^")]+)', rf"\g<1>\g<2>-{own}", text)
    return text.replace("<svg ", '<svg aria-hidden="true" ', 1)
