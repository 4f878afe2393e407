"""Averages of weights of one architecture: between a base and what was tuned from it, and over several runs.

WiSE-FT (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903) and model soups (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import jax

from pathfm.errors import InputError
from pathfm.settings.schema import differing
from pathfm.weights.card import Base
from pathfm.weights.folder import Weights
from pathfm.weights.hashing import weight_hash

ENCODER = ("image", "pooling")  # of what both have, this is averaged with a base; heads are those of the tuned weights


def between(base: Weights, tuned: Weights, alpha: float) -> Weights:
    """(1 − alpha) · base + alpha · tuned in the tower, and in the pooling where both trained one; the rest is the tuned weights'."""
    if alpha == 1:
        return tuned
    shared = [name for name in ENCODER if name in base.params and name in tuned.params]
    mixed = {name: interpolated(base.params[name], tuned.params[name], alpha) for name in shared}
    return with_params(tuned, tuned.params | mixed)


def interpolated(base: Any, tuned: Any, alpha: float) -> Any:
    """(1 − alpha) · base + alpha · tuned, leaf by leaf; at 0 the base to the last bit."""
    return base if alpha == 0 else jax.tree.map(lambda one, other: (1 - alpha) * one + alpha * other, base, tuned)


def mean_of(runs: Sequence[Weights]) -> Weights:
    """The mean of all parameters, as weights of the first; of one alone it is that one."""
    if len(runs) == 1:
        return runs[0]
    return with_params(runs[0], jax.tree.map(lambda *leaves: reduce(add, leaves) / len(leaves), *(run.params for run in runs)))


def with_params(weights: Weights, params: dict[str, Any]) -> Weights:
    """The weights with other parameters, known by the hash of these."""
    return replace(weights, params=params, card=replace(weights.card, weight_hash=weight_hash(params["image"])))


def named(weights: Weights) -> Base:
    """How cards name weights."""
    return Base(name=weights.card.name, weight_hash=weights.card.weight_hash)


def refuse_unlike(base: Weights, runs: Sequence[Weights]) -> None:
    """InputError where towers are not of one architecture and input, or several runs were not trained alike on one fold."""
    for run in runs:
        if found := differing(base.spec, run.spec):
            key, ours, theirs = found[0]
            raise InputError(
                f"{run.path} holds another tower than {base.path}: its {key} is {theirs} and not {ours}; "
                "only weights of one architecture can be averaged"
            )
        if (base.card.mean, base.card.std) != (run.card.mean, run.card.std):
            raise InputError(f"{run.path} and {base.path} want their images normalised by other means and standard deviations")
    first = runs[0]
    for run in runs[1:]:
        for what in ("settings", "pooling", "modalities", "split_hash", "fold"):
            if getattr(run.card, what) != getattr(first.card, what):
                raise InputError(
                    f"{run.path} and {first.path} were trained with different {what} (see their card.json); "
                    "average runs of one objective on one fold"
                )
