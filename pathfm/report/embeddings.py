"""Maps of the test patients, base and tuned side by side: a t-SNE each, coloured by label, by site, or by where the base had a patient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pathfm.report import plots
from pathfm.report.evaluations import Evaluation
from pathfm.report.figures import Drawing, Figure, Key, Named
from pathfm.tasks.fits import SPLIT
from pathfm.tasks.registry import TASKS

FEWEST_PATIENTS = 10  # in a t-SNE
MOST_NEIGHBOURHOODS = 8
NOT_KNOWN = ""
CANCER, SITE, PATIENT = "cancer type", "site", "patient"
CAPTIONS = {
    CANCER: "t-SNE of the mean embedding of each test patient, by cancer type: neighbours mean more than distances.",
    SITE: "The same points by site. A site that clusters within its cancer type shows the hospital's stain and scanner.",
    PATIENT: "The same points; every patient keeps the colour of his neighbourhood in the map of the base. Colours that stay apart in the "
    "map of a tuned run are neighbourhoods that tuning kept; mixed ones it dissolved.",
}
OF_LABEL = "The same points by {}."


@dataclass(frozen=True)
class Map:
    """The test patients of one run on a plane."""

    run: Named
    patients: np.ndarray  # [patients] str
    places: np.ndarray  # [patients, 2]
    groups: Mapping[str, np.ndarray]  # colouring → the group of each patient, [patients] str; NOT_KNOWN


def embedding_choices(runs: Sequence[Named]) -> list[tuple[str, Figure]]:
    """A figure of all runs for each colouring, under its name; runs with too few patients, and colourings of nothing, are left out."""
    maps = [one for run in runs if (one := _map(run)) is not None]
    if not maps:
        return []
    groups = [dict(one.groups) for one in maps]
    for one, own in zip(maps, groups, strict=True):
        own[PATIENT] = _neighbourhoods_of(one, maps)
    labels = dict.fromkeys(name for own in groups for name in own if name not in CAPTIONS)
    choices = []
    for name in (CANCER, *labels, SITE, PATIENT):
        of_maps = [own.get(name, np.full(len(one.patients), NOT_KNOWN)) for one, own in zip(maps, groups, strict=True)]
        if any((group != NOT_KNOWN).any() for group in of_maps):
            choices.append((name, embedding_figure([one.run.name for one in maps], [one.places for one in maps], of_maps, name)))
    return choices


def embedding_figure(names: Sequence[str], places: Sequence[np.ndarray], groups: Sequence[np.ndarray], colouring: str) -> Figure:
    """A panel for each run; the groups with most patients are told by colour and shape, all others are grey."""
    together = np.concatenate(groups)
    labels, counts = np.unique(together[together != NOT_KNOWN], return_counts=True)
    shown = sorted(labels[np.argsort(-counts, kind="stable")][: plots.MOST_GROUPS].tolist())
    pixels = sum(map(len, places)) > plots.MOST_VECTOR_POINTS
    panels = tuple(
        Drawing(
            name,
            plots.points_panel(place, group_of, shown, pixels, f"{name} {colouring}"),
            f"t-SNE of the embeddings of {len(place)} test patients by {name}, in {len(np.setdiff1d(group_of, NOT_KNOWN))} groups by "
            f"{colouring}.",
        )
        for name, place, group_of in zip(names, places, groups, strict=True)
    )
    keys = [Key(glyph, number, label) for number, (label, (_, glyph)) in enumerate(zip(shown, plots.MARKERS, strict=False), start=1)]
    grey = [f"{len(labels) - len(shown)} others"] if len(labels) > len(shown) else []
    grey += ["not known"] if (together == NOT_KNOWN).any() else []
    keys += [Key("•", 0, ", ".join(grey))] if grey else []
    return Figure(CAPTIONS.get(colouring, OF_LABEL.format(colouring)), panels, tuple(keys))


def _map(run: Named) -> Map | None:
    table = run.evaluation.files.read_embeddings()
    if table is None:
        return None
    rows = np.flatnonzero(table.obs["role"].astype(str) == "test")
    if len(rows) < FEWEST_PATIENTS:
        return None
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), plots.MOST_PATIENTS)).astype(int)]
    obs = table.obs.iloc[rows]
    patients = obs["patient"].astype(str).to_numpy(object)
    groups = {CANCER: _words(obs["cancer"]), SITE: _words(obs["site"])} | _labels(run.evaluation, patients)
    return Map(run, patients, plots.tsne(np.asarray(table.X[rows])), groups)


def _labels(evaluation: Evaluation, patients: np.ndarray) -> dict[str, np.ndarray]:
    """The further labels of the cohort by which enough of the patients were scored, under their columns' names."""
    rows = evaluation.predictions[evaluation.predictions["fit"] == SPLIT.name]
    found = {}
    for task in TASKS:
        if task.source != "cohort" or task.name in ("cancer", "expression"):
            continue
        scored = rows[rows["task"] == task.name]
        truth = dict(zip(scored["patient"].astype(str), scored["truth"].astype(str), strict=True))
        group = np.array([truth.get(patient, NOT_KNOWN) for patient in patients], str)
        if (group != NOT_KNOWN).sum() >= FEWEST_PATIENTS:
            found[task.column] = group
    return found


def _neighbourhoods_of(one: Map, maps: Sequence[Map]) -> np.ndarray:
    """[patients]: where the base's map has each patient, in words; NOT_KNOWN where the base has no map or not the patient."""
    evaluation = one.run.evaluation
    under = evaluation.floor["under"] if evaluation.floor else None
    wanted = under or (evaluation.base["weight_hash"] if evaluation.base else evaluation.weight_hash)
    same = [other for other in maps if other.run.evaluation.weight_hash == wanted and other.run.evaluation.folds == evaluation.folds]
    if not same:
        return np.full(len(one.patients), NOT_KNOWN)
    base = min(same, key=lambda other: other.run.evaluation.base is not None)  # weights that training left as they were are no base
    of_patient = dict(zip(base.patients, plots.neighbourhoods(base.places, MOST_NEIGHBOURHOODS), strict=True))
    return np.array([f"neighbourhood {of_patient[name] + 1}" if name in of_patient else NOT_KNOWN for name in one.patients], str)


def _words(column) -> np.ndarray:
    words = column.astype(object)
    return words.where(words.notna(), NOT_KNOWN).astype(str).to_numpy(str)
