"""Few-shot classification: the nearest class mean of a few rows of each class, over many draws of them (SimpleShot)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pathfm.probes.committee import Committee
from pathfm.probes.rows import rows_of
from pathfm.probes.target import Classes, Target

SHOTS = (1.0, 2.0, 4.0, 8.0, 16.0)
DRAWS = 1000
SUPPORTS_AT_ONCE = 100


@dataclass(frozen=True)
class FewShot:
    """SimpleShot (Wang et al. 2019, https://arxiv.org/abs/1911.04623) as UNI's evaluation does it (its `eval_fewshot`).

    In each draw as many training rows of each class as there are shots are drawn without replacement. All features lose the mean of the
    rows drawn and are brought to length 1; a row is of the class whose mean of such rows is nearest. The headline is of 16 shots, or of
    the most that the rarest class of the training rows can give: a matter of labels alone, so that base and tuned share it and their draws.
    """

    grid: np.ndarray = field(default_factory=lambda: np.array(SHOTS))
    draws: int = DRAWS
    seed: int = 0
    name: str = "few_shot"
    setting: str = "shots"
    takes: tuple[type[Target], ...] = (Classes,)

    def fit(self, features: np.ndarray, target: Classes, weights: np.ndarray) -> Iterator["Supports"]:
        for times in weights:
            rows = rows_of(times)
            yield Supports(features[rows], target.take(rows), self.grid.astype(int), self.draws, self.seed)


class Supports(Committee):
    """The rows of each draw; fewer shots are the first of those that the draw has."""

    ends = (False, False)

    def __init__(self, features: np.ndarray, target: Classes, grid: np.ndarray, draws: int, seed: int):
        self.mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.features, self.grid, self.count = features - self.mean, grid, target.count
        self.present, sizes = np.unique(target.numbers, return_counts=True)
        self.converged = grid <= sizes.min()  # a setting that the rarest class cannot give is none
        most, generator = min(int(grid.max()), int(sizes.min())), np.random.default_rng(seed)
        self.drawn = np.stack([_drawn(generator, np.flatnonzero(target.numbers == number), draws, most) for number in self.present], axis=1)

    def scores(self, features: np.ndarray, target: Classes) -> np.ndarray:
        """By the rule, not by validation rows: the most shots that there are."""
        return np.where(self.converged, self.grid, -np.inf)

    def ballots(self, features: np.ndarray, setting: int, grid: np.ndarray) -> dict[str, np.ndarray]:
        """Those of each number of shots that the rarest class can give; under "" those of the number chosen."""
        found = {f"{grid[one]:g}": self.guesses(features, one) for one in np.flatnonzero(self.converged).tolist()}
        return {"": found[f"{grid[setting]:g}"]} | found

    def guesses(self, features: np.ndarray, setting: int) -> np.ndarray:
        queries, found = features - self.mean, []
        for start in range(0, len(self.drawn), SUPPORTS_AT_ONCE):
            found.append(nearest_means(queries, self.features[self.drawn[start : start + SUPPORTS_AT_ONCE, :, : self.grid[setting]]]))
        return self.present[np.concatenate(found)].astype(np.int16)


def _drawn(generator: np.random.Generator, rows: np.ndarray, draws: int, count: int) -> np.ndarray:
    """[draws, count] of `rows`, in random order, none twice in a draw."""
    return np.stack([generator.choice(rows, count, replace=False) for _ in range(draws)])


def nearest_means(queries: np.ndarray, support: np.ndarray) -> np.ndarray:
    """The number [draws, n] of the class whose mean lies nearest to queries [n, features]: support [draws, classes, shots, features].

    All lose the mean of the draw's support and have length 1 before class means are taken. The normalised queries of all draws are never
    formed: with q a query, m the mean and p a class mean, (q − m)·p / ‖q − m‖ comes from products of q with m and p.
    """
    middle = support.mean(axis=(1, 2))
    centred = support - middle[:, None, None]
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    means = (centred / np.where(length > 0, length, 1)).mean(axis=2)
    draws, classes, width = means.shape
    along = (queries @ means.reshape(-1, width).T).reshape(len(queries), draws, classes) - np.einsum("df,dcf->dc", middle, means)
    square = (queries**2).sum(axis=1)[:, None] - 2 * queries @ middle.T + (middle**2).sum(axis=1)
    along /= np.sqrt(np.maximum(square, np.finfo(np.float32).tiny))[..., None]
    return (2 * along - (means**2).sum(axis=-1)).argmax(axis=-1).T
