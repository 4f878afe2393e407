"""Measures of the embeddings that evaluations have stored: what clusters are made of, and how alike base and tuned features are."""

import numpy as np

from pathfm.report.evaluations import Evaluation
from pathfm.statistics.confounds import clustering_score, linear_cka, neighbour_overlap, neighbours, squares

SMALLEST_CELL, LARGEST_CELL = 5, 50  # patients
MOST_SQUARES = 5
MOST_CLUSTERS = 30
TRIALS = 10
NEIGHBOURS = 10
FEWEST_PATIENTS = 20


def clustering(evaluation: Evaluation) -> float | None:
    """PathoROB's clustering score of the test patients, the mean over folds; None where no square of types and hospitals is large enough.

    The mean over squares of two cancer types and two hospitals, with as many patients in each cell: k-means of unit features, as many
    clusters as have the best silhouette by cosine, the mean over trials with other starts.
    """
    found = [score for one in evaluation.by_fold or (evaluation,) if (score := _clustering(one)) is not None]
    return float(np.mean(found)) if found else None


def _clustering(evaluation: Evaluation) -> float | None:
    table = _tested(evaluation)
    if table is None:
        return None
    features, obs = table
    cancers, sites = (obs[name].to_numpy(str) for name in ("cancer", "site"))
    known = np.flatnonzero((cancers != "") & (sites != ""))
    scores = []
    for cells in squares(cancers[known], sites[known], SMALLEST_CELL, MOST_SQUARES):
        size = min(LARGEST_CELL, *map(len, cells))
        rows = known[np.concatenate([cell[np.linspace(0, len(cell) - 1, size).astype(int)] for cell in cells])]
        scores.append(_of_square(features[rows], cancers[rows], sites[rows]))
    scores = [score for score in scores if score is not None]
    return float(np.mean(scores)) if scores else None


def _of_square(features: np.ndarray, cancers: np.ndarray, sites: np.ndarray) -> float | None:
    """The score of the patients of one square; None when there are fewer than three different features."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    most = min(MOST_CLUSTERS, len(np.unique(unit, axis=0)) - 1)
    if most < 2:
        return None

    def clusters(count: int, seed: int) -> np.ndarray:
        return KMeans(count, init="random", n_init=5, random_state=seed).fit_predict(unit)

    best = max(range(2, most + 1), key=lambda count: silhouette_score(unit, clusters(count, 0), metric="cosine"))
    return float(np.mean([clustering_score(clusters(best, seed), cancers, sites) for seed in range(TRIALS)]))


def likeness(base: Evaluation, tuned: Evaluation) -> tuple[float, float, float] | None:
    """(CKA, share of neighbours in common, that share by chance) over the test patients that both have, the means over folds."""
    by_fold = {tuple(one.folds): one for one in base.by_fold or (base,)}
    pairs = [(by_fold[tuple(one.folds)], one) for one in tuned.by_fold or (tuned,) if tuple(one.folds) in by_fold]
    found = [alike for ours, theirs in pairs if (alike := _likeness(ours, theirs)) is not None]
    return tuple(map(float, np.mean(found, axis=0))) if found else None


def _likeness(base: Evaluation, tuned: Evaluation) -> tuple[float, float, float] | None:
    ours, theirs = _tested(base), _tested(tuned)
    if ours is None or theirs is None:
        return None
    (one, our_obs), (other, their_obs) = ours, theirs
    _, left, right = np.intersect1d(our_obs["patient"].to_numpy(str), their_obs["patient"].to_numpy(str), return_indices=True)
    if len(left) < FEWEST_PATIENTS:
        return None
    one, other = one[left], other[right]
    overlap = neighbour_overlap(neighbours(one, NEIGHBOURS), neighbours(other, NEIGHBOURS))
    return linear_cka(one, other), overlap, NEIGHBOURS / (len(left) - 1)


def _tested(evaluation: Evaluation):
    """(features float64 [n, d], what is known of the patients, missing as "") of the test patients; None without embeddings."""
    table = evaluation.files.read_embeddings()
    if table is None:
        return None
    table = table[(table.obs["role"].astype(str) == "test").to_numpy()]
    obs = table.obs.astype(object).where(table.obs.notna(), "").astype(str)
    return np.asarray(table.X, np.float64), obs
