"""PathoROB's average performance drop: what accuracy a probe loses the more its training patients' class goes with their hospital."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from pathfm.probes.protocol import Probe
from pathfm.probes.strength import choose
from pathfm.probes.target import Classes
from pathfm.statistics.confounds import performance_drop, squares

STEPS = 3  # from none to all of the classes going with the hospitals
REPEATS = 20
HELD = 4  # patients of a cell to score, at the least
USED = 4 * STEPS  # of a cell at the most, half of them to fit on and half to choose the strength on


@dataclass(frozen=True)
class Drop:
    """The mean over repeats of the relative change of accuracy (below 0: a loss), and its 95 % interval by Student's t over them."""

    value: float
    low: float
    high: float
    accuracy: float  # of the unconfounded training sets: at chance, ½, there is nothing to lose
    patients: int


def average_drop(features: np.ndarray, cancers: np.ndarray, sites: np.ndarray, probe: Probe, seed: int) -> Drop | None:
    """The drop for the two cancer types and two hospitals whose rarest pairing has the most patients; None where these are too few.

    features float32 [n, d]; cancers, sites [n]. As PathoROB: with h = STEPS the set s takes h - s patients of each pairing on the diagonal
    and h + s of the others, and as many again, in the same proportions, to choose the strength on; of those left over as many of each
    pairing are scored. The interval is that of the draws of such sets among the patients at hand, not of other patients or hospitals.
    None too where a draw's unconfounded accuracy is 0, of which there is no share.
    """
    found = squares(cancers, sites, USED + HELD, 1)
    if not found:
        return None
    cells = found[0]
    rows, sizes = np.concatenate(cells), [len(one) for one in cells]
    cell = np.repeat(np.arange(4), sizes)
    target, diagonal, features = Classes((cell >= 2).astype(int), 2), np.isin(cell, (0, 3)), features[rows]
    wanted = np.stack([np.where(diagonal, STEPS - step, STEPS + step) for step in range(STEPS + 1)])  # [sets, rows]
    accuracies, generator = np.empty((STEPS + 1, REPEATS)), np.random.default_rng(seed)
    for repeat in range(REPEATS):
        place = np.concatenate([generator.permutation(size) for size in sizes])
        train, val = place < wanted, (place >= wanted) & (place < 2 * wanted)
        test = (place >= USED) & (place < min(sizes))
        for step, fitted in zip(range(len(wanted)), probe.fit(features, target, train.astype(float)), strict=True):
            setting, _ = choose(fitted.scores(features[val[step]], target.take(val[step])))
            guess = fitted.predict(features[test], setting).argmax(axis=1)
            accuracies[step, repeat] = (guess == target.numbers[test]).mean()
    if not accuracies[0].all():
        return None
    drops = performance_drop(accuracies)
    mean, half = float(drops.mean()), float(t.ppf(0.975, REPEATS - 1) * drops.std(ddof=1) / np.sqrt(REPEATS))
    return Drop(mean, mean - half, mean + half, float(accuracies[0].mean()), len(rows))
