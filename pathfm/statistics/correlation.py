"""How well expression is predicted: Pearson per gene over patients, joined over folds by Fisher z, against chance and simple baselines."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from scipy.stats import false_discovery_control

HIGH = 0.4
LEVEL = 0.05
GENES_AT_ONCE = 512
ORDERS_AT_ONCE = 1000
ROUNDS = (1, 10, 100)  # times the permutations that are asked for
LARGEST_R = 1 - 1e-7


def pearson(prediction: np.ndarray, truth: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """[genes]: the correlation over patients, per group (fold, part, cancer type), joined over groups by Fisher z; never pooled.

    prediction, truth [n, genes], groups [n]. A constant prediction counts 0. A gene whose truth is constant in a group has no value
    there and, constant in all of them, is NaN: that depends on the truth alone, so base and tuned lose the same genes.
    """
    groups = np.zeros(len(truth), int) if groups is None else groups
    per_group, rows = [], []
    for members in members_of(groups):
        one = (unit_columns(prediction[members]) * unit_columns(truth[members])).sum(axis=0)
        per_group.append(np.where(np.ptp(truth[members], axis=0) > 0, one, np.nan))
        rows.append(len(members))
    return fisher_join(np.stack(per_group), np.array(rows))


def members_of(groups: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of each group, in the order of the groups' names."""
    for name in np.unique(groups):
        yield np.flatnonzero(groups == name)


def unit_columns(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and sum of squares 1, in float64; a constant column is 0."""
    values = np.asarray(values, np.float64)
    centred = values - values.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    varies = (np.ptp(values, axis=0) > 0) & (norm > 0)
    return np.where(varies, centred / np.where(varies, norm, 1), 0)


def fisher_join(correlations: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """[…]: tanh of the mean of artanh over the first axis, NaN entries left out; a single value stays as it is.

    Each weighs rows − 3, the inverse of its variance (Fisher 1921); with three rows or fewer it has no say.
    """
    if len(correlations) == 1:
        return correlations[0]
    there = ~np.isnan(correlations)
    weights = np.expand_dims(fisher_weight(rows), tuple(range(1, correlations.ndim))) * there
    z = (weights * np.arctanh(np.clip(np.where(there, correlations, 0), -LARGEST_R, LARGEST_R))).sum(axis=0)
    total = weights.sum(axis=0)
    return np.where(total > 0, np.tanh(z / np.where(total > 0, total, 1)), np.nan)


def fisher_weight(rows: np.ndarray) -> np.ndarray:
    """What a correlation over so many rows weighs in a mean of z."""
    return np.maximum(rows - 3, 0)


def within(values: np.ndarray, strata: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """[n, genes]: what is left when each stratum's (cancer type's) mean within its group is taken away; float64.

    A patient who is alone in a stratum is left with 0. Residuals that rounding alone makes are set to 0, so that a prediction that
    knows the stratum only counts as constant.
    """
    values = np.asarray(values, np.float64)
    residual = np.empty_like(values)
    for members in members_of(groups):
        for inner in members_of(strata[members]):
            rows = members[inner]
            centred = values[rows] - values[rows].mean(axis=0)
            residual[rows] = np.where(np.ptp(values[rows], axis=0) > 0, centred, 0)
    return residual


def within_types(
    prediction: np.ndarray, truth: np.ndarray, types: np.ndarray, parts: np.ndarray, folds: np.ndarray, smallest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, truth [n, genes] and groups [n] for the r within (cancer) types, to be joined over the groups by Fisher z.

    The mean of each type within its part is taken away, and r is then of each type in each fold; types of fewer than `smallest` rows
    of a fold are one group there, without their differences. Parts of a fold are brought together since each of its types may be small.
    """
    names = combined_names(folds, types)
    _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
    groups = np.where(counts[place] >= smallest, names, combined_names(folds, np.full(len(types), "others")))
    return within(prediction, types, parts), within(truth, types, parts), groups


def combined_names(*columns: np.ndarray) -> np.ndarray:
    """[n] str: one name for each combination of what the columns [n] hold."""
    return np.array(["/".join(map(str, names)) for names in zip(*columns, strict=True)], dtype=str)


