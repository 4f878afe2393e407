"""Evaluations of format 1 as if they were of format 2: there the facts of a probe stood as words in a column `note`.

The only place where those words are read. Format 1 knew one probe of classes and one of values, pooled every encoder's tiles by their mean,
and did not write down whether a probe converged.
"""

import re
from typing import Any

import anndata
import pandas as pd

FORMAT = 1
SCORES = ["task", "column", "fit", "fold", "metric", "value", "n", "smallest_class", "strength", "note"]
PROBES = ["logistic", "ridge"]
EXPRESSION = "expression"  # the one task of values
PARTS = 5  # of the held-out fit
ADDED = {"sites": 0, "left_out": ""}
"""Columns that came to scores.parquet within format 2: before, parts were made of patients, and no class left a task."""
HEADLINES = ("balanced_accuracy", "mean_pearson")

EDGE = re.compile(r"strength.* is at the edge of the grid(?: in (\d+) of \d+ parts)?")
CONSTANT = re.compile(r"(\d+) genes with constant truth left out")
RESAMPLED = re.compile(r"over (\d+) resampled training sets")
SMALL = re.compile(r"n too small")


def about(values: dict[str, Any]) -> dict[str, Any]:
    """evaluation.json with the fields of today; one of today's stays as it is."""
    if values["format"] != FORMAT:
        return values
    options = {"probes": PROBES, **values["options"]} if "options" in values else None
    folds = values.get("folds", [values.get("fold")])
    return {"pooling": "mean", **values, "folds": folds, **({"options": options} if options else {})}


def scores(table: pd.DataFrame) -> pd.DataFrame:
    notes = table["note"].fillna("").astype(str)
    resampled = table["metric"].str.endswith("_sd")
    return table.drop(columns=["note", "strength"]).assign(
        probe=table["task"].map(_probe),
        headline=table["metric"].isin(HEADLINES),
        setting="strength",
        chosen=table["strength"],
        parts=table["fit"].map({"held_out": PARTS}).fillna(1).where(table["strength"].notna(), 0).astype(int),
        too_small=notes.str.contains(SMALL),
        edge=notes.map(lambda note: _count(EDGE, note)),
        unconverged=pd.array([pd.NA] * len(table), "Int64"),
        constant_genes=notes.map(lambda note: _count(CONSTANT, note)),
        resamples=notes.map(lambda note: _count(RESAMPLED, note)).where(resampled, 0),
        **ADDED,
    )


def predictions(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(probe=table["task"].map(_probe))


def expression(table: anndata.AnnData) -> anndata.AnnData:
    table.obs["probe"] = _probe(EXPRESSION)
    if "part" not in table.obs:
        table.obs["part"] = 0
    table.obs_names = [f"{_probe(EXPRESSION)}-{name}" for name in table.obs_names]
    return table


def _probe(task: str) -> str:
    return PROBES[task == EXPRESSION]


def _count(pattern: re.Pattern, note: str) -> int:
    """The number that the note gives, 1 where it gives none, 0 where it does not say this."""
    found = pattern.search(note)
    return int(found[1] or 1) if found else 0
