"""python -m pathfm.evaluate --config FILE --workdir DIR: frozen features → probes → scores, for one checkpoint on one fold.

weights → cohort and split (leak check) → features, once → a probe per task, two fits each → files from which the report is made.
"""

if __name__ == "__main__":  # help and mistakes in the config answer before jax is imported
    import sys

    from pathfm.configuration import start

    sys.exit(start("pathfm.evaluate", sys.argv[1:]))

import json
from dataclasses import asdict
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata.io import write_elem

from pathfm.benchmarks import READERS
from pathfm.benchmarks.benchmark import Benchmark
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.hdf5 import whole_hdf5
from pathfm.cohort.panel import Panel, one_row_per_patient, read_log_tpm
from pathfm.cohort.splits import Splits, check_splits, read_splits
from pathfm.errors import InputError
from pathfm.evaluation.config import EvaluateConfig
from pathfm.features.store import Extractor
from pathfm.files import digest, read_parquet, replacing, write_json, write_parquet
from pathfm.input.paired import read_expression
from pathfm.progress import say
from pathfm.tasks.classes import Who, probe_classification
from pathfm.tasks.expression import PredictedExpression, probe_expression
from pathfm.tasks.registry import BY_NAME, TASKS, Task
from pathfm.weights.folder import Weights, open_weights


def run(config: EvaluateConfig, workdir: Path) -> None:
    """Evaluates as the config says and leaves evaluation.json, scores, predictions and embeddings in `workdir`."""
    weights = open_weights(config.checkpoint)
    folder = CohortFolder.open(config.cohort)
    splits, pairs = read_splits(folder), read_parquet(folder.pairs)
    check_splits(splits, pairs)
    fold = chosen_fold(config, weights, splits)
    people = patients_of(folder, splits, pairs, fold)
    giver = open_weights(config.panel) if config.panel else weights
    refuse_seen(weights.patients, config.checkpoint, people, config)
    if config.panel:
        refuse_seen(giver.patients, config.panel, people, config)
    panel = giver.panel
    tasks = [BY_NAME[name] if name in BY_NAME else unknown_task(name) for name in config.tasks] or list(TASKS)
    if panel is not None and BY_NAME["expression"] in tasks:
        panel.columns(read_expression(folder))
    benchmarks = read_benchmarks(tasks, config)

    slides = read_parquet(folder.slides)
    slides = slides[
        (slides["status"] == "done") & slides["slide"].isin(set(pairs["slide"])) & slides["patient"].isin(set(people["patient"]))
    ]
    extractor = Extractor(weights, Path(config.cache or workdir / "features"), config.batch, config.tiles_per_slide)
    patients, features = extractor.patients(folder, slides)
    people = people.set_index("patient").loc[patients].reset_index()

    scores, predictions, expression = [], [], None
    for task in tasks:
        if task.source == "benchmark":
            result = benchmark_task(task, benchmarks[task.name], config, extractor) if task.name in benchmarks else None
        elif task.name == "expression":
            result = expression_task(task, config, folder, pairs, people, features, panel, fold, splits)
        else:
            result = label_task(task, config, people, features, fold, splits)
        if result is None:
            continue
        scores.append(result[0])
        if isinstance(result[1], PredictedExpression):
            expression = result[1]
        else:
            predictions.append(result[1])
        for row in result[0].itertuples():
            if row.metric == task.metric:
                say(f"{task.name} ({row.fit}): {row.metric} {row.value:.4f}, n = {row.n}{f' ({row.note})' if row.note else ''}")
    if not scores:
        raise InputError(f"no task has data: {folder.labels} holds no usable label and no benchmark is given")
    about = {
        "folds": [fold],
        "split_hash": splits.hash,
        "panel_choice": giver.card["panel_choice"],
        "panel_hash": panel.hash if panel else None,
        "tiles_hash": digest(slides.sort_values("slide")[["slide", "records_sha256"]].to_numpy().tolist()),
        "options": {name: getattr(config, name) for name in ("class_weight", "tiles_per_slide", "seed")},
        "seen_patients_allowed": config.allow_seen_patients,
        "smoke": config.smoke,
    }
    keep(workdir, config, weights, panel, about, people, features, scores, predictions, expression)
    say(f"done: {workdir} holds the scores; next: pathfm report {workdir} … --out DIR")


def chosen_fold(config: EvaluateConfig, weights: Weights, splits: Splits) -> int:
    """The fold to score: the one asked for, else the one that the weights were trained on, else the first."""
    trained = weights.card["fold"] if weights.card["split_hash"] == splits.hash else None
    fold = config.fold if config.fold >= 0 else trained if trained is not None else splits.folds[0]
    if fold not in splits.folds:
        raise InputError(f"the split has no fold {fold}; its folds are {', '.join(map(str, splits.folds))}")
    return fold


def patients_of(folder: CohortFolder, splits: Splits, pairs: pd.DataFrame, fold: int) -> pd.DataFrame:
    """A row per patient of the fold: patient, role, site, and the label of every task; a class that the split left out is null."""
    roles = splits.table[splits.table["fold"] == fold][["patient", "role"]]
    people = roles.merge(pairs.drop_duplicates("patient")[["patient", "site"]], how="left", on="patient")
    columns = [task.name for task in TASKS if task.source == "cohort" and task.name != "expression"]
    if folder.labels.exists():
        labels = read_parquet(folder.labels, ["patient", *columns])
        people = people.merge(labels[["patient", *columns]], how="left", on="patient")
    else:
        people[columns] = None
    for task, classes in splits.tasks_left_out.items():
        if task in people:
            people[task] = people[task].where(~people[task].isin(set(classes)), None)
    return people


