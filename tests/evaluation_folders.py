"""Evaluation folders with known effects, written as an evaluation leaves them, without training anything."""

import json
import math
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from pathfm.features.tile_sample import thumbnail
from pathfm.files import write_json, write_parquet
from pathfm.report.folder import EvaluationFolder
from pathfm.report.tiles import TILES, Tiles
from pathfm.statistics.correlation import pearson, summary, within_types
from pathfm.statistics.scores import SMALLEST_CLASS, too_small
from pathfm.tasks.task import SCORES

CLASSES = {
    "cancer": ("BRCA", "KIRC", "LUAD"),
    "tp53": ("mutant", "wild type"),
    "breast": ("IDC", "ILC"),
    "lung": ("LUAD", "LUSC"),
    "mhist": ("HP", "SSA"),
}
COLUMNS = {"cancer": "cancer", "tp53": "TP53", "breast": "breast", "lung": "lung", "mhist": "MHIST", "expression": "expression"}
PROBES = {task: "ridge" if task == "expression" else "logistic" for task in COLUMNS}
GENES = 30
VALIDATION_PATIENTS = 19
SITES = ("A1", "B2", "C3", "D4", "E5", "F6")


def patients(role: str, count: int) -> list[str]:
    return [f"TCGA-{SITES[number % 6]}-{role}{number:03d}" for number in range(count)]


def tested(fold: int, count: int) -> list[str]:
    """The test patients of a fold."""
    return patients(f"T{fold or ''}", count)


def site_of(patient: str) -> str:
    return patient.split("-")[1]


def write_evaluation(
    root: Path,
    approach: str,
    *,
    weight_hash: str,
    base: dict | None = None,
    right: float = 0.65,
    held_out_right: float | None = None,
    noise: float = 2.0,
    swapped: int = 0,
    split_hash: str = "5" * 64,
    smoke: bool = False,
    test: int = 90,
    name: str | None = None,
    recipe: str | None = None,
    fold: int = 0,
    first_gene: int = 0,
    seed: int = 0,
) -> Path:
    """One evaluation folder; `right` is the share of right predictions, `noise` that of predicted expression (truth has sd 1).

    `swapped` predictions of each task become right and as many become wrong: changes that do not help. Evaluations of one `recipe`
    and several `fold`s or `seed`s belong together.
    """
    root.mkdir(parents=True)
    panel_hash = "b" * 64
    card = {
        "format": 1,
        "name": name or root.name,
        "objective": "views" if approach == "base" else approach,
        "architecture": {"width": 64, "depth": 2, "heads": 2, "patch": 16},
        "normalisation": {"mean": [0.5] * 3, "std": [0.5] * 3},
        "tile": 96,
        "mpp": 0.5,
        "weight_hash": weight_hash,
        "base": base,
        "split_hash": split_hash,
        "fold": fold,
        "recipe_hash": recipe,
        "seed": seed,
        "pairing": None if base is None else "true",
        "panel_hash": None if base is None else panel_hash,
        "genes": None if base is None else GENES,
        "data_hash": "d" * 64,
        "step": 200,
        "pathfm": "0.1.0",
    }
    evaluation = {
        "format": 2,
        "card": card,
        "approach": approach,
        "split_hash": split_hash,
        "folds": [fold],
        "pooling": "mean",
        "panel_hash": panel_hash,
        "training_metrics": True,
        "smoke": smoke,
        "site_probe": {"balanced_accuracy": 0.41, "chance": 0.17, "n": test},
    }
    write_json(evaluation, root / "evaluation.json")
    predictions, scores = [], []
    for task in CLASSES:
        for fit in ("split",) if task == "mhist" else ("split", "held_out"):
            share = right if fit == "split" or held_out_right is None else held_out_right
            rows = _predictions(task, fit, test, share, swapped, fold)
            predictions.append(rows)
            scores.append(_score(task, fit, rows))
    write_parquet(pd.concat(predictions, ignore_index=True), root / "predictions.parquet")
    expression, measured = _expression(test, noise, fold, first_gene)
    expression.write_h5ad(root / "expression_predictions.h5ad")
    scores += [
        {"task": "expression", "fit": fit, "metric": metric, "value": value, "n": test, "smallest_class": test}
        for fit, values in measured.items()
        for metric, value in values.items()
    ]
    table = pd.DataFrame(scores).assign(fold=fold, setting="strength", chosen=1.0, edge=0, unconverged=0, constant_genes=0, resamples=0)
    table = table.assign(sites=0, left_out="")
    table = table.assign(
        column=table["task"].map(COLUMNS),
        probe=table["task"].map(PROBES.get),
        headline=table["metric"].isin(["balanced_accuracy", "within_cancer/mean_pearson"]),
        parts=table["fit"].map({"split": 1, "held_out": 5}),
        too_small=table["smallest_class"].map(too_small),
    )
    write_parquet(table[SCORES], root / "scores.parquet")
    _embeddings(test, weight_hash).write_h5ad(root / "embeddings.h5ad")
    (root / "training_metrics.jsonl").write_text("".join(_curve(approach)), encoding="utf-8")
    return root


