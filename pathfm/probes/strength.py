"""The strength of a probe's penalty: a fixed grid, chosen on validation data only."""

import numpy as np

STRENGTHS = np.logspace(-6, 4, 21)


def choose_strength(scores: np.ndarray) -> tuple[int, str]:
    """(index into STRENGTHS, warning or ""): the best validation score [strengths], of equal ones the strongest penalty."""
    best = len(scores) - 1 - int(np.argmax(np.asarray(scores)[::-1]))
    edge = best in (0, len(scores) - 1)
    return best, f"strength {STRENGTHS[best]:g} is at the edge of the grid" if edge else ""


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
