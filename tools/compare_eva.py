"""The probe `eva` beside kaiko-eva itself on the same embeddings of a planted benchmark: balanced accuracy, its spread over runs, and time.

    python -m venv EVA && EVA/bin/pip install kaiko-eva==0.4.5 jsonargparse==4.31.0     # an environment of its own
    python tools/compare_eva.py --eva EVA/bin/python

kaiko-eva is run as its users run it, `eva fit --config`, by a config that says what those of its offline classification tasks say, and
reads each embedding from its file as it would its own. Every side is a process of its own; times are of the whole process, with imports.
"""

import argparse
import csv
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS = {"train": 2_000, "val": 500, "test": 1_000}
FEATURES, CLASSES, BATCH = 384, 4, 256
SEPARATION = 0.115  # of class means, in sd of a feature
SIDES = ("kaiko-eva", "pathfm")

SAVE = """
import sys, numpy, torch
folder = sys.argv[1]
for number, row in enumerate(torch.from_numpy(numpy.load(folder + "/features.npy"))):
    torch.save(row.clone(), f"{folder}/{number}.pt")
"""
CLASS = "eva.datasets.EmbeddingsClassificationDataset"
DATASET = "{{class_path: {name}, init_args: {{root: {folder}, manifest_file: manifest.csv, split: {split}}}}}"
LOADER = "{{batch_size: {batch}, num_workers: 0, persistent_workers: false, prefetch_factor: null, shuffle: {shuffle}}}"
CONFIG = """
trainer:
  class_path: eva.Trainer
  init_args:
    n_runs: {runs}
    default_root_dir: {folder}/logs
    max_steps: {steps}
    checkpoint_type: best
    accelerator: cpu
    logger: false
    enable_progress_bar: false
    callbacks:
      - class_path: lightning.pytorch.callbacks.ModelCheckpoint
        init_args: {{filename: best, save_top_k: 1, monitor: val/MulticlassAccuracy, mode: max}}
      - class_path: lightning.pytorch.callbacks.EarlyStopping
        init_args: {{min_delta: 0, patience: {patience}, monitor: val/MulticlassAccuracy, mode: max}}
model:
  class_path: eva.HeadModule
  init_args:
    head:
      class_path: torch.nn.Linear
      init_args: {{in_features: {features}, out_features: {classes}}}
    criterion: torch.nn.CrossEntropyLoss
    optimizer:
      class_path: torch.optim.AdamW
      init_args: {{lr: 0.0003}}
    metrics:
      common:
        - class_path: eva.metrics.AverageLoss
        - class_path: eva.metrics.MulticlassClassificationMetrics
          init_args: {{num_classes: {classes}}}
data:
  class_path: eva.DataModule
  init_args:
    datasets:
{datasets}
    dataloaders:
{loaders}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eva", type=Path, help="the Python of an environment with kaiko-eva")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12_500, help="of a run at most")
    parser.add_argument("--threads", type=int, default=1, help="of linear algebra, for each side")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(by_pathfm(Path(arguments.side), arguments.runs, arguments.steps)))
        return 0
    if arguments.eva is None:
        parser.error("--eva: name the Python of an environment with kaiko-eva")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_benchmark(folder)
        subprocess.run([arguments.eva, "-c", SAVE, folder], check=True)
        found = {"pathfm": beside(pathfm_command(folder, arguments), arguments.threads), "kaiko-eva": kaiko(folder, arguments)}
    for side in SIDES:
        print(told(side, found[side]))
    print(verdict(*(np.array(found[side]["test"]) for side in SIDES)))
    return 0


def write_benchmark(folder: Path) -> None:
    """features.npy [n, features], labels.npy and roles.npy [n], and the manifest that kaiko-eva reads."""
    rng = np.random.default_rng(0)
    roles = np.repeat(list(ROWS), list(ROWS.values()))
    labels = rng.choice(CLASSES, len(roles), p=[0.4, 0.3, 0.2, 0.1])
    means = SEPARATION * rng.normal(size=(CLASSES, FEATURES))
    features = np.float32(means[labels] + rng.normal(size=(len(roles), FEATURES)))
    for name, values in (("features", features), ("labels", labels), ("roles", roles)):
        np.save(folder / f"{name}.npy", values)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["embeddings", "target", "split"])
        table.writerows([f"{number}.pt", label, role] for number, (label, role) in enumerate(zip(labels, roles, strict=True)))


def kaiko_config(folder: Path, runs: int, steps: int) -> str:
    """Patience is a fifth of the most epochs, as kaiko-eva's table of its protocol has it."""
    patience = math.ceil(0.2 * math.ceil(steps / math.ceil(ROWS["train"] / BATCH)))
    datasets = "\n".join(f"      {split}: {DATASET.format(name=CLASS, folder=folder, split=split)}" for split in ROWS)
    loaders = "\n".join(f"      {split}: {LOADER.format(batch=BATCH, shuffle=str(split == 'train').lower())}" for split in ROWS)
    values = {"runs": runs, "steps": steps, "patience": patience, "folder": folder, "features": FEATURES, "classes": CLASSES}
    return CONFIG.format(**values, datasets=datasets, loaders=loaders)