def write_runs(root: Path, **tuned) -> list[Path]:
    """A base, direct tuning that helps on every task, and contrastive tuning that changes nothing."""
    base = {"name": "base", "weight_hash": "a" * 64}
    return [
        write_evaluation(root / "base", "base", weight_hash=base["weight_hash"], **tuned),
        write_evaluation(root / "direct", "direct", weight_hash="1" * 64, base=base, right=0.95, noise=1.0, **tuned),
        write_evaluation(root / "contrastive", "contrastive", weight_hash="2" * 64, base=base, swapped=3, noise=1.98, **tuned),
    ]


def add_tiles(folder: Path, features: np.ndarray, fold: int = 0, cancer: str = "") -> Tiles:
    """Gives an evaluation a sample of test tiles with these features [tiles, features], four of each patient, each of its own colour.

    `cancer` stands in the place of all cancer types.
    """
    count = len(features)
    names = np.repeat(tested(fold, -(-count // 4)), 4)[:count]
    shades = np.random.default_rng(3).integers(0, 256, (count, 1, 1, 3)).astype(np.uint8)
    table = pd.DataFrame({"patient": names, "slide": [f"{name}-01Z-00-DX1" for name in names], "record": np.arange(count) % 4})
    table = table.assign(site=list(map(site_of, names)), cancer=[cancer or CLASSES["cancer"][number // 4 % 3] for number in range(count)])
    table["thumbnail"] = [thumbnail(np.broadcast_to(shade, (48, 48, 3))) for shade in shades]
    files, tiles = EvaluationFolder(folder), Tiles(table[list(TILES)], np.asarray(features, np.float32))
    tiles.write(files.tiles, files.tile_features)
    return tiles


def _predictions(task: str, fit: str, count: int, right: float, swapped: int, fold: int) -> pd.DataFrame:
    """The same easy units are right for every run, so that a difference is paired."""
    classes = sorted(CLASSES[task])
    rng = np.random.default_rng([len(task), count])
    if task == "lung":
        count = 17  # eight of one class: too few
    truth = np.arange(count) % len(classes)
    rank = rng.permutation(count)
    border = round(right * count)
    hit = (rank < border - swapped) | ((rank >= border) & (rank < border + swapped))
    guess = np.where(hit, truth, (truth + 1) % len(classes))
    probability = np.full((count, len(classes)), 0.2 / (len(classes) - 1))
    probability[np.arange(count), guess] = 0.8
    units = [f"image{number:03d}.png" for number in range(count)] if task == "mhist" else tested(fold, count)
    return pd.DataFrame(
        {
            "task": task,
            "fit": fit,
            "fold": fold,
            "probe": PROBES[task],
            "unit": units,
            "patient": units,
            "site": ["" if task == "mhist" else site_of(name) for name in units],
            "truth": [classes[i] for i in truth],
            "prediction": [classes[i] for i in guess],
            "probability": list(probability),
        }
    )


def _score(task: str, fit: str, rows: pd.DataFrame) -> dict:
    recalls = (rows["truth"] == rows["prediction"]).groupby(rows["truth"]).mean()
    smallest = int(rows["truth"].value_counts().min())
    value = float(recalls.mean()) if smallest >= 10 else math.nan
    return {"task": task, "fit": fit, "metric": "balanced_accuracy", "value": value, "n": len(rows), "smallest_class": smallest}


def _expression(count: int, noise: float, fold: int, first_gene: int) -> tuple[anndata.AnnData, dict[str, dict[str, float]]]:
    rng = np.random.default_rng(7 + fold)
    truth = rng.normal(size=(count, GENES)).astype(np.float32)
    error = rng.normal(size=(2, count, GENES)).astype(np.float32)
    predicted = truth[None] + np.float32(noise) * error
    measured = {}
    cancers = np.array([CLASSES["cancer"][number % 3] for number in range(count)])
    of_fits = {"split": np.zeros(count, int), "held_out": np.arange(count) % 5}
    for (fit, part), one in zip(of_fits.items(), predicted, strict=True):
        inside = summary(pearson(*within_types(one, truth, cancers, part, np.zeros(count), SMALLEST_CLASS)))
        measured[fit] = summary(pearson(one, truth)) | {"baseline_cancer_type/mean_pearson": 0.05}
        measured[fit] |= {f"within_cancer/{name}": value for name, value in inside.items()}
    names = tested(fold, count)
    obs = pd.DataFrame(
        {
            "patient": names * 2,
            "fold": fold,
            "probe": PROBES["expression"],
            "fit": np.repeat(["split", "held_out"], count),
            "part": np.concatenate(list(of_fits.values())),
            "site": list(map(site_of, names)) * 2,
            "cancer": list(cancers) * 2,
        },
        index=[f"{fit}-{fold}-{name}" for fit in measured for name in names],
    )
    genes = range(first_gene, first_gene + GENES)
    var = pd.DataFrame({"symbol": [f"GENE{gene}" for gene in genes]}, index=[f"ENSG{gene:011d}" for gene in genes])
    table = anndata.AnnData(predicted.reshape(-1, GENES), obs=obs, var=var)
    table.layers["truth"] = np.concatenate([truth, truth])
    return table, measured


def _embeddings(test: int, seed: str) -> anndata.AnnData:
    names = patients("R", 40) + patients("V", 20) + patients("T", test)
    rng = np.random.default_rng(int(seed[:1], 16))
    cancers = [CLASSES["cancer"][number % 3] for number in range(len(names))]
    centres = rng.normal(size=(3, 16)) * 3
    values = np.stack([centres[number % 3] for number in range(len(names))]) + rng.normal(size=(len(names), 16))
    obs = pd.DataFrame(
        {
            "patient": names,
            "site": list(map(site_of, names)),
            "cancer": cancers,
            "role": ["train"] * 40 + ["val"] * 20 + ["test"] * test,
        },
        index=names,
    )
    return anndata.AnnData(values.astype(np.float32), obs=obs)


def _curve(approach: str) -> list[str]:
    """Losses of 200 steps at batches of 32 and, in validation, 19; views and contrastive are counted against the ln of these."""
    level, held_level = (1.0, 1.0) if approach == "direct" else (math.log(32), math.log(VALIDATION_PATIENTS))
    ratio = "loss_over_mean_profile" if approach == "direct" else "loss_over_ln_batch"
    lines = []
    for step in range(10, 201, 10):
        loss = level * (0.4 + 0.6 * math.exp(-step / (50 + len(approach))))
        lines.append(json.dumps({"step": step, "loss": loss, ratio: loss / level}) + "\n")
        if step % 50 == 0:
            held = held_level * (0.7 + 0.3 * math.exp(-step / 60))
            lines.append(json.dumps({"step": step, "validation_loss": held, f"validation_{ratio}": held / held_level}) + "\n")
    return lines
