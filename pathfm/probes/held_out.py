"""Parts for a fit among held-out patients alone, so that what a tuned encoder has memorised of its training patients plays no role."""

import hashlib

import numpy as np

from pathfm.files import digest

PARTS = 5
LEAST_PARTS = 3  # so many must a class reach: the fit that scores a part leaves out that one and the next


def held_out_parts(patients: np.ndarray, labels: np.ndarray, split_hash: str | None, sites: np.ndarray | None = None) -> np.ndarray:
    """[n] integers below PARTS, stratified by label: a function of patients, labels, sites and the split's hash, not of the rows' order.

    Part j is scored by a fit on the other parts, of which part j + 1 (cyclically) chooses the strength. The same patients therefore
    get the same parts for base and tuned. All rows of a patient lie in one part; its label is the first in sorted order. With `sites`
    [n] a part is made of whole hospitals, stratified as well as these allow: a probe that is scored on a hospital that it was fitted on
    is paid for reading the stain. ValueError when there are fewer sites than parts.
    """
    patients, labels = np.asarray(patients, str), np.asarray(labels, str)
    order = np.lexsort((labels, patients))
    names, first, place = np.unique(patients[order], return_index=True, return_inverse=True)
    of_patient = labels[order][first]
    seed = seed_of([split_hash, names.tolist(), of_patient.tolist()])
    parts = _one_by_one(of_patient, seed) if sites is None else _whole_sites(np.asarray(sites, str)[order][first], of_patient, seed)
    answer = np.empty(len(patients), int)
    answer[order] = parts[place]
    return answer


def _one_by_one(labels: np.ndarray, seed: int) -> np.ndarray:
    """Patients [n] are dealt like cards, class after class."""
    generator = np.random.default_rng(seed)
    parts = np.empty(len(labels), int)
    dealt = 0
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        parts[members] = (dealt + np.arange(len(members))) % PARTS
        dealt += len(members)
    return parts


def _whole_sites(sites: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Sites, the largest first, each go to the part that holds the least of what they bring: of all patients and of each class.

    This keeps the sum of squares of the parts' shares small, greedily, as scikit-learn's StratifiedGroupKFold does; the split's own
    program (`cohort/site_folds.py`) divides better, but takes a minute for the hospitals of a fold of TCGA and would run for every task.
    """
    names, site = np.unique(sites, return_inverse=True)
    if len(names) < PARTS:
        raise ValueError(f"{len(names)} sites cannot fill {PARTS} parts")
    columns = np.stack([np.ones(len(labels)), *(labels == label for label in np.unique(labels))], axis=1)
    counts = np.zeros((len(names), columns.shape[1]))
    np.add.at(counts, site, columns)
    shares = counts / counts.sum(axis=0)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    held, part = np.zeros((PARTS, shares.shape[1])), np.empty(len(names), int)
    for one in shuffled[np.argsort(-counts[shuffled, 0], kind="stable")]:
        part[one] = (held @ shares[one]).argmin()
        held[part[one]] += shares[one]
    return part[site]


def in_few_parts(parts: np.ndarray, labels: np.ndarray) -> list[str]:
    """The labels that lie in fewer than LEAST_PARTS of the parts [n], so that some fit would know nothing of them."""
    return [str(label) for label in np.unique(labels) if len(np.unique(parts[labels == label])) < LEAST_PARTS]


def roles_in_part(parts: np.ndarray, part: int) -> np.ndarray:
    """[n] of "train", "val", "test" for the fit that scores `part`."""
    return np.where(parts == part, "test", np.where(parts == (part + 1) % PARTS, "val", "train"))


def seed_of(value) -> int:
    """A seed that is a function of a JSON-like value."""
    return int.from_bytes(hashlib.sha256(digest(value).encode()).digest()[:8], "little")
