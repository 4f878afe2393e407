"""The MHIST of the demo: its layout, and a label that the shape of the crypts shows and no programme drives."""

import numpy as np
import pytest

from pathfm.demo import mhist
from pathfm.demo.world import make_world


@pytest.fixture(scope="module")
def world():
    return make_world(16, 0)


def test_the_annotations_have_mhists_columns_and_partitions(world):
    table = mhist.annotations(world)
    assert table.columns.tolist() == [
        "Image Name",
        "Majority Vote Label",
        "Number of Annotators who Selected SSA (Out of 7)",
        "Partition",
    ]
    assert table["Image Name"].is_unique and len(table) >= 400
    assert ((table.iloc[:, 2] >= 4) == (table["Majority Vote Label"] == "SSA")).all()
    for _, part in table.groupby("Partition"):
        assert 0.4 < (part["Majority Vote Label"] == "SSA").mean() < 0.6


def test_no_programme_habit_or_stain_drives_the_label(world):
    table = mhist.annotations(world)
    serrated = (table["Majority Vote Label"] == "SSA").to_numpy(float)
    drawn = [mhist.circumstances(world, number) for number in range(len(table))]
    nuisance = np.array([[*programmes, *habits, *stain.haematoxylin, *stain.eosin] for stain, programmes, habits in drawn])
    correlations = [np.corrcoef(column, serrated)[0, 1] for column in nuisance.T]
    assert np.abs(correlations).max() < 4 / np.sqrt(len(table))


def test_serrated_crypts_are_deeper_and_overlap_with_round_ones(world):
    depth = {votes: [mhist.crypts(np.random.default_rng(seed), votes / 7)[:, 3].mean() for seed in range(200)] for votes in (3, 4, 7)}
    assert np.mean(depth[7]) - np.mean(depth[3]) > 0.1
    assert np.min(depth[4]) < np.max(depth[3])


def test_the_hospitals_are_others_and_an_image_is_made_of_its_number(world):
    image = mhist.polyp(world, 3, 7)
    assert image.shape == (96, 96, 3) and (image == mhist.polyp(world, 3, 7)).all()
    assert (image != mhist.polyp(world, 4, 7)).any()
