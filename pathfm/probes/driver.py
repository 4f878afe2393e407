"""One way through every probe: fit on the training rows of each fit, choose the setting on its validation rows, predict its test rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pathfm.probes.committee import NONE, Committee
from pathfm.probes.divisions import Division
from pathfm.probes.protocol import Probe
from pathfm.probes.strength import choose
from pathfm.probes.target import Target


@dataclass(frozen=True)
class Probed:
    """What a probe predicts of the scored rows, and what is to be known of its fits."""

    prediction: np.ndarray  # [scored rows, width of the target]
    resampled: tuple[np.ndarray, ...]  # the same of fits on resampled training sets
    chosen: float  # the setting; the median over several fits
    parts: int  # fits
    edge: int  # of them, those whose setting lies at an end of the grid
    unconverged: int  # of them, those that stopped short of their optimum
    ballots: Mapping[str, np.ndarray] = field(default_factory=dict)  # of a committee, int16 [models, scored rows] each: `Committee.ballots`


def run(probe: Probe, features: Any, target: Target, division: Division, resampled: np.ndarray | None = None) -> Probed:
    """Fits `probe` to target [n] on features float32 [n, features], or `Bags` of each row's tiles, as the division says.

    `resampled` [sets, n] are further training sets of the first fit: how often a row stands in each. A prediction that is not finite counts
    as one of a fit that did not converge. ValueError when the probe does not give one model for each training set.
    """
    roles = division.roles
    sets = (roles == "train").astype(np.float64)
    weights = sets if resampled is None else np.concatenate([sets, resampled])
    prediction, further, chosen, edges, unconverged = target.unpredicted(), [], [], 0, 0
    ballots: dict[str, np.ndarray] = {}
    for number, fitted in zip(range(len(weights)), probe.fit(features, target, weights), strict=True):
        val, test = (roles[number if number < len(sets) else 0] == role for role in ("val", "test"))
        setting, at_edge = choose(fitted.scores(features[val], target.take(val)))
        predicted = fitted.predict(features[test], setting).astype(prediction.dtype)
        if number >= len(sets):
            further.append(fitted.named(features[test], setting) if isinstance(fitted, Committee) else predicted)
            continue
        if isinstance(fitted, Committee):
            for name, guesses in fitted.ballots(features[test], setting, probe.grid).items():
                ballots.setdefault(name, np.full((len(guesses), len(test)), NONE, np.int16))[:, test] = guesses
        prediction[test] = predicted
        chosen.append(float(probe.grid[setting]))
        edges += at_edge and fitted.ends[setting > 0]
        unconverged += not (fitted.converged[setting] and np.isfinite(predicted).all())
    whole = {name: guesses[:, division.scored] for name, guesses in ballots.items() if (guesses[:, division.scored] != NONE).all()}
    return Probed(prediction[division.scored], tuple(further), float(np.median(chosen)), len(sets), edges, unconverged, whole)
