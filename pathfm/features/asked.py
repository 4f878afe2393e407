"""A checkpoint with a gene-query head, asked for genes and gene sets that were not in its panel, by their vectors."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from pathfm.errors import InputError
from pathfm.modalities.gene_vectors import GeneVectors
from pathfm.modalities.genes import first_of
from pathfm.objectives.terms.gene_query import GeneQuery
from pathfm.probes.bags import Bags
from pathfm.weights.applied import objective_of
from pathfm.weights.folder import Weights

PATIENTS_AT_ONCE, GENES_AT_ONCE = 16, 1024


def asked(weights: Weights, bags: Bags, vectors: np.ndarray) -> np.ndarray:
    """Expression float32 [patients, n] of what these vectors [n, width] stand for, in standard deviations from the training patients' mean.

    `bags` hold the features of each patient's tiles. InputError for weights without a gene-query head, or vectors of another origin.
    """
    term, params = query_head(weights)
    width = params["query"]["kernel"].shape[0]
    if vectors.shape[1] != width:
        raise InputError(f"{weights.path} knows gene vectors of width {width}, those given are {vectors.shape[1]} wide; give the same kind")
    ask = jax.jit(term.ask)
    found = np.empty((len(bags), len(vectors)), np.float32)
    for first in range(0, len(bags), PATIENTS_AT_ONCE):
        some = bags[np.arange(first, min(first + PATIENTS_AT_ONCE, len(bags)))]
        for start in range(0, len(vectors), GENES_AT_ONCE):
            genes = np.asarray(vectors[start : start + GENES_AT_ONCE], np.float32)
            found[first : first + len(some), start : start + len(genes)] = ask(params, some.tiles, some.mask, genes)
    return found


def query_head(weights: Weights) -> tuple[GeneQuery, Any]:
    """The gene-query term that weights were trained with, and its parameters; InputError where there is none that takes other vectors."""
    objective = objective_of(weights)
    heads = {name: term for name, term in objective.terms.items() if isinstance(term, GeneQuery)}
    if not heads:
        raise InputError(f"{weights.path} was trained by {weights.card.objective}, without gene_query; train it with configs/gene_query.py")
    name, term = next(iter(heads.items()))
    if not term.settings.vectors:
        raise InputError(
            f"{weights.path} has learned the vectors of its own panel, so that other genes have none; train with "
            "--config.objective.vectors=FILE.npy and --config.objective.names=FILE to ask for others"
        )
    return term, objective.own(weights.params, name)


def wanted_vectors(vectors: GeneVectors, genes: Sequence[str], sets: dict[str, list[str]]) -> tuple[list[str], np.ndarray]:
    """(name, vector) of each gene, by id or symbol, and of each gene set; InputError names those without a vector."""
    found = {gene: vectors.of(gene, gene) for gene in genes}
    found |= {name: vectors.of_set((gene, gene) for gene in members) for name, members in sets.items()}
    missing = [name for name, vector in found.items() if vector is None]
    if missing or not found:
        raise InputError(
            f"there is no vector of {first_of(missing)}; ask for names such as {first_of(vectors.names, 3)}"
            if missing
            else "nothing is asked for; give --genes or --sets"
        )
    return list(found), np.stack([vector for vector in found.values() if vector is not None]).astype(np.float32)
