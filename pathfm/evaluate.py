"""python -m pathfm.evaluate --config FILE --workdir DIR: frozen features → probes → scores, for one checkpoint on one fold.

weights → cohort and split (leak check) → features, once → every probe on every task, two fits each → files from which the report is made.
"""

if __name__ == "__main__":  # help and mistakes in the config answer before jax is imported
    import sys

    from pathfm.settings.command_line import start

    sys.exit(start("pathfm.evaluate", sys.argv[1:]))

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import anndata
import numpy as np
import pandas as pd

from pathfm.benchmarks import READERS
from pathfm.cohort.opened import Cohort, tiles_hash
from pathfm.cohort.splits import Splits
from pathfm.errors import InputError
from pathfm.features.brought import Brought, is_brought
from pathfm.features.encoder import Encoder
from pathfm.features.floors import floor_of
from pathfm.features.shared_space import spaces_of
from pathfm.features.store import FeatureStore
from pathfm.features.tile_sample import TileSample, chosen_tiles
from pathfm.folders.run import RunFolder
from pathfm.modalities.modality import measured
from pathfm.modalities.panel import Panel
from pathfm.probes.bags import OfTiles
from pathfm.probes.registry import PROBES
from pathfm.progress import say
from pathfm.report.folder import EMBEDDING_OBS, EvaluationFolder
from pathfm.report.tiles import TILES, Tiles
from pathfm.report.words import note_of
from pathfm.settings.evaluation import EvaluateConfig
from pathfm.settings.terms import EXPRESSION
from pathfm.tasks.benchmark import BenchmarkTask
from pathfm.tasks.fits import PROTOCOL
from pathfm.tasks.images import with_images
from pathfm.tasks.labels import LabelTask
from pathfm.tasks.registry import BY_NAME, TASKS
from pathfm.tasks.retrieval import RetrievalTask
from pathfm.tasks.task import People, Probing, Result, Task
from pathfm.weights.card import IMPORTED
from pathfm.weights.folder import Weights, open_weights

T = TypeVar("T")


def run(config: EvaluateConfig, workdir: Path) -> None:
    """Evaluates as the config says and leaves evaluation.json, scores, predictions and embeddings in `workdir`."""
    files = EvaluationFolder(workdir)
    brought = Brought(Path(config.checkpoint)) if is_brought(config.checkpoint) else None
    weights = None if brought else open_weights(config.checkpoint)
    known = Subject(brought.card) if brought else of_weights(weights)
    subject, encoder = known, None
    if config.floor:
        if brought:
            raise InputError(f"a floor is made under weights; {config.checkpoint} holds features alone, give a run or a folder of weights")
        encoder, card = floor_of(weights, config.floor, config.seed)
        subject = replace(known, card=card, approach=card["name"], patients=frozenset(), metrics=None)
    cohort = Cohort.open(config.cohort)
    fold = chosen_fold(config, subject, cohort.splits)
    people = people_of(cohort, fold)
    paired = people[people["patient"].isin(set(cohort.pairs["patient"]))]
    giver = of_weights(open_weights(config.panel)) if config.panel else known
    refuse_seen(subject.patients, config.checkpoint, people, config)
    refuse_seen(giver.patients, config.panel or config.checkpoint, people, config)
    chosen(tuple(config.benchmarks), READERS, "benchmark")
    tasks = [with_images(task, config, people, subject.patients) for task in (chosen(config.tasks, BY_NAME, "task") or BY_NAME.values())]
    if weights and not config.floor:
        tasks = [replace(task, spaces=spaces_of(weights, cohort)) if isinstance(task, RetrievalTask) else task for task in tasks]
    panel = giver.panel if BY_NAME[EXPRESSION] in tasks else None
    if panel is not None:
        measured(cohort, paired, panel)  # what cannot be read stops before any work
    probing = Probing(
        probes=chosen(config.probes, PROBES, "probe"),
        balanced=config.class_weight == "balanced",
        resamples=config.resamples,
        permutations=config.permutations,
        seed=config.seed,
    )

    slides, sample = cohort.slides_of(paired["patient"]), None
    if brought:
        features = brought.features(paired["patient"], slides)
    else:
        bag = config.tiles_per_bag if any(isinstance(probe, OfTiles) for probe in probing.probes) else 0
        chosen_sample = chosen_tiles(slides, paired["patient"][paired["role"] == "test"], config.tiles_per_slide)
        store = FeatureStore(
            encoder or Encoder.of(weights), Path(config.cache or files.features), config.batch, config.tiles_per_slide, bag, chosen_sample
        )
        features = store.features(cohort.folder, slides)
        sample = store.sampled(cohort.folder, slides)
    people = people.set_index("patient").loc[features.patients].reset_index()
    expression = None if panel is None else measured(cohort, people, panel)
    scored = People(people, fold, cohort.splits.hash, expression, by_site=cohort.splits.scheme == "site")

    results, ledgers = [], {}
    for task in tasks:
        result = task.run(features, scored, probing)
        if result is not None:
            results.append(result)
            if isinstance(task, BenchmarkTask):
                ledgers[task.name] = task.ledger(subject.patients)
            tell(task, result, probing)
    if not any(result.scores["headline"].any() for result in results):
        raise InputError(f"no task has data: {cohort.folder.labels} holds no usable label and no benchmark is given")
    about = {
        "card": subject.card,
        "approach": subject.approach,
        "panel_choice": giver.panel_choice,
        "folds": [fold],
        "split_hash": cohort.splits.hash,
        "panel_hash": giver.panel.hash if giver.panel else None,
        "tiles_hash": None if brought else tiles_hash(slides),
        "pooling": features.pooling,
        "benchmarks": ledgers,
        "options": {name: getattr(config, name) for name in ("class_weight", "tiles_per_slide", "seed")}
        | {"probes": list(config.probes), "protocol": PROTOCOL}
        | ({"tiles_per_bag": config.tiles_per_bag} if features.bags is not None else {}),
        "seen_patients_allowed": config.allow_seen_patients,
        "seen_patients_known": brought is None,
        "smoke": config.smoke,
        "floor": {"kind": config.floor, "under": known.card["weight_hash"]} if config.floor else None,
    }
    genes = None if panel is None else pd.DataFrame({"symbol": list(panel.symbols)}, index=list(panel.genes))
    embeddings = embeddings_of(people, features.matrix)
    tiles = tiles_of(people, sample) if sample else None
    files.write(about, json.loads(json.dumps(asdict(config))), results, embeddings, genes, subject.metrics, subject.config, tiles)
    say(f"done: {workdir} holds the scores; next: pathfm report {workdir} … --out DIR")


