"""Null controls: whose vectors a patient is trained with when the pairing is to mean nothing."""

from collections import defaultdict

import numpy as np


def permuted_patients(patients: list[str], sites: list[str] | None, seed: int) -> list[str]:
    """Whose expression each patient gets in the null control: a seeded permutation, within sites where `sites` [patients] are given.

    It does not depend on the order in which the patients are named, and nobody keeps his own expression unless he is alone in his site.
    """
    group_of = dict(zip(patients, sites or [""] * len(patients), strict=True))
    members = defaultdict(list)
    for patient in sorted(group_of):
        members[group_of[patient]].append(patient)
    random = np.random.default_rng(seed)
    donor = {}
    for group in sorted(members):
        circle = [members[group][index] for index in random.permutation(len(members[group]))]
        donor |= zip(circle, circle[1:] + circle[:1], strict=True)
    return [donor[patient] for patient in patients]