def refuse_seen(patients: frozenset[str], run: str, people: pd.DataFrame, config: EvaluateConfig) -> None:
    """A patient that the encoder, what it was trained from, or the gene panel has seen is never scored."""
    seen = patients & set(people["patient"][people["role"] == "test"])
    if seen and not config.allow_seen_patients:
        raise InputError(
            f"{run} was trained on {len(seen)} of the patients who would be scored; evaluate the fold that it was trained "
            "for, or give --config.allow_seen_patients=True, which the report will say"
        )


def unknown_task(name: str) -> Task:
    raise InputError(f"there is no task {name!r}; there are {', '.join(BY_NAME)}")


def label_task(task: Task, config: EvaluateConfig, people: pd.DataFrame, features: np.ndarray, fold: int, splits: Splits):
    """Scores and predictions of a task on the cohort's labels; None, with a line, when its labels do not allow a probe."""
    labelled = people[task.name].notna()
    missing = [role for role in ("train", "val") if people[task.name][labelled & (people["role"] == role)].nunique() < 2]
    if missing:
        say(f"{task.name}: left out, the {missing[0]} patients have fewer than two of its classes")
        return None
    who = Who(people["patient"].to_numpy(), people["role"].to_numpy())
    labels = people[task.name].to_numpy(object)
    return probe_classification(task, features, labels, who, fold=fold, split_hash=splits.hash, **probe_options(config))


def read_benchmarks(tasks: list[Task], config: EvaluateConfig) -> dict[str, Benchmark]:
    """The public benchmarks whose folders are given, by task; a wrong folder is refused before any work."""
    folders = {task.name: getattr(config.benchmarks, task.name, "") for task in tasks if task.source == "benchmark"}
    return {name: READERS[name](folder) for name, folder in folders.items() if folder}


def benchmark_task(task: Task, benchmark: Benchmark, config: EvaluateConfig, extractor: Extractor):
    """Scores and predictions of a public benchmark."""
    patients = None if benchmark.patients is None else np.array(benchmark.patients, object)
    who = Who(np.array(benchmark.units, object), np.array(benchmark.roles, object), patients)
    features, labels = extractor.benchmark(benchmark), np.array(benchmark.labels, object)
    return probe_classification(task, features, labels, who, **probe_options(config))


def expression_task(
    task: Task,
    config: EvaluateConfig,
    folder: CohortFolder,
    pairs: pd.DataFrame,
    people: pd.DataFrame,
    features: np.ndarray,
    panel: Panel | None,
    fold: int,
    splits: Splits,
):
    """Scores and predictions of the gene panel; None, with a line, when no panel says which genes and in which units."""
    if panel is None:
        say("expression: left out, these weights have no gene panel; give --config.panel=RUN of the tuned run")
        return None
    profiles = one_row_per_patient(read_expression(folder), pairs)
    row = pd.Series(np.arange(profiles.n_obs), index=profiles.obs["patient"].astype(str))
    truth = panel.scale(read_log_tpm(profiles, row[people["patient"]].to_numpy(), panel.columns(profiles)))
    who = Who(people["patient"].to_numpy(), people["role"].to_numpy())
    return probe_expression(
        task,
        features,
        truth,
        who,
        sites=people["site"].to_numpy(object),
        cancers=people["cancer"].to_numpy(object),
        fold=fold,
        split_hash=splits.hash,
        permutations=config.permutations,
        resamples=config.resamples,
        seed=config.seed,
    )


def probe_options(config: EvaluateConfig) -> dict:
    weight = None if config.class_weight == "none" else config.class_weight
    return {"class_weight": weight, "resamples": config.resamples, "seed": config.seed}


def keep(workdir, config, weights, panel, about, people, features, scores, predictions, expression) -> None:
    """Writes what the report needs, in the place of an earlier evaluation; evaluation.json comes last and says that the rest is whole."""
    for name in ("evaluation.json", "predictions.parquet", "expression_predictions.h5ad", "training_metrics.jsonl"):
        (workdir / name).unlink(missing_ok=True)
    write_parquet(pd.concat(scores, ignore_index=True), workdir / "scores.parquet")
    if predictions:
        write_parquet(pd.concat(predictions, ignore_index=True), workdir / "predictions.parquet")
    if expression is not None:
        var = pd.DataFrame({"symbol": list(panel.symbols)}, index=list(panel.genes))
        predicted = anndata.AnnData(expression.prediction, expression.obs, var, layers={"truth": expression.truth})
        write_h5ad(predicted, workdir / "expression_predictions.h5ad")
    obs = people[["patient", "site", "cancer", "role"]].astype(object).where(people[["patient", "site", "cancer", "role"]].notna(), "")
    write_h5ad(anndata.AnnData(features, obs.astype(str).set_index("patient", drop=False)), workdir / "embeddings.h5ad")
    metrics = weights.path.parent / "metrics.jsonl"
    if metrics.exists():
        with replacing(workdir / "training_metrics.jsonl") as temporary:
            temporary.write_bytes(metrics.read_bytes())
    write_json(json.loads(json.dumps(asdict(config))), workdir / "config.json")
    card = weights.card
    write_json(
        {
            "format": 1,
            "card": card,
            "approach": "base" if card["base"] is None else card["objective"],
            "training_metrics": metrics.exists(),
            **about,
        },
        workdir / "evaluation.json",
    )


def write_h5ad(data: anndata.AnnData, path: Path) -> None:
    data.obs_names = data.obs_names.astype(str)
    data.obs_names.name = None
    with replacing(path) as temporary, whole_hdf5(temporary) as file:
        write_elem(file, "/", data)
