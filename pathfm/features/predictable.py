"""The panel `predictable:N`: the genes that a base's features of training patients show, learned before anything is trained with them."""

import itertools
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

import jax
import numpy as np

from pathfm.cohort.opened import Cohort, cancer_types
from pathfm.errors import InputError
from pathfm.features.embed import embedded
from pathfm.features.encoder import Encoder
from pathfm.input.bags import OpenRecords, TileIndex, index_tiles
from pathfm.modalities.modality import Modality
from pathfm.modalities.panel import Panel, asked_of_features
from pathfm.probes.bags import spread
from pathfm.probes.cross_fitted import LEAST_PATIENTS, Shown, shown
from pathfm.progress import say, track
from pathfm.settings.training import ModalityConfig, TrainConfig
from pathfm.weights.folder import Weights

TILES_PER_PATIENT = 32
TILES_AT_ONCE = 64  # on each device
LEAST = 50  # genes of a panel, whether so many show or not


def learn_panel(path: Path, name: str, base: Weights | None, config: TrainConfig) -> None:
    """Writes the panel of a modality whose features the base chooses; InputError without a base."""
    choice = config.modality(name).panel
    count = asked_of_features(choice)
    assert count is not None
    if base is None:
        raise InputError(f"the panel {choice} is what a base's features show; give --config.init=DIR, or another panel, such as hvg:2000")
    predictable_panel(Cohort.open(config.cohort), config.fold, name, base, count).write(path)


def predictable_panel(cohort: Cohort, fold: int, name: str, base: Weights, count: int) -> Panel:
    """The `count` genes that the base's features of the training patients show best; nobody else is looked at.

    Candidates are the expressed protein-coding genes, of a matrix without types of genes all its columns. InputError where too few
    training patients are there.
    """
    people = cohort.people(fold).set_index("patient", drop=False).rename_axis(None).loc[cohort.patients(fold, "train")]
    candidates = Modality.fit(cohort, name, ModalityConfig("protein_coding" if "type" in cohort.matrix(name).var else "all"), people)
    vectors = candidates.vectors(cohort, people)
    people, values = people[vectors.present], vectors.values[vectors.present]
    features = mean_features(Encoder.of(base), index_tiles(cohort.folder, cohort.slides_of(people["patient"]), people["patient"].tolist()))
    there = ~np.isnan(features).any(axis=1)
    people, features, values = people[there], features[there], values[there]
    if len(people) < LEAST_PATIENTS:
        raise InputError(
            f"{len(people)} training patients are too few to learn what their slides show; give another panel, such as hvg:2000"
        )
    if name in base.panels and base.patients & set(people["patient"]):
        say(f"warning: the base was tuned with the {name} of these patients; what it has memorised of it counts as shown")
    names = (column.fillna("").to_numpy(str) for column in (people["patient"], cancer_types(people), people["site"]))
    return chosen(candidates, shown(features, values, *names), count)


def mean_features(encoder: Encoder, index: TileIndex) -> np.ndarray:
    """float32 [patients, features]: the mean over at most TILES_PER_PATIENT tiles, spread evenly over a patient's slides.

    A record that does not decode is named and left out; a patient without any that does is NaN.
    """
    tiles = [(patient, position) for patient in range(len(index.patients)) for position in looked_at(index, patient)]
    people = f"{len(index.patients):,} training patients"
    say(f"panel: {len(tiles):,} tiles of {people} go through the base, at most {TILES_PER_PATIENT} of each")
    records = OpenRecords(index)

    def images() -> Iterator[tuple[int, np.ndarray]]:
        for patient, position in track(tiles, "panel", unit="tiles"):
            try:
                yield patient, records.image(position)
            except ValueError:
                say(f"warning: {index.name(position)} does not decode; it is left out")

    means = np.full((len(index.patients), encoder.tower.spec.features), np.nan, np.float32)
    for patient, own in itertools.groupby(embedded(encoder.tiles, images(), TILES_AT_ONCE * jax.local_device_count()), itemgetter(0)):
        means[patient] = np.mean([feature for _, feature in own], axis=0, dtype=np.float64)
    return means


def looked_at(index: TileIndex, patient: int) -> np.ndarray:
    """The places in the index of the tiles of a patient that are looked at."""
    return index.start[patient] + spread(index.count(patient), TILES_PER_PATIENT)


def chosen(candidates: Modality, found: Shown, count: int) -> Panel:
    """The best `count` of the candidates that show, by r, ties by id, filled up to LEAST by the next best; says how many show.

    InputError when none varies among the patients of a type and hospital.
    """
    order = np.lexsort([candidates.panel.genes, -found.r, ~found.beyond_chance])
    order = order[~np.isnan(found.r[order])]
    if not len(order):
        raise InputError(f"no {candidates.name} varies among training patients of one cancer type and hospital; give another panel")
    showing = int(found.beyond_chance.sum())
    panel = candidates.panel.of(order[: min(count, max(showing, LEAST))], found.r)
    taken = len(panel.genes)
    say(
        f"{'warning: ' if taken > showing else ''}panel: of {len(found.r):,} candidates {showing:,} show in the base's features beyond "
        f"chance; the best {taken:,} are taken, cross-fitted r {panel.r.min():.2f} to {panel.r.max():.2f}"
    )
    return panel
