"""Parts for a fit among held-out patients alone, so that what a tuned encoder has memorised of its training patients plays no role."""

import hashlib

import numpy as np

from pathfm.files import digest

PARTS = 5


def held_out_parts(patients: np.ndarray, labels: np.ndarray, split_hash: str | None) -> np.ndarray:
    """[n] integers below PARTS, stratified by label: a function of the sorted patients, their labels and the split's hash only.

    Part j is scored by a fit on the other parts, of which part j + 1 (cyclically) chooses the strength. The same patients therefore
    get the same parts for base and tuned. All rows of a patient lie in one part; its label is the first in sorted order.
    """
    patients, labels = np.asarray(patients, str), np.asarray(labels, str)
    order = np.lexsort((labels, patients))
    names, first, place = np.unique(patients[order], return_index=True, return_inverse=True)
    of_patient = labels[order][first]
    generator = np.random.default_rng(seed_of([split_hash, names.tolist(), of_patient.tolist()]))
    parts = np.empty(len(names), int)
    dealt = 0
    for label in np.unique(of_patient):
        members = generator.permutation(np.flatnonzero(of_patient == label))
        parts[members] = (dealt + np.arange(len(members))) % PARTS
        dealt += len(members)
    answer = np.empty(len(patients), int)
    answer[order] = parts[place]
    return answer


def roles_in_part(parts: np.ndarray, part: int) -> np.ndarray:
    """[n] of "train", "val", "test" for the fit that scores `part`."""
    return np.where(parts == part, "test", np.where(parts == (part + 1) % PARTS, "val", "train"))


def seed_of(value) -> int:
    """A seed that is a function of a JSON-like value."""
    return int.from_bytes(hashlib.sha256(digest(value).encode()).digest()[:8], "little")
