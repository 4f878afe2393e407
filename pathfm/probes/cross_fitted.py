"""Which values show in features at all: ridge probes, asked about other patients than those they were fitted on, against chance.

What a cancer type or a hospital has as a whole is taken from features and values before. Else a value that only tells types apart would
count as shown, and so would one that only tells hospitals apart: they are so few that stain and batch effect may agree by chance.
"""

from dataclasses import dataclass

import numpy as np

from pathfm.probes import driver
from pathfm.probes.divisions import Division
from pathfm.probes.held_out import PARTS, held_out_parts, seed_of
from pathfm.probes.ridge import OUTPUTS_AT_ONCE, Ridge
from pathfm.probes.target import Values
from pathfm.statistics.correlation import members_of, pearson, with_discoveries

LEAST_PATIENTS = 2 * PARTS
SHUFFLED = 10_000
ROUNDS = 20
ROUNDING = 1e-5


@dataclass(frozen=True)
class Shown:
    """Of each of the values: Pearson's r of prediction and truth over all patients, and whether more than chance is shown."""

    r: np.ndarray  # float64 [values]; NaN where the truth is constant
    beyond_chance: np.ndarray  # bool [values]: at a false discovery rate of 5 %


def shown(features: np.ndarray, values: np.ndarray, patients: np.ndarray, types: np.ndarray, sites: np.ndarray) -> Shown:
    """What features float32 [n, features] show of values float32 [n, values], a row a patient; all names str [n], "" where unknown.

    Five fits, as in the held-out fit of an evaluation: each scores a part on whose patients it was not fitted, and chooses its strength
    on another. Parts are whole hospitals, or single patients where there are fewer than five hospitals. Chance is what 10,000 of the
    values reach in the same fits when what is their patients' own is shuffled among the patients of a type. A function of the patients, not
    of the order of rows. ValueError for fewer than ten patients.
    """
    if len(patients) < LEAST_PATIENTS:
        raise ValueError(f"{len(patients)} patients are too few for {PARTS} parts")
    order = np.argsort(patients)
    features, values, patients, types, sites = (of_row[order] for of_row in (features, values, patients, types, sites))
    sites = known_together(sites)
    whole = sites if len(np.unique(sites)) >= PARTS else None
    parts = held_out_parts(patients, types, None, whole)
    everything = np.concatenate([values, shuffled(values, types, sites, SHUFFLED, seed_of(patients.tolist()))], axis=1)
    prediction, truth = np.zeros_like(everything), np.zeros_like(everything)
    for roles in Division.by_parts(parts).roles:
        x, y = (beyond(rows, types, sites, roles == "train") for rows in (features, everything))
        prediction[roles == "test"] = driver.run(Ridge(), x, Values(y), Division.by_roles(roles)).prediction
        truth[roles == "test"] = y[roles == "test"]
    blocks = (slice(first, first + OUTPUTS_AT_ONCE) for first in range(0, everything.shape[1], OUTPUTS_AT_ONCE))
    r = np.concatenate([pearson(prediction[:, block], truth[:, block]) for block in blocks])
    r, chance = np.split(r, [values.shape[1]])
    chance = np.sort(chance[~np.isnan(chance)])
    p = (1 + len(chance) - np.searchsorted(chance, r)) / (1 + len(chance))
    return Shown(r, with_discoveries(np.where(np.isnan(r), np.nan, p)))


def known_together(sites: np.ndarray) -> np.ndarray:
    """The sites [n], those of a single patient as unknown: the mean of one patient would leave nothing of it."""
    _, place, counts = np.unique(sites, return_inverse=True, return_counts=True)
    return np.where(counts[place] > 1, sites, "")


def beyond(values: np.ndarray, types: np.ndarray, sites: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Values [n, columns] less what types and sites have by themselves: two effects that add up, found in turn, float32.

    They are those of the rows of `fitted` [n], so that a probe's training rows know nothing of the rows that it is scored on; of a type or
    site without fitted rows, of its own. A column of which only rounding is left is 0.
    """
    values = np.asarray(values, np.float32)
    (of_type, type_means), (of_site, site_means) = (_averaging(groups, fitted) for groups in (types, sites))
    by_type, by_site = type_means @ values, site_means @ values
    sites_of_types, types_of_sites = type_means @ _members(of_site), site_means @ _members(of_type)
    type_effect, site_effect = by_type, by_site - types_of_sites @ by_type
    for _ in range(ROUNDS):
        type_effect = by_type - sites_of_types @ site_effect
        site_effect = by_site - types_of_sites @ type_effect
    result = values - type_effect[of_type] - site_effect[of_site]
    result[:, np.abs(result).max(axis=0) <= ROUNDING * np.abs(values).max(axis=0)] = 0
    return result


def _averaging(groups: np.ndarray, fitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number [n] of each row's group, and float32 [groups, n] that takes the mean of a group over its fitted rows, or over all."""
    number = np.unique(groups, return_inverse=True)[1]
    members = _members(number).T
    own = members * fitted
    own = np.where(own.any(axis=1, keepdims=True), own, members)
    return number, own / own.sum(axis=1, keepdims=True)


def _members(number: np.ndarray) -> np.ndarray:
    """float32 [n, groups], 1 where a row belongs to a group."""
    return np.eye(number.max() + 1, dtype=np.float32)[number]


def shuffled(values: np.ndarray, types: np.ndarray, sites: np.ndarray, count: int, seed: int) -> np.ndarray:
    """[n, count]: columns drawn from values [n, columns], less their means of types and sites, each in another order within types."""
    generator = np.random.default_rng(seed)
    own = beyond(values[:, generator.integers(values.shape[1], size=count)], types, sites, np.ones(len(values), bool))
    for members in members_of(types):
        own[members] = generator.permuted(own[members], axis=0)
    return own
