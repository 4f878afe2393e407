"""How long `pathfm report` takes, and how large its page is, for ten tasks, five folds and three runs.

    python tools/bench_report.py --patients 1000 --genes 2000 --images 1

A base and two runs tuned from it, each evaluated on five folds. Nothing is trained and no probe is fitted: what a probe would predict is
planted, and goes through tasks and evaluation folder as in an evaluation. Patients are a draw of those of tcga_counts.txt, in whole
hospitals; of the published test images of each benchmark the share `--images` is there. Processor time is that of the report alone.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import anndata
import numpy as np
import pandas as pd
from scipy.special import softmax
from tcga_columns import label_table

from pathfm.benchmarks import BENCHMARKS
from pathfm.benchmarks.benchmark import Benchmark
from pathfm.cohort.labels import TASKS as LABELS
from pathfm.features.tile_sample import chosen_tiles, thumbnail
from pathfm.files import digest
from pathfm.probes.protocol import Fitted
from pathfm.probes.target import Classes, Target, Values
from pathfm.report.folder import EMBEDDING_OBS, EvaluationFolder
from pathfm.report.page import write_report
from pathfm.report.tiles import TILES, Tiles
from pathfm.tasks.fits import PROTOCOL
from pathfm.tasks.registry import BY_NAME
from pathfm.tasks.task import People, Probing

FOLDS = 5
TRAINING_IMAGES = 200  # of a benchmark; no probe is fitted on them
TILES_OF_A_SLIDE = 500
BLURRED = 8  # pixels of a thumbnail from which it is enlarged, as tissue is no noise
RUNS = {"base": 1.0, "direct": 1.4, "contrastive": 1.2}  # how well each predicts
EXPRESSION = "expression"


class Given(Fitted):
    """Predictions that came as features."""

    ends = (False, False)
    converged = np.ones(1, bool)

    def predict(self, features: np.ndarray, setting: int) -> np.ndarray:
        return features


@dataclass(frozen=True)
class Planted:
    """A probe that has nothing to fit."""

    name: str
    takes: tuple[type[Target], ...]
    setting: ClassVar = "strength"
    grid: ClassVar = np.ones(1)

    def fit(self, features: np.ndarray, target: Target, weights: np.ndarray) -> Iterable[Fitted]:
        return [Given() for _ in weights]


@dataclass(frozen=True)
class Predicted:
    """What a task is given in the place of features."""

    matrix: np.ndarray
    bags = None

    def of_images(self, benchmark: Benchmark) -> np.ndarray:
        return self.matrix


PROBING = Probing([Planted("logistic", (Classes,)), Planted("ridge", (Values,))], permutations=0)


def cohort(patients: int) -> pd.DataFrame:
    """So many patients of TCGA, drawn, with their labels and the fold that tests their hospital."""
    table = label_table()
    table = table.iloc[np.sort(np.random.default_rng(0).permutation(len(table))[:patients])].reset_index(drop=True)
    sizes = table["site"].value_counts()
    return table.assign(fold=table["site"].map(dict(zip(sizes.index, np.arange(len(sizes)) % FOLDS, strict=True))))


def probabilities(labels: Iterable, strength: float, seed: int) -> np.ndarray:
    """float32 [n, classes]: the true class is favoured by `strength` over noise that is the same for every run."""
    labels = pd.Series(labels, dtype=object)
    classes = sorted(labels.dropna().unique())
    truth = labels.to_numpy()[:, None] == np.array(classes, object)
    return softmax(np.random.default_rng(seed).normal(size=truth.shape) + strength * truth, axis=1).astype(np.float32)


def benchmark(name: str, share: float) -> Benchmark:
    """Names and labels of a benchmark's test images and of a few to train."""
    known = BENCHMARKS[name]
    count = max(100, round(share * next(iter(known.releases.values())).images["test"]))
    numbers = range(count + TRAINING_IMAGES)
    patients = (
        None if known.unit == "image" else tuple(f"{name}-{number % 100}-{'train' if number >= count else 'test'}" for number in numbers)
    )
    return Benchmark(
        task=name,
        units=tuple(f"{name}/{number:06d}.png" for number in numbers),
        labels=tuple(known.classes[number % len(known.classes)] for number in numbers),
        roles=tuple("test" if number < count else "train" for number in numbers),
        patients=patients,
        read=lambda number: np.zeros((8, 8, 3), np.uint8),
        digest=digest([name, count]),
        unit=known.unit,
        release=next(iter(known.releases)),
    )


