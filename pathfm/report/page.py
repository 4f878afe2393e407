"""The report: evaluation folders to table.md, table.tex, table.csv and one page that needs nothing else."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pathfm import __version__
from pathfm.errors import InputError
from pathfm.files import replacing
from pathfm.progress import say
from pathfm.report import figures
from pathfm.report.cells import Cell
from pathfm.report.evaluations import HEADLINE, Evaluation, over_folds, paired
from pathfm.report.figures import Named
from pathfm.report.folder import EvaluationFolder
from pathfm.report.plots import require_report
from pathfm.report.table import Table, base_label, make_table, tuned_label
from pathfm.report.verdict import direction, flags, verdict
from pathfm.report.words import MISSING, number
from pathfm.tasks.fits import FITS, SPLIT, Fit

EXPRESSION = "expression"
MOST_CHANGED = 5000
EXPRESSION_MEASURES = {  # metric: its words, and how its value is written
    "mean_pearson": ("mean r", "{:.3f}"),
    "median_pearson": ("median r", "{:.3f}"),
    "share_above_0.4": ("genes with r > 0.4", "{:.0%}"),
    "genes_fdr_below_0.05": ("genes above chance (FDR < 0.05)", "{:,.0f}"),
    "within_cancer/mean_pearson": ("mean r within cancer type", "{:.3f}"),
}
READING = (
    (
        "Score",
        "Balanced accuracy in % (the mean over classes of the share that is predicted right), or for expression the mean over genes of "
        "Pearson’s r in %. Features are frozen; only a linear probe is fitted.",
    ),
    (
        "Δ",
        "Tuned minus its own base, in percentage points, on the same patients. ▲ and ▼ mark a difference whose interval leaves zero out.",
    ),
    (
        "Interval",
        "In brackets, 95 %, from a bootstrap over patients (images where the patient is not known). Base, tuned and all tasks share each "
        "draw, so the interval of a Δ is that of the paired difference, and tells nothing of other trainings or cohorts. Even if "
        "nothing had changed, about one interval in twenty would leave zero out.",
    ),
    (
        "Two fits",
        "The tuned encoder was trained on the split’s training patients and may have memorised them, so a probe fitted on their features "
        "can mislead. The held-out fit uses test patients only. A gain that stands in one fit alone (†) is not yet a gain.",
    ),
    (
        "n too small",
        "A class with fewer than ten scored patients or images gives no score.",
    ),
)


def write_report(folders: Sequence[Path], out: Path, with_ids: bool = False) -> list[str]:
    """Writes table.md, table.tex, table.csv and report.html into `out`, each whole or not at all; returns the verdict's sentences.

    `with_ids` lists the patients whose prediction changed. Raises InputError when a folder is no evaluation, when a pair must not be
    compared, or when the extra `report` is not installed.
    """
    require_report()
    folders = list(dict.fromkeys(Path(folder) for folder in folders))
    for folder in folders:
        refuse_training_run(folder)
    table = make_table(folders)
    say(f"report: {len(folders)} evaluations, {len(table.columns) - 1} columns")
    page = render(table, [Evaluation.read(folder) for folder in folders], with_ids)
    texts = {"table.md": table.to_markdown(), "table.tex": table.to_latex(), "table.csv": table.to_csv(), "report.html": page}
    for name, text in texts.items():
        with replacing(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return verdict(table)


def refuse_training_run(folder: Path) -> None:
    """InputError when the folder is missing, or holds a training run or weights instead of an evaluation."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; name the folders that `python -m pathfm.evaluate` wrote")
    if EvaluationFolder(folder).finished:
        return
    if any((folder / name).exists() for name in ("weights", "checkpoints", "card.json")):
        raise InputError(
            f"{folder} is a training run or weights, not an evaluation; evaluate it first: python -m pathfm.evaluate "
            f"--config configs/evaluate.py --config.checkpoint={folder} --config.cohort=DIR --workdir RUN, and report on RUN"
        )


