"""RNA reads of a panel's genes beside its z-scores, for terms that predict counts."""

import numpy as np
import pandas as pd

from pathfm.cohort.opened import Cohort
from pathfm.cohort.profiles import Profiles
from pathfm.errors import InputError
from pathfm.modalities.modality import Modality, Vectors
from pathfm.modalities.pathways import Pathways
from pathfm.settings.regression_terms import COUNTS, LIBRARY
from pathfm.settings.terms import EXPRESSION


def reads_of(cohort: Cohort, expression: Modality, people: pd.DataFrame) -> dict[str, Vectors]:
    """COUNTS [patients, genes of the panel] and LIBRARY [patients, 1], reads as they are, each of the patient alone.

    Everybody is expected to have a profile. InputError where the matrix holds no reads, or the panel no genes, or where something is to be
    taken away from expression, which reads do not allow.
    """
    matrix = cohort.matrix(EXPRESSION)
    assert isinstance(matrix, Profiles)
    if isinstance(expression.panel, Pathways):
        raise InputError("negative_binomial predicts the reads of genes, and gene sets have none; give a panel of genes, such as hvg:2000")
    if expression.residual != "none":
        raise InputError(
            f"negative_binomial predicts reads, from which residual={expression.residual} cannot be taken away; give --config.residual=none"
        )
    row = pd.Series(np.arange(matrix.n_obs), index=matrix.obs["patient"].astype(str))
    reads = matrix.reads(row[people["patient"]].to_numpy(), expression.panel.columns(matrix))
    everybody = np.ones(len(people), bool)
    return {COUNTS: Vectors(reads.counts, everybody), LIBRARY: Vectors(reads.library[:, None].astype(np.float32), everybody)}


def moments(counts: np.ndarray, library: np.ndarray) -> dict[str, np.ndarray]:
    """`rate` float32 [genes], a gene's mean share of a patient's reads, and `dispersion` float32 [genes], α of the variance μ + α μ².

    By the method of moments, from counts [patients, genes] and library [patients, 1] of training patients. A gene without reads counts
    half a one.
    """
    library = library.astype(np.float64)
    rate = np.maximum((counts / library).mean(axis=0), 0.5 / library.sum())
    mean = rate * library
    dispersion = (((counts - mean) ** 2 - mean) / mean**2).mean(axis=0)
    return {"rate": rate.astype(np.float32), "dispersion": np.maximum(dispersion, 0.0).astype(np.float32)}