def evaluate(folder: Path, run: str, table: pd.DataFrame, fold: int, images: float, truth: np.ndarray) -> None:
    """One evaluation of one run on one fold, as evaluate.py leaves it."""
    strength, number = RUNS[run], list(RUNS).index(run)
    role = np.select([table["fold"] == fold, table["fold"] == (fold + 1) % FOLDS], ["test", "val"], "train")
    people = People(table.assign(role=role), fold, "5" * 64, truth, by_site=True)
    random = np.random.default_rng([number, fold])
    results, ledgers = [], {}
    for seed, name in enumerate(("bach", "pcam", "mhist", "crc_msi")):
        task = replace(BY_NAME[name], benchmark=benchmark(name, images))
        results.append(task.run(Predicted(probabilities(task.benchmark.labels, strength, seed)), people, PROBING))
        ledgers[name] = task.ledger(frozenset())
    for seed, name in enumerate(LABELS):
        results.append(BY_NAME[name].run(Predicted(probabilities(table[name], strength, seed)), people, PROBING))
    guess = strength * truth + 2 * random.normal(size=truth.shape).astype(np.float32)
    results.append(BY_NAME[EXPRESSION].run(Predicted(guess), people, PROBING))
    weights = [character * 64 for character in ("a", f"1{fold}", f"2{fold}")][number][:64]
    base = {"name": "base", "weight_hash": "a" * 64} if number else None
    card = {
        "name": f"{run}-{fold}" if number else run,
        "objective": run,
        "weight_hash": weights,
        "base": base,
        "recipe_hash": run if number else None,
    }
    about = {
        "card": card,
        "approach": run,
        "panel_choice": "all",
        "folds": [fold],
        "split_hash": people.split_hash,
        "panel_hash": "b" * 64,
        "tiles_hash": None,
        "pooling": "mean",
        "benchmarks": ledgers,
        "options": {"protocol": PROTOCOL},
    }
    width = 1024
    genes = pd.DataFrame(
        {"symbol": [f"GENE{gene}" for gene in range(truth.shape[1])]}, [f"ENSG{gene:011d}" for gene in range(truth.shape[1])]
    )
    features = (random.normal(size=(len(table), width)) + pd.factorize(table["cancer"])[0][:, None] % 7).astype(np.float32)
    obs = people.table[EMBEDDING_OBS].astype(object).where(people.table[EMBEDDING_OBS].notna(), "")
    embeddings = anndata.AnnData(features, obs.astype(str).set_index("patient", drop=False))
    files = EvaluationFolder(folder)
    files.write(about, {}, [one for one in results if one is not None], embeddings, genes, tiles=tiles_of(people.table, random, width))


def tiles_of(table: pd.DataFrame, random: np.random.Generator, width: int) -> Tiles:
    """The sample of the test patients' tiles, a slide each."""
    slides = pd.DataFrame({"slide": table["patient"] + "-DX1", "patient": table["patient"], "tiles": TILES_OF_A_SLIDE})
    chosen = chosen_tiles(slides, table["patient"][table["role"] == "test"])
    rows = pd.DataFrame([(slide, number) for slide, numbers in chosen.items() for number in numbers], columns=["slide", "record"])
    rows = rows.merge(slides, on="slide").merge(table[["patient", "site", "cancer"]], on="patient")
    small = random.integers(90, 240, (len(rows), BLURRED, BLURRED, 3)).astype(np.uint8)
    noise = random.integers(0, 12, (len(rows), 64, 64, 3)).astype(np.uint8)
    pictures = small.repeat(8, axis=1).repeat(8, axis=2) + noise
    return Tiles(
        rows.assign(thumbnail=list(map(thumbnail, pictures)))[list(TILES)], random.normal(size=(len(rows), width)).astype(np.float32)
    )


def evaluations(home: Path, patients: int, genes: int, images: float) -> Iterator[Path]:
    table = cohort(patients)
    truth = np.random.default_rng(2).normal(size=(len(table), genes)).astype(np.float32)
    for run in RUNS:
        for fold in range(FOLDS):
            folder = home / f"{run}-{fold}"
            folder.mkdir()
            evaluate(folder, run, table, fold, images, truth)
            yield folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--images", type=float, default=1.0, help="share of the published test images of each benchmark")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as directory:
        folders = list(evaluations(Path(directory), arguments.patients, arguments.genes, arguments.images))
        wall, processor = time.monotonic(), time.process_time()
        write_report(folders, Path(directory) / "report")
        wall, processor = time.monotonic() - wall, time.process_time() - processor
        page = (Path(directory) / "report" / "report.html").stat().st_size
    print(f"{len(folders)} evaluations: {processor:.1f} s of processor time, {wall:.1f} s, a page of {page / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
