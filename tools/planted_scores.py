"""How well frozen features of one encoder tell the planted programmes and the expression of patients nobody trained on."""

from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.profiles import one_row_per_patient, open_profiles
from pathfm.cohort.splits import read_splits
from pathfm.features.encoder import Encoder
from pathfm.features.store import FeatureStore
from pathfm.files import read_parquet
from pathfm.modalities.panel import fit_panel, read_log_tpm
from pathfm.probes.ridge import Ridge
from pathfm.tasks.expression import score_expression
from pathfm.tasks.registry import BY_NAME
from pathfm.tasks.task import Probing, Rows
from pathfm.weights.folder import open_weights

GENES = "genes"
PROGRAMMES = "programmes"


def score(weights: Path, folder: CohortFolder, panel: str, programmes: pd.DataFrame, batch: int) -> list[dict]:
    """Rows of fit, measure, value: the mean gene Pearson over the panel, r of each planted programme, and the mean of these.

    `panel` is a choice of genes, fitted on the training patients, `programmes` [patients, programmes] the planted truth. Probes are
    ridge regressions from the mean-pooled features, on the split's training patients and among the test patients alone.
    """
    pairs, splits = read_parquet(folder.pairs), read_splits(folder)
    slides = read_parquet(folder.slides)
    slides = slides[slides["slide"].isin(set(pairs["slide"]))]
    patients, features = FeatureStore(Encoder.of(open_weights(weights)), weights / "features", batch).patients(folder, slides)
    table = splits.table[splits.table["fold"] == 0].set_index("patient").loc[patients]
    sites, projects = (
        pairs.drop_duplicates("patient").set_index("patient")[name][patients].to_numpy(object) for name in ("site", "project")
    )
    rows = Rows(np.array(patients, object), table["role"].to_numpy(object), sites=sites, by_site=splits.scheme == "site")

    def probed(truth: np.ndarray) -> dict[str, float]:
        task, probing = BY_NAME["expression"], Probing([Ridge()], permutations=0)
        scores = score_expression(task, features, truth, rows, probing, sites=sites, cancers=projects, split_hash=splits.hash).scores
        return scores[scores["metric"] == "mean_pearson"].set_index("fit")["value"].to_dict()

    measured = {name: probed(programmes.loc[patients, [name]].to_numpy(np.float32)) for name in programmes}
    results = {GENES: probed(panel_truth(folder, pairs, splits.role(0, "train"), patients, panel)), **measured}
    results[PROGRAMMES] = {fit: float(np.mean([values[fit] for values in measured.values()])) for fit in results[GENES]}
    return [{"fit": fit, "measure": name, "value": value} for name, values in results.items() for fit, value in values.items()]


def panel_truth(folder: CohortFolder, pairs: pd.DataFrame, train: list[str], patients: list[str], choice: str) -> np.ndarray:
    """Scaled expression float32 [patients, genes] of the panel that training on these patients fits."""
    profiles = one_row_per_patient(open_profiles(folder), pairs)
    panel = fit_panel(profiles, train, choice, pairs.drop_duplicates("patient").set_index("patient")["project"])
    row = pd.Series(np.arange(profiles.n_obs), index=profiles.obs["patient"].astype(str))
    return panel.scale(read_log_tpm(profiles, row[patients].to_numpy(), panel.columns(profiles)))