def render(table: Table, evaluations: Sequence[Evaluation], with_ids: bool = False) -> str:
    """The page as one HTML document; every text that comes from a file is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("pathfm.report", "")
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pairs = [(base.block(HEADLINE), [one.block(HEADLINE) for one in tuned]) for base, tuned in over_folds(paired(list(evaluations)))]
    runs = named(pairs)
    page = template.get_template("report.html").render(
        title="Base against tuned, task by task",
        subtitle=", ".join(dict.fromkeys(map(introduced, runs.values()))),
        smoke="These scores come from a smoke run: they show that the commands work and mean nothing else." if table.smoke else "",
        verdict=verdict(table),
        tables=[block(table, FITS[fit], probe) for fit, probe in table.titles],
        flags=flags(table, evaluations),
        sections=sections(pairs, runs),
        changed=changed(pairs, runs) if with_ids else None,
        made=made([one for run in runs.values() for one in of_single_folds(run)]),
        reading=READING,
        version=__version__,
    )
    return page.strip() + "\n"


def named(pairs: Sequence[tuple[Evaluation, list[Evaluation]]]) -> dict[int, Named]:
    """Evaluations by identity, in order, under the names of the table's rows."""
    tuned = [one for _, all_tuned in pairs for one in all_tuned]
    runs: dict[int, Named] = {}
    for base, all_tuned in pairs:
        runs.setdefault(id(base), Named(base_label(base, [one for one, _ in pairs]), base))
        for one in all_tuned:
            runs[id(one)] = Named(tuned_label(one, tuned), one)
    return runs


def of_single_folds(run: Named) -> list[Named]:
    """What was trained and embedded fold by fold, each fold under a name of its own."""
    return [Named(f"{run.name}, fold {one.folds[0]}", one) for one in run.evaluation.by_fold] or [run]


def introduced(run: Named) -> str:
    """The name in the table, and the run's own where it says more."""
    return run.name if run.evaluation.name in run.name else f"{run.name} ({run.evaluation.name})"


def block(table: Table, fit: Fit, probe: str) -> dict:
    """One fit of the headline or of a further probe for the template: a group of rows for each base and each tuned run."""
    groups: list[list[dict]] = []
    for row in table.block(fit.name, probe):
        line = {"name": row.label, "kind": row.kind, "cells": [shown(cell, row.kind) for cell in row.cells]}
        groups[-1].append(line) if row.kind == "delta" and groups else groups.append([line])
    first = (fit.name, probe) == next(iter(table.titles))
    notes = [note.text for note in table.notes if note.kind == "reading"] if first else []
    return {
        "title": fit.heading + (f", {probe}" if probe else "") + (" (smoke)" if table.smoke else ""),
        "caption": fit.caption,
        "columns": table.columns,
        "groups": groups,
        "notes": [note[:1].upper() + note[1:] + "." for note in notes],
    }


def shown(cell: Cell, kind: str) -> dict:
    """A cell for the template; a difference whose interval leaves zero out has a direction."""
    marks = {"one_sided": cell.one_sided, "unconverged": cell.unconverged}
    if cell.value is None:
        value, note = (MISSING, "") if cell.empty else ("", cell.text)
        return {"value": value, "interval": "", "direction": "", "note": note, **marks}
    signed = kind == "delta"
    value, low, high = (number(one, signed) for one in (cell.value, cell.low, cell.high))
    way = direction(cell) if signed else ""
    return {"value": value, "interval": f"[{low}, {high}]", "direction": way, "note": "", **marks}


def sections(pairs: Sequence[tuple[Evaluation, list[Evaluation]]], runs: dict[int, Named]) -> list[dict]:
    """The figures under their headings; what is absent is said."""
    everyone = list(runs.values())
    single = [one for run in everyone for one in of_single_folds(run)]
    training = figures.training_figure(single)
    expression = [
        figure for base, tuned in pairs for figure in figures.expression_figures(runs[id(base)], [runs[id(one)] for one in tuned])
    ]
    return [
        {
            "title": "Training",
            "figures": [training] if training else [],
            "measures": None,
            "absent": "No run brought its training metrics.",
        },
        {
            "title": "Embeddings",
            "figures": figures.embedding_figures(single),
            "measures": None,
            "absent": f"No run has embeddings of {figures.FEWEST_PATIENTS} test patients or more.",
        },
        {
            "title": "Expression",
            "figures": expression,
            "measures": measures(everyone),
            "absent": "Expression was not evaluated for a base and a run tuned from it.",
        },
    ]


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
