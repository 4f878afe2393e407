"""A small run of tools/coverage.py: the intervals hold the truth as often as they say, in worlds where it is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pathfm.statistics.intervals import family_level, of_difference, of_share

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module", autouse=True)
def tools():
    sys.path.insert(0, str(TOOLS))
    yield
    sys.path.remove(str(TOOLS))


def test_sizes_of_hospitals_are_skewed_as_tcgas():
    from coverage_worlds import hospital_sizes

    for count, patients, worth in ((8, 191, 3.2), (40, 969, 15), (678, 10_561, 218)):
        sizes = hospital_sizes(patients, count)
        assert sizes.sum() == patients and sizes.min() >= 1 and len(sizes) == count
        assert sizes.sum() ** 2 / (sizes**2).sum() == pytest.approx(worth, rel=0.35)


@pytest.mark.parametrize(("rare", "hospitals", "tau"), [(0.5, 200, 0.0), (0.2, 12, 0.06), (0.5, 40, 0.1)])
@pytest.mark.parametrize("gain", [0.0, 0.03])
def test_intervals_of_a_difference_and_of_a_score_cover(rare, hospitals, tau, gain):
    import coverage

    made = list(coverage.class_estimates(coverage.ClassWorld(200, hospitals, rare, tau=tau), gain, 1000, seed=1))
    found = coverage.intervals([one[-1] for one in made], of_difference, gain)
    level = coverage.intervals([one[3] for one in made], of_share, coverage.RECALL)
    assert 0.92 <= found.covers <= 0.985 and 0.92 <= level.covers <= 0.985  # of 1,000, whose sd is .007


@pytest.mark.parametrize(("hospitals", "between", "folds"), [(80, 0.0, 1), (12, 0.15, 1), (24, 0.05, 2)])
def test_intervals_of_gene_r_cover(hospitals, between, folds):
    import coverage

    world = coverage.GeneWorld(80, hospitals, between, folds, genes=10)
    found = coverage.intervals([one[1] for one in coverage.gene_estimates(world, 0.03, 400, seed=1)], of_difference, 0.03)
    assert 0.92 <= found.covers <= 0.985


def test_few_null_tables_have_an_arrow_and_the_mean_difference_covers():
    import coverage

    made = list(coverage.Family(120, 24, 0.06, 0.1).estimates(120, seed=1))
    arrows = [any(coverage.leaves_zero_out(task, family_level(one, draws=2000)) for task in one) for one in made]
    mean = coverage.intervals([coverage.mean_of(one) for one in made], of_difference, 0.0)
    assert np.mean(arrows) <= 0.09 and mean.covers >= 0.9


def test_the_printed_tables_have_a_row_for_every_world():
    import coverage

    lines = list(coverage.grid(coverage.CLASS_HEAD, coverage.class_rows(coverage.CLASS_WORLDS[:2], 20, 0)))
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
