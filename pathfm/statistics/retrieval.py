"""How well two embeddings of the same patients find each other: ranks by cosine, recall and median rank, each beside its chance."""

import numpy as np

from pathfm.statistics.correlation import members_of

RECALLS = (1, 5, 10)
MEASURES = (*(f"recall@{k}" for k in RECALLS), "median_rank")
ROWS_AT_ONCE = 1024
TIED = 1e-9  # similarities of unit rows that differ by less are the same


def placed(queries: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n] int each: how many keys are more similar to a query than its own key, and how many are as similar, its own among them.

    queries, keys [n, width], unit rows, a patient's query and key in the same place. A block of queries at a time: never n x n.
    """
    queries, keys = np.asarray(queries, np.float64), np.asarray(keys, np.float64)
    better, tied = np.empty((2, len(keys)), int)
    for start in range(0, len(keys), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(keys)))
        similarity = queries[rows] @ keys.T
        beyond = similarity - similarity[np.arange(len(rows)), rows][:, None]
        better[rows], tied[rows] = (beyond > TIED).sum(axis=1), (np.abs(beyond) <= TIED).sum(axis=1)
    return better, tied


def retrieval(queries: np.ndarray, keys: np.ndarray, strata: np.ndarray | None = None) -> dict[str, float]:
    """recall@1, @5, @10 and median_rank, and under `chance/` what a random order gives.

    Tied keys count as in the mean over all their orders: for recall by the share of these in which the own key is among the first k, so
    that a space that has collapsed is at chance; for the median by the mean of their ranks.
    With strata [n] (cancer types) a query is only ranked among the keys of its own stratum; a stratum of one is left out. NaN when
    nothing is left.
    """
    groups = [np.arange(len(keys))] if strata is None else list(members_of(strata))
    groups = [rows for rows in groups if len(rows) > 1]
    if not groups:
        return {f"{prefix}{name}": np.nan for prefix in ("", "chance/") for name in MEASURES}
    better, tied = np.concatenate([placed(queries[rows], keys[rows]) for rows in groups], axis=1)
    sizes = np.array([len(rows) for rows in groups])
    values = [*(np.clip((k - better) / tied, 0, 1).mean() for k in RECALLS), np.median(better + (1 + tied) / 2)]
    chance = [*(np.minimum(k, sizes).sum() / sizes.sum() for k in RECALLS), _median_by_chance(sizes)]
    names = [*MEASURES, *(f"chance/{name}" for name in MEASURES)]
    return dict(zip(names, map(float, [*values, *chance]), strict=True))


def _median_by_chance(sizes: np.ndarray) -> float:
    """The median rank when every query of a stratum of m has each of the ranks 1 … m equally often."""
    weight = (sizes[None, :] > np.arange(sizes.max())[:, None]).sum(axis=1)  # m queries, each with 1 / m
    half = weight.sum() / 2
    cumulative = weight.cumsum()
    return float(1 + (np.searchsorted(cumulative, half) + np.searchsorted(cumulative, half, side="right")) / 2)