@dataclass(frozen=True)
class Subject:
    """What is known of an encoder that is evaluated; of features that were computed elsewhere nothing but their name and hash."""

    card: dict[str, Any]
    approach: str = "base"  # the objective of weights that were tuned from others
    split_hash: str | None = None
    fold: int | None = None
    panel: Panel | None = None
    panel_choice: str | None = None
    patients: frozenset[str] = frozenset()  # that it was trained on
    metrics: Path | None = None  # of the run that trained it
    config: Path | None = None  # likewise


def of_weights(weights: Weights) -> Subject:
    """What the card of weights and the files beside it say."""
    card = weights.card
    imported = card.objective == IMPORTED
    return Subject(
        card=card.to_dict(),
        approach="base" if card.base is None else card.objective,
        split_hash=card.split_hash,
        fold=card.fold,
        panel=weights.panel,
        panel_choice=card.paired.choice if card.paired else None,
        patients=weights.patients,
        metrics=own_metrics(weights.path, imported),
        config=own_config(weights.path, imported),
    )


def own_metrics(path: Path, imported: bool) -> Path | None:
    """metrics.jsonl of the run that left the weights in this folder; None for imported weights, wherever their folder lies."""
    return _own(path, imported, lambda run: run.metrics_file)


def own_config(path: Path, imported: bool) -> Path | None:
    """config.json of that run, likewise."""
    return _own(path, imported, lambda run: run.config_file)


def _own(path: Path, imported: bool, file: Callable[[RunFolder], Path]) -> Path | None:
    run = RunFolder(path.resolve().parent)
    return file(run) if not imported and path.resolve() == run.weights and file(run).exists() else None


def chosen_fold(config: EvaluateConfig, subject: Subject, splits: Splits) -> int:
    """The fold to score: the one asked for, else the one that the weights were trained on, else the first."""
    trained = subject.fold if subject.split_hash == splits.hash else None
    fold = config.fold if config.fold >= 0 else trained if trained is not None else splits.folds[0]
    if fold not in splits.folds:
        raise InputError(f"the split has no fold {fold}; its folds are {', '.join(map(str, splits.folds))}")
    return fold


def people_of(cohort: Cohort, fold: int) -> pd.DataFrame:
    """The people of the fold with a column for every task on labels, null where the cohort has none."""
    people = cohort.people(fold)
    return people.assign(**{task.name: None for task in TASKS if isinstance(task, LabelTask) and task.name not in people})


def refuse_seen(patients: frozenset[str], run: str, people: pd.DataFrame, config: EvaluateConfig) -> None:
    """A patient that the encoder, what it was trained from, or the gene panel has seen is never scored."""
    seen = patients & set(people["patient"][people["role"] == "test"])
    if seen and not config.allow_seen_patients:
        raise InputError(
            f"{run} was trained on {len(seen)} of the patients who would be scored; evaluate the fold that it was trained "
            "for, or give --config.allow_seen_patients=True, which the report will say"
        )


def chosen(names: tuple[str, ...], known: Mapping[str, T], what: str) -> list[T]:
    """What the names stand for; InputError for one that is not known."""
    for name in names:
        if name not in known:
            raise InputError(f"there is no {what} {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names]


def tell(task: Task, result: Result, probing: Probing) -> None:
    """A line for each headline score of the task."""
    for row in result.scores[result.scores["headline"]].itertuples():
        probe = "" if row.probe == result.scores["probe"].iloc[0] else f", {row.probe}"
        note = note_of(row)
        say(f"{task.name} ({row.fit}{probe}): {row.metric} {row.value:.4f}, n = {row.n}{f' ({note})' if note else ''}")


def tiles_of(people: pd.DataFrame, sample: TileSample) -> Tiles:
    """The sample with what is known of its patients; what is missing is empty."""
    known = people[["patient", "site", "cancer"]].astype(object)
    table = sample.table.merge(known.where(known.notna(), ""), how="left", on="patient")
    return Tiles(table[list(TILES)], sample.features)


def embeddings_of(people: pd.DataFrame, features: np.ndarray) -> anndata.AnnData:
    """A row per patient with what is known of it; what is missing is empty."""
    obs = people[EMBEDDING_OBS].astype(object).where(people[EMBEDDING_OBS].notna(), "")
    return anndata.AnnData(features, obs.astype(str).set_index("patient", drop=False))
