"""python -m pathfm.evaluate --config FILE --workdir DIR: frozen features → probes → scores, for one checkpoint on one fold.

weights → cohort and split (leak check) → features, once → every probe on every task, two fits each → files from which the report is made.
"""

if __name__ == "__main__":  # help and mistakes in the config answer before jax is imported
    import sys

    from pathfm.configuration import start

    sys.exit(start("pathfm.evaluate", sys.argv[1:]))

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import anndata
import numpy as np
import pandas as pd

from pathfm.benchmarks import READERS
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.panel import Panel, one_row_per_patient, read_log_tpm
from pathfm.cohort.splits import Splits, check_splits, read_splits
from pathfm.errors import InputError
from pathfm.evaluation.config import EvaluateConfig
from pathfm.features.brought import SUFFIX, Brought
from pathfm.features.encoder import Encoder
from pathfm.features.store import FeatureStore
from pathfm.files import digest, read_parquet
from pathfm.input.paired import read_expression
from pathfm.probes.registry import PROBES
from pathfm.progress import say
from pathfm.report.folder import EMBEDDING_OBS, EvaluationFolder
from pathfm.report.words import note_of
from pathfm.tasks.benchmark import BenchmarkTask
from pathfm.tasks.labels import LabelTask
from pathfm.tasks.registry import BY_NAME, TASKS
from pathfm.tasks.task import People, Probing, Result, Task
from pathfm.weights.folder import Weights, open_weights

T = TypeVar("T")


def run(config: EvaluateConfig, workdir: Path) -> None:
    """Evaluates as the config says and leaves evaluation.json, scores, predictions and embeddings in `workdir`."""
    files = EvaluationFolder(workdir)
    brought = Brought(Path(config.checkpoint)) if config.checkpoint.endswith(SUFFIX) else None
    weights = None if brought else open_weights(config.checkpoint)
    subject = Subject(brought.card) if brought else of_weights(weights)
    folder = CohortFolder.open(config.cohort)
    splits, pairs = read_splits(folder), read_parquet(folder.pairs)
    check_splits(splits, pairs)
    fold = chosen_fold(config, subject, splits)
    people = patients_of(folder, splits, pairs, fold)
    giver = of_weights(open_weights(config.panel)) if config.panel else subject
    refuse_seen(subject.patients, config.checkpoint, people, config)
    refuse_seen(giver.patients, config.panel or config.checkpoint, people, config)
    tasks = [opened(task, config) for task in (chosen(config.tasks, BY_NAME, "task") or TASKS)]
    panel = giver.panel if BY_NAME["expression"] in tasks else None
    if panel is not None:
        panel.columns(read_expression(folder))
    probing = Probing(
        probes=chosen(config.probes, PROBES, "probe"),
        balanced=config.class_weight == "balanced",
        resamples=config.resamples,
        permutations=config.permutations,
        seed=config.seed,
    )

    slides = slides_of(folder, pairs, people)
    if brought:
        features = brought.features(people["patient"])
    else:
        store = FeatureStore(Encoder.of(weights), Path(config.cache or files.features), config.batch, config.tiles_per_slide)
        features = store.features(folder, slides)
    people = people.set_index("patient").loc[features.patients].reset_index()
    expression = None if panel is None else measured_expression(folder, pairs, people, panel)
    scored = People(people, fold, splits.hash, expression)

    results = []
    for task in tasks:
        result = task.run(features, scored, probing)
        if result is not None:
            results.append(result)
            tell(task, result, probing)
    if not results:
        raise InputError(f"no task has data: {folder.labels} holds no usable label and no benchmark is given")
    about = {
        "card": subject.card,
        "approach": subject.approach,
        "panel_choice": giver.panel_choice,
        "folds": [fold],
        "split_hash": splits.hash,
        "panel_hash": giver.panel.hash if giver.panel else None,
        "tiles_hash": None if brought else tiles_hash(slides),
        "pooling": features.pooling,
        "options": {name: getattr(config, name) for name in ("class_weight", "tiles_per_slide", "seed")} | {"probes": list(config.probes)},
        "seen_patients_allowed": config.allow_seen_patients,
        "seen_patients_known": brought is None,
        "smoke": config.smoke,
    }
    genes = None if panel is None else pd.DataFrame({"symbol": list(panel.symbols)}, index=list(panel.genes))
    files.write(about, json.loads(json.dumps(asdict(config))), results, embeddings_of(people, features.matrix), genes, subject.metrics)
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


