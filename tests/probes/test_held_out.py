"""Parts of the held-out fit."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from pathfm.probes.held_out import PARTS, held_out_parts, in_few_parts, roles_in_part

PATIENTS = np.array([f"TCGA-A1-{number:04d}" for number in range(60)])
LABELS = np.array(["mutant"] * 23 + ["wild type"] * 37)


def test_parts_depend_on_patients_labels_and_split_only():
    parts = held_out_parts(PATIENTS, LABELS, "hash")
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(held_out_parts(PATIENTS[order], LABELS[order], "hash"), parts[order])
    assert (held_out_parts(PATIENTS, LABELS, "another") != parts).any()


def test_parts_are_stratified_and_of_equal_size():
    parts = held_out_parts(PATIENTS, LABELS, None)
    for label, lowest in (("mutant", 4), ("wild type", 7)):
        counts = np.bincount(parts[LABELS == label], minlength=PARTS)
        assert set(counts) <= {lowest, lowest + 1}
    assert set(np.bincount(parts, minlength=PARTS)) == {12}


def test_every_patient_is_scored_once_by_a_fit_that_did_not_see_it():
    parts = held_out_parts(np.repeat(PATIENTS, 2), np.repeat(LABELS, 2), None)
    assert (parts[::2] == parts[1::2]).all()
    roles = np.stack([roles_in_part(parts, part) for part in range(PARTS)])
    assert ((roles == "test").sum(axis=0) == 1).all()
    assert ((roles == "val").sum(axis=0) == 1).all()
    assert (roles[1][parts == 2] == "val").all()


def hospitals(count: int, patients: int, seed: int = 0) -> np.ndarray:
    """A hospital of each patient, few large and many small ones."""
    size = np.random.default_rng(seed).lognormal(size=count)
    return np.random.default_rng(seed).choice([f"hospital {number}" for number in range(count)], patients, p=size / size.sum())


def test_parts_of_whole_hospitals_share_none_and_depend_on_no_order():
    sites = hospitals(9, 60)
    parts = held_out_parts(PATIENTS, LABELS, "hash", sites)
    assert all(len(set(parts[sites == site])) == 1 for site in sites) and set(parts) == set(range(PARTS))
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(held_out_parts(PATIENTS[order], LABELS[order], "hash", sites[order]), parts[order])
    with pytest.raises(ValueError, match="4 sites cannot fill 5 parts"):
        held_out_parts(PATIENTS, LABELS, "hash", np.array([f"h{number % 4}" for number in range(60)]))


def test_many_hospitals_are_dealt_as_evenly_as_scikit_learn_deals_groups():
    sites, labels = hospitals(60, 900), np.random.default_rng(1).choice(["a", "b", "c", "d"], 900, p=[0.5, 0.3, 0.15, 0.05])
    patients = np.array([f"p{number}" for number in range(900)])

    def uneven(parts: np.ndarray) -> float:
        counts = np.array([np.bincount(parts[labels == label], minlength=PARTS) / (labels == label).sum() for label in "abcd"])
        return float(np.abs(counts - 1 / PARTS).mean())

    theirs = np.empty(900, int)
    for part, (_, test) in enumerate(StratifiedGroupKFold(PARTS).split(patients, labels, sites)):
        theirs[test] = part
    assert uneven(held_out_parts(patients, labels, None, sites)) <= 1.1 * uneven(theirs) < 0.03


def test_a_class_of_fewer_than_three_parts_is_named():
    parts = np.arange(60) % PARTS
    assert in_few_parts(parts, np.where(parts < 2, "few", "many")) == ["few"]
    assert in_few_parts(parts, LABELS) == []
