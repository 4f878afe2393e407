"""What a training run reads of a cohort: the patients of its fold, their tiles, and their expression in the panel's units."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.pairing import permuted_patients
from pathfm.cohort.panel import Panel, fit_panel, one_row_per_patient, read_log_tpm
from pathfm.cohort.profiles import open_profiles
from pathfm.cohort.residual import cancer_means, residual_of
from pathfm.cohort.splits import check_splits, read_splits
from pathfm.errors import InputError
from pathfm.files import digest, read_parquet
from pathfm.input.bags import TileIndex, index_tiles


@dataclass(frozen=True)
class TrainingData:
    """Training and validation patients of one fold. Expression rows follow the patients of the index; None where not asked for."""

    train: TileIndex
    validation: TileIndex
    expression: np.ndarray | None  # float32 [training patients, genes], scaled, or what is left of it (`pathfm.cohort.residual`)
    validation_expression: np.ndarray | None
    panel: Panel | None
    split_hash: str
    data_hash: str  # of the tile records, and of the panel
    held_out: frozenset[str]  # validation and test patients
    mpp: float | None


def open_training_data(cohort: str, fold: int, panel: str | None, pairing: str, seed: int, residual: str = "none") -> TrainingData:
    """Opens a cohort for training; with `panel` (a choice of genes) the panel is fitted on the training patients alone.

    `pairing` other than "true" gives each training patient another training patient's expression: the null control.
    `residual` takes the means of hospitals or of cancer types from the expression, as `pathfm.cohort.residual` says.
    """
    folder = CohortFolder.open(cohort)
    splits = read_splits(folder)
    pairs = read_parquet(folder.pairs)
    check_splits(splits, pairs)
    slides = read_parquet(folder.slides)
    slides = slides[slides["slide"].isin(set(pairs["slide"]))]
    roles = {role: splits.role(fold, role) for role in ("train", "val", "test")}
    train, validation = (index_tiles(folder, slides, roles[role]) for role in ("train", "val"))
    tiled = slides[slides["patient"].isin(set(roles["train"]))].sort_values("slide")
    data = [list(row) for row in tiled[["slide", "records_sha256"]].itertuples(index=False)]
    fitted, expression, validation_expression = None, None, None
    if panel is not None:
        fitted, expression, validation_expression = _expression(folder, pairs, roles, panel, residual)
        if pairing != "true":
            site = pairs.drop_duplicates("patient").set_index("patient")["site"]
            sites = [str(site[patient]) for patient in roles["train"]] if pairing == "permuted_in_site" else None
            givers = permuted_patients(roles["train"], sites, seed)
            row = {patient: number for number, patient in enumerate(roles["train"])}
            expression = expression[[row[giver] for giver in givers]]
    mpps = tiled["effective_mpp"].dropna()
    return TrainingData(
        train=train,
        validation=validation,
        expression=expression,
        validation_expression=validation_expression,
        panel=fitted,
        split_hash=splits.hash,
        data_hash=digest([data, fitted.hash if fitted else None]),
        held_out=frozenset(roles["val"]) | frozenset(roles["test"]),
        mpp=round(float(mpps.median()), 4) if len(mpps) else None,
    )


def _expression(
    folder: CohortFolder, pairs: pd.DataFrame, roles: dict[str, list[str]], choice: str, residual: str
) -> tuple[Panel, np.ndarray, np.ndarray]:
    """The panel, and the scaled expression of training and of validation patients, or its residual."""
    profiles = one_row_per_patient(open_profiles(folder), pairs)
    people = pairs.drop_duplicates("patient").set_index("patient")
    panel = fit_panel(profiles, roles["train"], choice, people["project"])
    row = pd.Series(np.arange(profiles.n_obs), index=profiles.obs["patient"].astype(str))
    missing = sorted(set(roles["train"] + roles["val"]) - set(row.index))
    if missing:
        raise InputError(f"{len(missing)} patients of the split are in no pair (the first: {missing[0]}); run `pathfm cohort` again")
    columns = panel.columns(profiles)
    train, validation = (panel.scale(read_log_tpm(profiles, row[roles[role]].to_numpy(), columns)) for role in ("train", "val"))
    if residual == "none":
        return panel, train, validation
    site, cancer = ({role: people.loc[roles[role], name].fillna("").to_numpy(str) for role in roles} for name in ("site", "project"))
    means = cancer_means(train, cancer["train"])
    scaled = ((train, "train"), (validation, "val"))
    return panel, *(residual_of(values, site[role], cancer[role], means, residual) for values, role in scaled)
