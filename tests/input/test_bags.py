"""Bags from tile records: the stream, patients with few tiles, records that do not decode."""

import jax
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.files import read_parquet
from pathfm.input.bags import NAMED, Bags, OpenRecords, batches, index_tiles, name_bad_records, read_bag
from pathfm.input.schedule import Once, Schedule
from pathfm.modalities.modality import Vectors
from pathfm.slides.records import TileRecords, write_records
from tests.small_cohort import TILE, make_small_cohort


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"))


def indexed(folder):
    slides = read_parquet(folder.slides)
    return index_tiles(folder, slides, sorted(set(slides["patient"])))


def bags_of(index, order, steps, slots):
    numbers = np.arange(len(index.patients), dtype=np.int32)
    vectors = {"expression": Vectors(numbers[:, None].astype(np.float32), numbers % 2 == 0)}
    return Bags(index, vectors, {"site": numbers % 3, "cancer": numbers % 2}, order, 2, steps, slots)


def taken(folder, start, threads, slots=range(4), steps=6):
    index = indexed(folder)
    bags = bags_of(index, Schedule(len(index.patients), 4, seed=1), steps, slots)
    return list(batches(bags, len(slots), start, threads, workers=0))


def test_the_stream_depends_on_the_step_alone(folder):
    whole = taken(folder, 0, threads=1)
    assert len(whole) == 6
    for other in (taken(folder, 0, threads=3), taken(folder, 2, threads=2)):
        for ours, theirs in zip(whole[6 - len(other) :], other, strict=True):
            jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_two_hosts_read_the_two_halves_of_one_batch(folder):
    whole, first, second = taken(folder, 0, 1), taken(folder, 0, 1, range(2)), taken(folder, 0, 1, range(2, 4))
    for all_, a, b in zip(whole, first, second, strict=True):
        np.testing.assert_array_equal(all_["tiles"], np.concatenate([a["tiles"], b["tiles"]]))


def test_vectors_and_codes_follow_their_patient(folder):
    for batch in taken(folder, 0, 1):
        np.testing.assert_array_equal(batch["vectors"]["expression"][:, 0], batch["patient"])
        np.testing.assert_array_equal(batch["present"]["expression"], batch["patient"] % 2 == 0)
        np.testing.assert_array_equal(batch["site"], batch["patient"] % 3)
        np.testing.assert_array_equal(batch["cancer"], batch["patient"] % 2)


def test_a_patient_with_one_tile_fills_one_place(folder):
    index = indexed(folder)
    patient = next(number for number in range(len(index.patients)) if index.count(number) == 1)
    bag = read_bag(index, OpenRecords(index), patient, np.arange(1), tiles=3)
    assert bag["tile_mask"].tolist() == [True, False, False]
    assert bag["tiles"][0].any() and not bag["tiles"][1:].any()


def test_a_record_that_does_not_decode_is_replaced_by_the_next_and_named(tmp_path):
    folder = make_small_cohort(tmp_path)
    index = indexed(folder)
    patient = 2
    slide = index.slides[index.slide_of[index.start[patient]]]
    good = OpenRecords(index)
    records = list(TileRecords(folder.records(slide)).read(range(6)))
    order = np.array([3, 0, 5, 1, 2, 4])
    expected = [good.image(index.start[patient] + number) for number in (0, 5)]
    records[3] = b"not a picture"
    write_records(folder.records(slide), records)
    bag = read_bag(index, OpenRecords(index), patient, order, tiles=2)
    np.testing.assert_array_equal(bag["tiles"], expected)
    assert bag["bad"].tolist() == [index.start[patient] + 3] + [-1] * (NAMED - 1)
    assert name_bad_records(bag["bad"], index, set(), most=0.5) == {index.start[patient] + 3}
    assert name_bad_records(bag["bad"], index, {index.start[patient] + 3}, most=0.0) == set()
    with pytest.raises(InputError, match=f"slide {slide}, record 3"):
        name_bad_records(bag["bad"], index, set(), most=0.001)


@pytest.mark.parametrize("tiles", [1, 2])
def test_records_are_replaced_as_long_as_the_patient_has_one_that_decodes(tiles, tmp_path):
    folder = make_small_cohort(tmp_path)
    index, patient = indexed(folder), 2
    slide = index.slides[index.slide_of[index.start[patient]]]
    last = OpenRecords(index).image(index.start[patient] + 5)
    records = TileRecords(folder.records(slide)).read(range(6))
    write_records(folder.records(slide), [b"not a picture"] * 5 + records[5:])
    bag = read_bag(index, OpenRecords(index), patient, np.arange(6), tiles)
    assert bag["tile_mask"].tolist() == [True] + [False] * (tiles - 1)
    np.testing.assert_array_equal(bag["tiles"][0], last)
    assert (bag["bad"] >= 0).sum() == 5 and bag["patient"] == patient

    write_records(folder.records(slide), [b"not a picture"] * 6)
    bag = read_bag(index, OpenRecords(index), patient, np.arange(6), tiles)
    assert not bag["tile_mask"].any() and bag["patient"] == -1  # padding: it has no part in the loss


def test_validation_sees_every_patient_once_and_pads(folder):
    index = indexed(folder)
    order = Once(len(index.patients), 16, seed=0)
    blocks = list(batches(bags_of(index, order, order.steps, range(16)), 16, 0, threads=2, workers=0))
    patients = np.concatenate([block["patient"] for block in blocks])
    assert sorted(patients[patients >= 0]) == list(range(len(index.patients)))
    assert len(patients) == 32
    assert all(block["tiles"].shape == (16, 2, TILE, TILE, 3) for block in blocks)


def test_a_patient_without_slides_is_refused(folder):
    with pytest.raises(InputError, match="TCGA-ZZ-0000"):
        index_tiles(folder, read_parquet(folder.slides), [*sorted(set(read_parquet(folder.slides)["patient"])), "TCGA-ZZ-0000"])
