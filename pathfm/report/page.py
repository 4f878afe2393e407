"""The report: evaluation folders to the table in several forms, the genes, and one page that needs nothing else."""

from collections.abc import Sequence
from pathlib import Path

from pathfm import __version__
from pathfm.errors import InputError
from pathfm.files import replacing, write_parquet
from pathfm.progress import say
from pathfm.report import figures
from pathfm.report.beside import beside
from pathfm.report.cells import Cell
from pathfm.report.embeddings import FEWEST_PATIENTS, embedding_choices
from pathfm.report.evaluations import HEADLINE, Evaluation, over_folds, paired
from pathfm.report.facts import changed, made, measures
from pathfm.report.figures import Named
from pathfm.report.folder import EvaluationFolder
from pathfm.report.forest import forest_figure
from pathfm.report.gallery import galleries
from pathfm.report.genes import GeneChanges, as_frame, gene_changes
from pathfm.report.plots import require_report
from pathfm.report.rendering import LIMITS, limit_lines
from pathfm.report.settings import settings
from pathfm.report.table import Table, base_label, make_table, tuned_label
from pathfm.report.twin import table_frame
from pathfm.report.units import known_sites
from pathfm.report.verdict import flags, verdict
from pathfm.report.volcano import volcano_figure
from pathfm.report.words import MISSING, UNCHANGED, number
from pathfm.tasks.fits import FITS, Fit

LARGEST_PAGE = 15_000_000  # bytes
READING = (
    (
        "Score",
        "Balanced accuracy in % (the mean over classes of the share that is predicted right), or for expression the mean over genes of "
        "Pearson’s r in %. Features are frozen; only a linear probe is fitted.",
    ),
    (
        "Δ",
        "Tuned minus its own base, in percentage points, on the same patients. ▲ and ▼ mark a difference that leaves zero out in a band "
        "that holds all tasks of the row together in 95 % of cases; in a mean Δ, one whose interval leaves zero out.",
    ),
    (
        "Interval",
        "In brackets, 95 %, each by itself, by Student’s t over what is independent: the sites (hospitals) of the patients where they are "
        "known, else patients, else images; point at a cell to see which. It is the interval of the paired difference. A row of several "
        "trainings holds the spread between them too; that of one training tells nothing of others. Even if nothing had changed, about "
        "one interval in twenty would leave zero out; an arrow allows for that.",
    ),
    (
        "What could have been shown",
        "The smallest true difference that would have been seen four times in five; how many patients of the same kind would show one "
        "point; and the loss beyond which the interval leaves nothing. Of several trainings also how much of the variance is that of "
        "patients (or their sites) and how much that of trainings: more of the larger part narrows the interval.",
    ),
    (
        "Two fits",
        "The tuned encoder was trained on the split’s training patients and may have memorised them, so a probe fitted on their features "
        "can mislead. The held-out fit uses test patients only. A gain that stands in one fit alone, where the fits differ by "
        "more than chance (†), is not yet a gain.",
    ),
    (
        "n too small",
        "A class with fewer than ten scored patients or images leaves its task, and a line below the table names it; where fewer than two "
        "are left, the task has no score.",
    ),
)


