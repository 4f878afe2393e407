"""What terms are given to start from: rates of training patients, vectors of genes that were brought."""

import hashlib
from collections.abc import Mapping

import numpy as np

from pathfm.files import digest
from pathfm.modalities.counts import moments
from pathfm.modalities.gene_vectors import read_gene_vectors
from pathfm.modalities.modality import Vectors
from pathfm.modalities.panel import Panel
from pathfm.settings.regression_terms import COUNTS, LIBRARY, GeneQuery, NegativeBinomial
from pathfm.settings.terms import TermSettings, terms_of

Starts = Mapping[str, Mapping[str, np.ndarray]]


def reads_counts(objective: TermSettings) -> bool:
    """Whether a term predicts reads."""
    return any(isinstance(one, NegativeBinomial) for one in terms_of(objective).values())


def starts_of(objective: TermSettings, panels: Mapping[str, Panel], training: Mapping[str, Vectors]) -> Starts:
    """By the name of each term that is given something; `training` are the training patients' own vectors."""
    found = {}
    for name, one in terms_of(objective).items():
        if isinstance(one, NegativeBinomial):
            found[name] = moments(training[COUNTS].values, training[LIBRARY].values)
        elif isinstance(one, GeneQuery) and one.vectors:
            found[name] = {"genes": read_gene_vectors(one.vectors, one.names).of_panel(panels[one.modality])}
    return found


def hashes(starts: Starts) -> dict[str, str]:
    """Identify what each term was given."""
    return {
        name: digest([[key, hashlib.sha256(value.tobytes()).hexdigest()] for key, value in sorted(own.items())])
        for name, own in starts.items()
    }