def of_weights(weights: Weights) -> Subject:
    """What the card of weights and the files beside it say."""
    card = weights.card
    return Subject(
        card=card,
        approach="base" if card["base"] is None else card["objective"],
        split_hash=card["split_hash"],
        fold=card["fold"],
        panel=weights.panel,
        panel_choice=card["panel_choice"],
        patients=weights.patients,
        metrics=own_metrics(weights.path, imported=card["objective"] == "imported"),
    )


def own_metrics(path: Path, imported: bool) -> Path | None:
    """metrics.jsonl of the run that left the weights in this folder; None for imported weights, wherever their folder lies."""
    folder = path.resolve()
    metrics = folder.parent / "metrics.jsonl"
    return metrics if not imported and folder.name == "weights" and metrics.exists() else None


def chosen_fold(config: EvaluateConfig, subject: Subject, splits: Splits) -> int:
    """The fold to score: the one asked for, else the one that the weights were trained on, else the first."""
    trained = subject.fold if subject.split_hash == splits.hash else None
    fold = config.fold if config.fold >= 0 else trained if trained is not None else splits.folds[0]
    if fold not in splits.folds:
        raise InputError(f"the split has no fold {fold}; its folds are {', '.join(map(str, splits.folds))}")
    return fold


def patients_of(folder: CohortFolder, splits: Splits, pairs: pd.DataFrame, fold: int) -> pd.DataFrame:
    """A row per patient of the fold: patient, role, site, and the label of every task; a class that the split left out is null."""
    roles = splits.table[splits.table["fold"] == fold][["patient", "role"]]
    people = roles.merge(pairs.drop_duplicates("patient")[["patient", "site"]], how="left", on="patient")
    columns = [task.name for task in TASKS if isinstance(task, LabelTask)]
    if folder.labels.exists():
        labels = read_parquet(folder.labels, ["patient", *columns])
        people = people.merge(labels[["patient", *columns]], how="left", on="patient")
    else:
        people[columns] = None
    for task, classes in splits.tasks_left_out.items():
        if task in people:
            people[task] = people[task].where(~people[task].isin(set(classes)), None)
    return people


def slides_of(folder: CohortFolder, pairs: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """The rows of slides.parquet that are tiled, paired, and of these people."""
    slides = read_parquet(folder.slides)
    wanted = slides["slide"].isin(set(pairs["slide"])) & slides["patient"].isin(set(people["patient"]))
    return slides[(slides["status"] == "done") & wanted]


def tiles_hash(slides: pd.DataFrame) -> str:
    """Identifies the tile records of slides (rows of `slides.parquet`), in whatever order they come."""
    return digest(slides.sort_values("slide")[["slide", "records_sha256"]].to_numpy().tolist())


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


def opened(task: Task, config: EvaluateConfig) -> Task:
    """A benchmark's task with the images of the folder that is given for it; a wrong folder is refused before any work."""
    folder = getattr(config.benchmarks, task.name, "") if isinstance(task, BenchmarkTask) else ""
    return replace(task, benchmark=READERS[task.name](folder)) if folder else task


def measured_expression(folder: CohortFolder, pairs: pd.DataFrame, people: pd.DataFrame, panel: Panel) -> np.ndarray:
    """float32 [patients, genes] of these people, in the panel's units."""
    profiles = one_row_per_patient(read_expression(folder), pairs)
    row = pd.Series(np.arange(profiles.n_obs), index=profiles.obs["patient"].astype(str))
    return panel.scale(read_log_tpm(profiles, row[people["patient"]].to_numpy(), panel.columns(profiles)))


def tell(task: Task, result: Result, probing: Probing) -> None:
    """A line for each headline score of the task."""
    for row in result.scores[result.scores["headline"]].itertuples():
        probe = "" if row.probe == result.scores["probe"].iloc[0] else f", {row.probe}"
        note = note_of(row)
        say(f"{task.name} ({row.fit}{probe}): {row.metric} {row.value:.4f}, n = {row.n}{f' ({note})' if note else ''}")


def embeddings_of(people: pd.DataFrame, features: np.ndarray) -> anndata.AnnData:
    """A row per patient with what is known of it; what is missing is empty."""
    obs = people[EMBEDDING_OBS].astype(object).where(people[EMBEDDING_OBS].notna(), "")
    return anndata.AnnData(features, obs.astype(str).set_index("patient", drop=False))
