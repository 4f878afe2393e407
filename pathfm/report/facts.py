"""What the page tells beside table and figures: expression in other measures, changed predictions, what the numbers were made from."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pathfm.report.evaluations import Evaluation
from pathfm.report.figures import Named
from pathfm.report.words import MISSING
from pathfm.tasks.fits import SPLIT

EXPRESSION = "expression"
MOST_CHANGED = 5000
EXPRESSION_MEASURES = {  # metric: its words, and how its value is written
    "mean_pearson": ("mean r", "{:.3f}"),
    "median_pearson": ("median r", "{:.3f}"),
    "share_above_0.4": ("genes with r > 0.4", "{:.0%}"),
    "genes_fdr_below_0.05": ("genes above chance (FDR < 0.05)", "{:,.0f}"),
    "within_cancer/mean_pearson": ("mean r within cancer type", "{:.3f}"),
}


def measures(runs: Sequence[Named]) -> dict | None:
    """Expression in other words than the mean: a row per run, and what knowing the cancer type alone would reach; None without any."""
    rows = []
    for run in runs:
        scores = run.evaluation.scores
        found = scores[(scores["task"] == EXPRESSION) & (scores["fit"] == SPLIT.name)]
        values = found.groupby("metric")["value"].mean()
        if values.notna().any():
            rows.append({"name": run.name, "values": [_measure(values, metric) for metric in EXPRESSION_MEASURES]})
            baseline = values
    if not rows:
        return None
    of_baseline = [_measure(baseline, metric, "baseline_cancer_type/") for metric in EXPRESSION_MEASURES]
    if any(value != MISSING for value in of_baseline):
        rows.append({"name": "the mean of the cancer type, no image", "values": of_baseline})
    return {"columns": [words for words, _ in EXPRESSION_MEASURES.values()], "rows": rows}


def _measure(values, metric: str, prefix: str = "") -> str:
    value = values.get(prefix + metric, np.nan)
    return MISSING if np.isnan(value) else EXPRESSION_MEASURES[metric][1].format(value).replace("-", "−")


def changed(pairs: Sequence[tuple[Evaluation, list[Evaluation]]], runs: dict[int, Named]) -> dict:
    """Rows (run, task, fold, unit, truth, base, tuned) of the split's fit where base and tuned predict differently."""
    keys = ["task", "fold", "unit", "truth"]
    rows = []
    for base, all_tuned in pairs:
        for tuned in all_tuned:
            ours, theirs = (one.predictions[one.predictions["fit"] == SPLIT.name][[*keys, "prediction"]] for one in (base, tuned))
            both = ours.merge(theirs, on=keys, suffixes=("_base", "_tuned"))
            both = both[both["prediction_base"] != both["prediction_tuned"]].sort_values(keys)
            rows += [(runs[id(tuned)].name, *row) for row in both[[*keys, "prediction_base", "prediction_tuned"]].itertuples(index=False)]
    cut = f", of which the first {MOST_CHANGED:,} are shown" if len(rows) > MOST_CHANGED else ""
    return {"caption": f"Probes of the split’s fit; {len(rows):,} predictions changed{cut}.", "rows": rows[:MOST_CHANGED]}


def made(runs: Sequence[Named]) -> dict:
    """What the numbers were made from: weights, split, panel, patients, versions."""
    text, code = partial(_entry, "text"), partial(_entry, "hash")
    rows = []
    facts: dict[str, list] = {}
    for run in runs:
        about, card = run.evaluation.about, run.evaluation.card
        cells = {
            "name": text(run.evaluation.name),
            "objective": text(card.get("objective")),
            "weights": code(card.get("weight_hash")),
            "base’s weights": code((card.get("base") or {}).get("weight_hash")),
            "steps": text(card.get("step")),
            "pairing": text(card.get("pairing")),
            "pathfm": text(card.get("pathfm")),
        }
        rows.append({"name": run.name, "values": list(cells.values())})
        said = {
            "Fold": text(", ".join(map(str, run.evaluation.folds))),
            "Patients by role": text(_roles(run.evaluation)),
            "Scored": text(_scored(run.evaluation)),
            "Split": code(about.get("split_hash")),
            "Gene panel": code(about.get("panel_hash")),
            "Training data": code(card.get("data_hash")),
        }
        for name, entry in said.items():
            facts.setdefault(name, []).append((run.name, entry))
    return {"columns": ["run", *cells], "rows": rows, "facts": [fact for name, entries in facts.items() for fact in _once(name, entries)]}


def _entry(kind: str, value) -> dict:
    return {"text": MISSING, "hash": ""} | ({kind: str(value)} if value not in (None, "") else {})


def _once(name: str, entries: Sequence[tuple[str, dict]]) -> list[tuple[str, dict]]:
    """One line when all runs say the same, else a line for each."""
    first = entries[0][1]
    return [(name, first)] if all(entry == first for _, entry in entries) else [(f"{name}, {run}", entry) for run, entry in entries]


def _roles(evaluation: Evaluation) -> str:
    table = evaluation.files.read_embeddings()
    if table is None:
        return MISSING
    counts = table.obs["role"].astype(str).value_counts()
    return ", ".join(f"{role} {counts[role]:,}" for role in ("train", "val", "test") if role in counts)


def _scored(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    tasks = scores[scores["fit"] == SPLIT.name].drop_duplicates(["task", "fold"]).groupby("column", sort=False)
    counts = [(column, int(rows["n"].sum()), int(rows["smallest_class"].min())) for column, rows in tasks]
    return "; ".join(f"{column} {n:,}" + (f" (rarest class {rarest:,})" if rarest < n else "") for column, n, rarest in counts)