def write_report(folders: Sequence[Path], out: Path, with_ids: bool = False) -> list[str]:
    """Writes the table, the genes and the page into `out`, each file whole or not at all; returns the verdict's sentences.

    `with_ids` lists the patients whose prediction changed. Raises InputError when a folder is no evaluation, when a pair must not be
    compared, or when the extra `report` is not installed.
    """
    require_report()
    folders = list(dict.fromkeys(Path(folder) for folder in folders))
    for folder in folders:
        refuse_training_run(folder)
    table = make_table(folders)
    say(f"report: {len(folders)} evaluations, {len(table.columns) - 1} columns")
    evaluations = [Evaluation.read(folder) for folder in folders]
    genes = changes_of_genes(evaluations)
    page = render(table, evaluations, with_ids, genes)
    texts = {"table.md": table.to_markdown(), "table.tex": table.to_latex(), "table.csv": table.to_csv(), "report.html": page}
    for name, text in texts.items():
        with replacing(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    if (size := len(page.encode())) > LARGEST_PAGE:
        say(f"warning: {out / 'report.html'} has {size / 1e6:.0f} MB, which browsers and mail bear badly; report on fewer runs at a time")
    write_parquet(as_frame(genes), out / "genes.parquet")
    write_parquet(table_frame(table), out / "table.parquet")
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


def render(table: Table, evaluations: Sequence[Evaluation], with_ids: bool = False, genes: Sequence[GeneChanges] | None = None) -> str:
    """The page as one HTML document; every text that comes from a file is escaped. `genes` are computed where they are not given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("pathfm.report", "")
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pairs = headline_pairs(evaluations)
    runs = named(pairs)
    genes = changes_of_genes(evaluations) if genes is None else genes
    shown, why = galleries(pairs, runs)
    page = template.get_template("report.html").render(
        title="Base against tuned, task by task",
        subtitle=", ".join(dict.fromkeys(map(introduced, runs.values()))),
        smoke="These scores come from a smoke run: they show that the commands work and mean nothing else." if table.smoke else "",
        verdict=verdict(table),
        tables=[block(table, FITS[fit], probe) for fit, probe in table.titles],
        flags=flags(table),
        sections=sections(table, pairs, runs, genes),
        galleries=shown,
        without_gallery=why,
        beside=beside(pairs, runs),
        changed=changed(pairs, runs) if with_ids else None,
        made=made([one for run in runs.values() for one in of_single_folds(run)]),
        settings=settings([one for run in runs.values() for one in of_single_folds(run)]),
        reading=READING,
        version=__version__,
    )
    return page.strip() + "\n"


def headline_pairs(evaluations: Sequence[Evaluation]) -> list[tuple[Evaluation, list[Evaluation]]]:
    """Every base with what was tuned from it, joined over folds, of the first probe of each task."""
    return [(base.block(HEADLINE), [one.block(HEADLINE) for one in tuned]) for base, tuned in over_folds(paired(list(evaluations)))]


def changes_of_genes(evaluations: Sequence[Evaluation]) -> list[GeneChanges]:
    """What each tuned run changed gene by gene, in the split's fit."""
    pairs, sites = headline_pairs(evaluations), known_sites(evaluations)
    runs = named(pairs)
    found = [gene_changes(runs[id(one)].name, base.of_folds(one.folds), one, sites) for base, tuned in pairs for one in tuned]
    return [one for one in found if one is not None]


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
        "limits_title": LIMITS,
        "limits": limit_lines(table, (fit.name, probe)),
        "notes": [note[:1].upper() + note[1:] + "." for note in notes],
    }


def shown(cell: Cell, kind: str) -> dict:
    """A cell for the template; a difference whose interval leaves zero out has a direction."""
    marks = {"one_sided": cell.one_sided, "unconverged": cell.unconverged, "at_floor": cell.at_floor, "unit": cell.unit}
    if cell.value is None:
        value, note = (MISSING, "") if cell.empty else ("", cell.text)
        return {"value": value, "interval": "", "direction": "", "note": note, **marks}
    signed = kind == "delta"
    value, low, high = (number(one, signed) for one in (cell.value, cell.low, cell.high))
    note = UNCHANGED if cell.unchanged and signed else ""
    interval = "" if note and cell.point else f"[{low}, {high}]"
    return {"value": "" if note else value, "interval": interval, "direction": cell.arrow, "note": note, **marks}


def sections(
    table: Table, pairs: Sequence[tuple[Evaluation, list[Evaluation]]], runs: dict[int, Named], genes: Sequence[GeneChanges]
) -> list[dict]:
    """The figures under their headings; what is absent is said."""
    everyone = list(runs.values())
    single = [one for run in everyone for one in of_single_folds(run)]
    training, forest = figures.training_figure(single), forest_figure(table)
    choices = embedding_choices(single)
    expression = [
        figure for base, tuned in pairs for figure in figures.expression_figures(runs[id(base)], [runs[id(one)] for one in tuned])
    ]
    if volcano := volcano_figure(genes):
        expression.append(volcano)
    return [
        {
            "title": "Differences",
            "figures": [forest] if forest else [],
            "measures": None,
            "absent": "No run was compared with its base.",
        },
        {
            "title": "Training",
            "figures": [training] if training else [],
            "measures": None,
            "absent": "No run brought its training metrics.",
        },
        {
            "title": "Embeddings",
            "figures": [],
            "choices": choices,
            "measures": None,
            "absent": "" if choices else f"No run has embeddings of {FEWEST_PATIENTS} test patients or more.",
        },
        {
            "title": "Expression",
            "figures": expression,
            "measures": measures(everyone),
            "absent": "Expression was not evaluated for a base and a run tuned from it.",
        },
    ]
