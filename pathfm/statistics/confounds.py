"""What a representation owes to the hospital: guesses from a group alone, PathoROB's measures, and how alike two representations are.

PathoROB: Kömen et al. 2026, Towards robust foundation models for digital pathology, Nature Communications 17
(https://arxiv.org/abs/2507.17845); the robustness index is of de Jong et al. 2025 (https://arxiv.org/abs/2501.18055).
"""

from itertools import combinations, product

import numpy as np
from scipy.special import comb

from pathfm.statistics.committees import mean_by_class

ROWS_AT_ONCE = 512
FEWEST_ROWS = 4  # of which linear_cka can be told


def guess_from_group(
    known_groups: np.ndarray, known_labels: np.ndarray, groups: np.ndarray, classes: np.ndarray, balanced: bool = True
) -> np.ndarray:
    """[n, classes]: the class that is most common among the known rows of each row's group, and nothing else.

    With `balanced` a known row weighs 1 / (rows of its class). Ties share the guess evenly; a group that no known row is of is a tie of
    all classes. The guess of a probe without penalty that sees the group alone.
    """
    of_class = known_labels[:, None] == classes[None, :]
    weight = of_class / np.maximum(of_class.sum(axis=0), 1) if balanced else of_class.astype(float)
    guess = np.full((len(groups), len(classes)), 1 / len(classes))
    for group in np.unique(groups):
        score = weight[known_groups == group].sum(axis=0)
        best = np.isclose(score, score.max(), rtol=1e-9, atol=0)
        guess[groups == group] = best / best.sum()
    return guess


def expected_balanced_accuracy(truth: np.ndarray, guess: np.ndarray, classes: np.ndarray) -> float:
    """The mean over the classes in `truth` [n] of the mean of what the guess [n, classes] gives the true class."""
    return float(np.mean([guess[truth == label, column].mean() for column, label in enumerate(classes) if (truth == label).any()]))


def neighbours(features: np.ndarray, k: int, groups: np.ndarray | None = None) -> np.ndarray:
    """[n, k]: the k rows nearest to each by cosine, the nearest first; of equal ones the first.

    A row is no neighbour of its own, nor with `groups` [n] of the others of its group; k is at most what that leaves to every row.
    """
    unit = np.asarray(features, np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), np.finfo(float).tiny)
    found = np.empty((len(unit), k), int)
    for start in range(0, len(unit), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(unit)))
        distance = -(unit[rows] @ unit.T)
        own = rows[:, None] == np.arange(len(unit)) if groups is None else groups[rows, None] == groups
        distance[own] = np.inf
        found[rows] = distance.argsort(axis=1, kind="stable")[:, :k]
    return found


def robustness_index(near: np.ndarray, classes: np.ndarray, sites: np.ndarray) -> np.ndarray:
    """[k]: SO / (SO + OS) over the nearest 1 … k neighbours of all rows; 1: neighbours share the class, 0: they share the site.

    near [n, k]; SO are neighbours of the same class and another site, OS those of another class and the same site. NaN without either.
    """
    same_class, same_site = classes[near] == classes[:, None], sites[near] == sites[:, None]
    same_other, other_same = ((one.sum(axis=0)).cumsum() for one in (same_class & ~same_site, ~same_class & same_site))
    total = same_other + other_same
    return np.where(total > 0, same_other / np.maximum(total, 1), np.nan)


def robustness_by_chance(classes: np.ndarray, sites: np.ndarray) -> float:
    """The index of neighbours drawn at random: the share of SO among all ordered pairs that are SO or OS.

    NaN where one of the two cannot occur, as where each site has one class: the index is then 0 or 1 whatever the features.
    """
    table = _counts(classes, sites)
    same = (table**2).sum()
    same_other, other_same = (table.sum(axis=1) ** 2).sum() - same, (table.sum(axis=0) ** 2).sum() - same
    return float(same_other / (same_other + other_same)) if same_other and other_same else float("nan")


