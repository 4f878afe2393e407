"""Who of the rows is fitted on, who chooses the setting and who is scored: the split's parts, or cross-validation among test rows."""

from dataclasses import dataclass

import numpy as np

from pathfm.probes.held_out import PARTS, roles_in_part


@dataclass(frozen=True)
class Division:
    """The roles "train", "val", "test" of n rows in one or several fits; a row is scored by one fit at most."""

    roles: np.ndarray  # str [fits, n]

    @classmethod
    def by_roles(cls, roles: np.ndarray) -> "Division":
        """One fit, by the roles [n] given."""
        return cls(np.asarray(roles, str)[None])

    @classmethod
    def by_parts(cls, parts: np.ndarray) -> "Division":
        """A fit for each part [n] below PARTS, which it scores; the next part chooses, the others are fitted on."""
        return cls(np.stack([roles_in_part(parts, part) for part in range(PARTS)]))

    @property
    def scored(self) -> np.ndarray:
        """The rows that some fit scores, in order."""
        return np.flatnonzero((self.roles == "test").any(axis=0))


def cut_validation(labels: np.ndarray, patients: np.ndarray, seed: int, share: float = 0.2) -> np.ndarray:
    """[n] bool, True for validation: about `share` of the patients of each class, a patient never on both sides.

    labels [n], patients [n] (the image itself where the patient is unknown); a patient's class is that of its first row in sorted order.
    A class keeps at least one patient for training, so one of a single patient is not validated on.
    """
    labels, patients = np.asarray(labels, str), np.asarray(patients, str)
    names, first = np.unique(patients[np.lexsort((labels, patients))], return_index=True)
    of_patient = labels[np.lexsort((labels, patients))][first]
    generator = np.random.default_rng(seed)
    held = set()
    for label in np.unique(of_patient):
        members = generator.permutation(names[of_patient == label])
        held.update(members[: min(max(1, round(share * len(members))), len(members) - 1)])
    return np.isin(patients, sorted(held))


def with_validation(roles: np.ndarray, labels: np.ndarray, patients: np.ndarray, seed: int) -> np.ndarray:
    """The roles [n]; where none is "val", a fifth of the training patients of each label becomes it."""
    if (roles == "val").any():
        return roles
    roles, train = roles.copy(), np.flatnonzero(roles == "train")
    roles[train[cut_validation(labels[train], patients[train], seed)]] = "val"
    return roles


def resampled(train: np.ndarray, strata: np.ndarray, patients: np.ndarray, count: int, seed: int) -> np.ndarray:
    """[count, n]: how often a row stands in training sets whose patients are drawn with replacement, as many of each stratum as there are.

    train bool [n], strata and patients [n].
    """
    generator = np.random.default_rng(seed)
    times = np.zeros((count, len(train)))
    for one in times:
        for stratum in np.unique(strata[train]):
            members = np.flatnonzero(train & (strata == stratum))
            names, place = np.unique(np.asarray(patients[members], str), return_inverse=True)
            one[members] = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))[place]
    return times
