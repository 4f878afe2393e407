"""The tables of the trial: means over seeds, differences with Student's interval over seeds, and whether they are what was wanted."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from planted_recipe import ARMS, BASE, CONTROL, TUNED, Arm
from planted_scores import GENES, PROGRAMMES
from scipy.stats import t

from pathfm.report.curves import validation_shares
from pathfm.tasks.fits import FITS

LEVEL = 0.95


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and the two ends of Student's 95 % interval over seeds; the ends are NaN for a single seed."""
    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    return mean, mean - half, mean + half


def differences(scores: pd.DataFrame, arm: Arm, reference: Arm, fit: str, measure: str) -> np.ndarray:
    """The arm's value less the reference's, per seed that has both."""
    chosen = scores[(scores["fit"] == fit) & (scores["measure"] == measure)]
    value = chosen.pivot_table(index="seed", columns="arm", values="value")
    if not {arm.name, reference.name} <= set(value):
        return np.empty(0)
    return (value[arm.name] - value[reference.name]).dropna().to_numpy()


def tables(scores: pd.DataFrame) -> Iterator[str]:
    """Markdown, line by line, from rows of seed, arm, fit, measure, value."""
    measures = [GENES, PROGRAMMES, *(name for name in scores["measure"].unique() if name not in (GENES, PROGRAMMES))]
    for fit in FITS.values():
        chosen = scores[scores["fit"] == fit.name]
        yield f"## {fit.title}"
        yield ""
        yield "Mean over seeds: `genes` is the mean gene Pearson, `programmes` the mean r of the planted programmes, then each of them."
        yield ""
        mean = chosen.pivot_table(index="arm", columns="measure", values="value")
        yield from grid(
            ["arm", *measures], ([arm.name, *(f"{mean.loc[arm.name, name]:.3f}" for name in measures)] for arm in present(mean))
        )
        for reference in (BASE, CONTROL):
            yield ""
            yield f"Δ to the {reference.name}, with Student's 95 % interval over seeds:"
            yield ""
            arms = [arm for arm in present(mean) if arm not in (BASE, reference)]
            cells = ([arm.name, *(cell(differences(scores, arm, reference, fit.name, name)) for name in measures)] for arm in arms)
            yield from grid(["arm", *measures], cells)
        yield ""


def present(mean: pd.DataFrame) -> list[Arm]:
    return [arm for arm in (BASE, *ARMS) if arm.name in mean.index]


def cell(values: np.ndarray) -> str:
    if not len(values):
        return ""
    mean, low, high = interval(values)
    return f"{mean:+.3f}" if np.isnan(low) else f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def grid(header: list[str], rows) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "| --- |" + " --- |" * (len(header) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def curves(logged: Iterable[tuple[str, dict]]) -> Iterator[str]:
    """The loss on validation patients by step, mean over seeds, over the loss of knowing nothing: ln(B), or the mean profile's."""
    rows = []
    for arm, line in logged:
        rows += [{"arm": arm, "step": step, "value": value} for step, value in validation_shares([line])]
    table = pd.DataFrame(rows).pivot_table(index="arm", columns="step", values="value")
    yield "Loss on validation patients over the loss of knowing nothing (ln of the batch, or that of the mean profile), by step:"
    yield ""
    for arm in present(table):
        known = table.loc[arm.name].dropna()
        yield f"- {arm.name}: " + ", ".join(f"{step}: {value:.3f}" for step, value in known.items())


def verdicts(scores: pd.DataFrame) -> Iterator[str]:
    """What was wanted, and whether it came out, with the probes fitted on the training patients and with those among test patients."""
    for arm in TUNED:
        for measure in (GENES, PROGRAMMES):
            for reference in (BASE, CONTROL) if arm.pairing == "true" else (CONTROL,):
                found = [cell(differences(scores, arm, reference, fit, measure)) for fit in FITS]
                reached = [met(differences(scores, arm, reference, fit, measure), arm) for fit in FITS]
                wanted = "above 0" if arm.pairing == "true" else "not above 0"
                text = "; ".join(f"{fit}: {one} {word}" for fit, one, word in zip(FITS, found, reached, strict=True))
                yield f"- {arm.name}, {measure}, Δ to the {reference.name} {wanted}: {text}"


def met(values: np.ndarray, arm: Arm) -> str:
    if len(values) < 2:
        return "(too few seeds to say)"
    above = interval(values)[1] > 0
    return "**yes**" if above == (arm.pairing == "true") else "**no**"
