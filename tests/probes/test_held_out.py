"""Parts of the held-out fit."""

import numpy as np

from pathfm.probes.held_out import PARTS, held_out_parts, roles_in_part

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