def chance(prediction: np.ndarray, truth: np.ndarray, groups: np.ndarray, sites: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """[genes]: one-sided p-values of `pearson` under permutation of the patients within site (and group); NaN without a value.

    p = (1 + permutations at least as good) / (1 + permutations): Phipson and Smyth 2010. Where the genes that no permutation equalled are
    too few to be `discoveries` at this p, they alone go on to ten times as many permutations, and so once more: else 90 perfectly
    predicted genes of 5,000 would be none. P(p ≤ x) ≤ x holds throughout: who gets a small p in a later round would have it from all its
    permutations without the rounds before, and who stops early has a larger one.
    """
    orders = permuted_within(groups, sites, permutations * 10 ** (len(ROUNDS) - 1), seed)
    better, p, done = np.zeros(truth.shape[1], int), np.full(truth.shape[1], np.nan), 0
    asked = np.flatnonzero(~np.isnan(pearson(prediction, truth, groups)))
    genes = len(asked)
    for total in (permutations * times for times in ROUNDS):
        for start in range(done, total, ORDERS_AT_ONCE):
            some = list(islice(orders, min(ORDERS_AT_ONCE, total - start)))
            better[asked] += _better(prediction[:, asked], truth[:, asked], groups, some)
        p[asked], done = (1 + better[asked]) / (1 + total), total
        asked = asked[better[asked] == 0]
        if not len(asked) or LEVEL * len(asked) / genes > 1 / (1 + total):
            break
    return p


def permuted_within(groups: np.ndarray, sites: np.ndarray, permutations: int, seed: int) -> Iterator[np.ndarray]:
    """Orders [n] of the rows that keep every row within its group and site."""
    generator = np.random.default_rng(seed)
    stratum = np.unique(np.stack([np.asarray(groups, str), np.asarray(sites, str)]), axis=1, return_inverse=True)[1].ravel()
    resting = np.argsort(stratum, kind="stable")
    for _ in range(permutations):
        order = np.empty(len(stratum), int)
        order[resting] = np.lexsort((generator.random(len(stratum)), stratum))
        yield order


def _better(prediction: np.ndarray, truth: np.ndarray, groups: np.ndarray, orders: Sequence[np.ndarray]) -> np.ndarray:
    """[genes] int: how many of the orders give the truth a correlation at least as good as it has; genes go in blocks."""
    blocks = (slice(start, start + GENES_AT_ONCE) for start in range(0, truth.shape[1], GENES_AT_ONCE))
    return np.concatenate([np.zeros(0, int), *(_better_of(prediction[:, genes], truth[:, genes], groups, orders) for genes in blocks)])


def _better_of(prediction: np.ndarray, truth: np.ndarray, groups: np.ndarray, orders: Sequence[np.ndarray]) -> np.ndarray:
    predicted, true, varies = np.zeros(truth.shape), np.zeros(truth.shape), []
    membership = list(members_of(groups))
    for members in membership:
        predicted[members], true[members] = unit_columns(prediction[members]), unit_columns(truth[members])
        varies.append(np.ptp(truth[members], axis=0) > 0)
    predicted, true = predicted.astype(np.float32), true.astype(np.float32)
    rows = np.array(list(map(len, membership)))

    def joined(order: np.ndarray) -> np.ndarray:
        sums = np.stack([np.einsum("ng,ng->g", predicted[members], true[order[members]]) for members in membership])
        return fisher_join(np.where(np.stack(varies), sums, np.nan), rows)

    observed = joined(np.arange(len(truth)))
    better = np.zeros(truth.shape[1], int)
    for order in orders:
        better += joined(order) >= observed - 1e-6
    return better


def discoveries(p: np.ndarray, level: float = LEVEL) -> int:
    """How many of the p-values stand at a false discovery rate below `level` (Benjamini and Hochberg 1995); NaN are left out."""
    return int(with_discoveries(p, level).sum())


def with_discoveries(p: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Which of the p-values [genes] these are, bool [genes]."""
    there = ~np.isnan(p)
    found = np.zeros(len(p), bool)
    if there.any():
        found[there] = false_discovery_control(p[there]) < level
    return found


def summary(correlations: np.ndarray) -> dict[str, float]:
    """Mean, median and the share above 0.4 over the genes that have a value; NaN when none has."""
    r = correlations[~np.isnan(correlations)]
    if not len(r):
        return {"mean_pearson": np.nan, "median_pearson": np.nan, "share_above_0.4": np.nan}
    return {"mean_pearson": float(r.mean()), "median_pearson": float(np.median(r)), "share_above_0.4": float((r > HIGH).mean())}


def from_cancer_type(truth: np.ndarray, cancers: np.ndarray, train: np.ndarray) -> np.ndarray:
    """[n, genes]: the training patients' mean in each patient's cancer type, over all of them for a type not seen in training."""
    prediction = np.tile(truth[train].mean(axis=0), (len(truth), 1))
    for cancer in np.unique(cancers[train]):
        prediction[cancers == cancer] = truth[train & (cancers == cancer)].mean(axis=0)
    return prediction