def kaiko(folder: Path, arguments: argparse.Namespace) -> dict:
    config = folder / "config.yaml"
    config.write_text(kaiko_config(folder, arguments.runs, arguments.steps), encoding="utf-8")
    spent = beside([arguments.eva, "-m", "eva", "fit", "--config", config], arguments.threads)
    [results] = (folder / "logs").glob("*/results.json")
    metrics = json.loads(results.read_text(encoding="utf-8"))["metrics"]
    return spent | {split: metrics[split][0][f"{split}/MulticlassAccuracy"]["values"] for split in ("val", "test")}


def pathfm_command(folder: Path, arguments: argparse.Namespace) -> list:
    return [sys.executable, __file__, "--side", folder, "--runs", str(arguments.runs), "--steps", str(arguments.steps)]


def by_pathfm(folder: Path, runs: int, steps: int) -> dict:
    """Balanced accuracy of each run on validation and test rows."""
    from pathfm.probes.eva import Eva
    from pathfm.probes.target import Classes
    from pathfm.statistics.scores import balanced_accuracy

    features, labels, roles = (np.load(folder / f"{name}.npy") for name in ("features", "labels", "roles"))
    target = Classes(labels, CLASSES)
    [model] = Eva(runs=runs, most_steps=steps).fit(features, target, np.float64(roles == "train")[None])
    val, test = (np.flatnonzero(roles == role) for role in ("val", "test"))
    model.scores(features[val], target.take(val))
    return {
        name: [balanced_accuracy(labels[rows], guesses) for guesses in model.guesses(features[rows], 0)]
        for name, rows in (("val", val), ("test", test))
    }


def beside(command: list, threads: int) -> dict:
    """Runs a side by itself: its processor and wall time in seconds, and what it printed as JSON in its last line, where it did."""
    limits = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    printed = (done.stdout.splitlines() or [""])[-1]
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": spent, "wall": wall} | (json.loads(printed) if printed.startswith("{") else {})


def told(side: str, found: dict) -> str:
    scores = ", ".join(f"{split} {spread(np.array(found[split]))}" for split in ("val", "test"))
    return f"{side}: balanced accuracy {scores}; {found['cpu']:.1f} CPU-s, {found['wall']:.1f} s"


def spread(values: np.ndarray) -> str:
    return f"{values.mean():.4f} (sd {values.std(ddof=1):.4f}: {' '.join(f'{value:.4f}' for value in values)})"


def verdict(theirs: np.ndarray, ours: np.ndarray) -> str:
    difference, sd = ours.mean() - theirs.mean(), theirs.std(ddof=1)
    error = math.hypot(sd / len(theirs) ** 0.5, ours.std(ddof=1) / len(ours) ** 0.5)
    word = "within" if abs(difference) <= sd else "beyond"
    return f"difference of the means on test rows {difference:+.4f} (standard error {error:.4f}): {word} kaiko-eva's sd over runs, {sd:.4f}"


if __name__ == "__main__":
    sys.exit(main())