def squares(classes: np.ndarray, sites: np.ndarray, least: int, most: int) -> list[list[np.ndarray]]:
    """The `most` squares of two classes and two sites with the most rows in their smallest cell, `least` or more; of equal ones the first.

    Each is the rows of its four cells, class by class: (class, site) 00, 01, 10, 11. classes, sites [n].
    """
    (names, row), (places, column) = (np.unique(groups, return_inverse=True) for groups in (classes, sites))
    table = _counts(classes, sites)
    found = []
    for pair in combinations(range(len(names)), 2):
        smaller = table[list(pair)].min(axis=0)
        there = np.flatnonzero(smaller >= least)
        found += [(min(smaller[one], smaller[other]), pair, (one, other)) for one, other in combinations(there, 2)]
    found.sort(key=lambda square: -square[0])
    return [[np.flatnonzero((row == one) & (column == place)) for one, place in product(pair, two)] for _, pair, two in found[:most]]


def knn_accuracy(near: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """[k]: balanced accuracy of the most common class among the nearest 1 … k neighbours; of equal ones the first by name."""
    names, numbers = np.unique(classes, return_inverse=True)
    votes = (numbers[near][:, :, None] == np.arange(len(names))).cumsum(axis=1)
    return np.asarray(mean_by_class(numbers, (votes.argmax(axis=2) == numbers[:, None]).T))


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """Hubert and Arabie's adjusted Rand index of two partitions [n] each (https://doi.org/10.1007/BF01908075)."""
    table = _counts(one, other)
    both, ours, theirs, all_pairs = (comb(part, 2).sum() for part in (table, table.sum(axis=1), table.sum(axis=0), table.sum()))
    expected = ours * theirs / all_pairs
    largest = (ours + theirs) / 2
    return float((both - expected) / (largest - expected)) if largest != expected else 1.0


def clustering_score(clusters: np.ndarray, classes: np.ndarray, sites: np.ndarray) -> float:
    """How much better clusters [n] agree with the classes than with the sites: the difference of the adjusted Rand indices, -1 to 1."""
    return adjusted_rand(classes, clusters) - adjusted_rand(sites, clusters)


def performance_drop(accuracies: np.ndarray) -> np.ndarray:
    """[repeats]: mean accuracy of the confounded training sets over that of the first, unconfounded one, less 1; from [sets, repeats]."""
    accuracies = np.asarray(accuracies, float)
    return (accuracies[1:] / accuracies[0]).mean(axis=0) - 1


def linear_cka(one: np.ndarray, other: np.ndarray) -> float:
    """Linear CKA of two representations [n, d1], [n, d2] of the same rows (Kornblith et al. 2019, https://arxiv.org/abs/1905.00414).

    1: the same up to rotation and scale; NaN when one is constant, or of fewer than four rows. By the unbiased estimate of HSIC (Song et
    al. 2012; Nguyen et al. 2021, https://arxiv.org/abs/2010.15327), whose mean for unrelated representations is 0. By the first one of
    2019 they have about d / (d + n): near 1 where, as here, features outnumber patients.
    """
    grams = [_gram(part) for part in (one, other)]
    if len(one) < FEWEST_ROWS or not all(gram.any() for gram in grams):
        return float("nan")
    between, ours, theirs = _hsic(*grams), *(_hsic(gram, gram) for gram in grams)
    return float(between / np.sqrt(ours * theirs)) if ours > 0 and theirs > 0 else float("nan")


def _gram(features: np.ndarray) -> np.ndarray:
    """Products of the centred rows [n, n], the diagonal 0."""
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    gram = centred @ centred.T
    np.fill_diagonal(gram, 0)
    return gram


def _hsic(one: np.ndarray, other: np.ndarray) -> float:
    """n (n - 3) times the unbiased estimate of HSIC from two Gram matrices [n, n] with the diagonal 0."""
    n = len(one)
    columns = one.sum(axis=0), other.sum(axis=0)
    both = columns[0].sum() * columns[1].sum() / ((n - 1) * (n - 2))
    return float((one * other).sum() + both - 2 / (n - 2) * (columns[0] @ columns[1]))


def neighbours_in_common(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[n] int: how many of the neighbours [n, k] of a row two representations have in common."""
    return np.array([len(np.intersect1d(ours, theirs)) for ours, theirs in zip(one, other, strict=True)], int)


def neighbour_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The mean share of the neighbours [n, k] of a row that two representations have in common; by chance k / (n - 1)."""
    return float(np.mean(neighbours_in_common(one, other)) / one.shape[1])


def _counts(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How many rows are of each pair of groups, [groups of one, groups of other] float."""
    (ours, row), (theirs, column) = (np.unique(groups, return_inverse=True) for groups in (one, other))
    table = np.zeros((len(ours), len(theirs)))
    np.add.at(table, (row, column), 1)
    return table
