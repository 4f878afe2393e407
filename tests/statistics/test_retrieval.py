"""Ranks among candidates: equal to SciPy's, whatever the size of a block, and chance where nothing is known."""

import numpy as np
import pytest
from scipy.stats import rankdata

from pathfm.statistics import retrieval as module
from pathfm.statistics.retrieval import placed, retrieval


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pairs(count=60, width=8, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(count, width))
    return tuple(unit(common + noise * rng.normal(size=common.shape)) for _ in range(2))


@pytest.mark.parametrize("rows_at_once", [1, 7, 60, 1000])
def test_ranks_are_scipys_mean_ranks_in_blocks_of_any_size(monkeypatch, rows_at_once):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    image, vector = pairs()
    vector[10:20] = vector[10]  # ten patients of one vector
    expected = np.diag(rankdata(np.round(-image @ vector.T, 9), axis=1, method="average"))
    better, tied = placed(image, vector)
    np.testing.assert_array_equal(better + (1 + tied) / 2, expected)
    assert (tied[10:20] == 10).all() and tied.sum() == 50 + 10 * 10


def test_a_space_that_has_collapsed_is_at_chance():
    image, _ = pairs(count=41)
    found = retrieval(image, np.repeat(image[:1], 41, axis=0))
    for name in module.MEASURES:
        assert found[name] == pytest.approx(found[f"chance/{name}"])
    assert found["median_rank"] == 21


def test_ties_count_as_the_mean_over_their_orders():
    image, vector = pairs(count=40)
    vector[:12] = vector[0]
    rng, found = np.random.default_rng(3), []
    for _ in range(200):  # a little noise sets the tied ones in a random order
        found.append(retrieval(image, vector + 1e-7 * rng.normal(size=vector.shape)))
    once = retrieval(image, vector)
    for name in module.MEASURES[:3]:
        values = [one[name] for one in found]
        assert once[name] == pytest.approx(np.mean(values), abs=5 * np.std(values) / np.sqrt(200) + 1e-12)
    assert once["recall@5"] not in {one["recall@5"] for one in found}


def test_chance_is_what_random_pairs_give_over_all_and_within_strata():
    rng = np.random.default_rng(1)
    strata = np.repeat(["a", "b", "c", "alone"], [30, 12, 4, 1])
    for among in (None, strata):
        many = [retrieval(*(unit(rng.normal(size=(47, 6))) for _ in range(2)), among) for _ in range(200)]
        for name in module.MEASURES:
            values = [one[name] for one in many]
            tolerance = 4 * np.std(values) / np.sqrt(200) + (0.5 if name == "median_rank" else 0)  # the median of a sample moves by halves
            assert abs(np.mean(values) - many[0][f"chance/{name}"]) < tolerance


def test_within_strata_a_space_that_knows_the_stratum_alone_is_at_chance_though_it_finds_more_than_chance_over_all():
    rng = np.random.default_rng(2)
    strata = np.repeat(list("abcdef"), 40)
    centre = np.eye(6)[np.repeat(np.arange(6), 40)]
    image, vector = (unit(centre + 0.05 * rng.normal(size=centre.shape)) for _ in range(2))
    over_all, within = retrieval(image, vector), retrieval(image, vector, strata)
    assert over_all["recall@10"] > 3 * over_all["chance/recall@10"]
    assert abs(within["recall@10"] - within["chance/recall@10"]) < 0.1


def test_nothing_is_measured_where_every_stratum_is_of_one():
    assert np.isnan(list(retrieval(*pairs(3), np.array(["a", "b", "c"])).values())).all()
