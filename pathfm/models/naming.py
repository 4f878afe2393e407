"""Rules that turn the tensor names and layouts of a published model into ours and back, bit for bit.

A rule says which of their tensors hold one of our parameters, and how they are laid out; a table of rules runs both ways.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec, by_name, from_names, parameter_shapes

Layout = Literal["same", "linear", "convolution"]

# our axes in terms of theirs: a linear layer [out, in] → [in, out], a convolution [out, in, h, w] → [h, w, in, out]
AXES: dict[str, tuple[int, ...] | None] = {"same": None, "linear": (1, 0), "convolution": (2, 3, 1, 0)}
NAMES_SHOWN = 8


@dataclass(frozen=True)
class Rule:
    """`ours` is held by `theirs`, one tensor or several side by side along our last axis; `{i}` stands for the block."""

    ours: str
    theirs: tuple[str, ...]
    layout: Layout = "same"


def read_tensors(tensors: Mapping[str, np.ndarray], spec: ViTSpec, rules: Iterable[Rule]) -> dict[str, Any]:
    """Their tensors → our nested parameters; InputError lists what is missing, unused or of another shape."""
    table = _by_ours(rules, spec)
    shapes = parameter_shapes(spec)
    wanted = [name for ours in shapes for name in table[ours].theirs]
    missing = sorted(set(wanted) - set(tensors))
    unused = sorted(set(tensors) - set(wanted))
    if missing or unused:
        parts = [f"{what}: {listed(names)}" for what, names in (("missing", missing), ("unused", unused)) if names]
        raise InputError(f"the tensors are not those of the architecture; {'; '.join(parts)}")
    leaves = {}
    for ours, shape in shapes.items():
        rule = table[ours]
        parts = [_transposed(tensors[name], AXES[rule.layout]) for name in rule.theirs]
        leaf = np.concatenate(parts, axis=-1) if len(parts) > 1 else np.ascontiguousarray(parts[0])
        if leaf.shape != shape:
            theirs = tensors[rule.theirs[0]].shape
            raise InputError(f"the tensor {rule.theirs[0]} of shape {theirs} gives {ours} the shape {leaf.shape} instead of {shape}")
        leaves[ours] = leaf
    return from_names(leaves)


def write_tensors(params: Mapping[str, Any], spec: ViTSpec, rules: Iterable[Rule]) -> dict[str, np.ndarray]:
    """Our nested parameters → their tensors; the inverse of `read_tensors`."""
    table = _by_ours(rules, spec)
    tensors = {}
    for ours, leaf in by_name(params).items():
        rule = table[ours]
        axes = AXES[rule.layout]
        for name, part in zip(rule.theirs, np.split(np.asarray(leaf), len(rule.theirs), axis=-1), strict=True):
            tensors[name] = np.ascontiguousarray(_transposed(part, None if axes is None else tuple(np.argsort(axes))))
    return tensors


def listed(names: list[str]) -> str:
    """The names for a sentence: all of a few, the first of many."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _by_ours(rules: Iterable[Rule], spec: ViTSpec) -> dict[str, Rule]:
    """Every rule under the name of our parameter, those of blocks once for each block."""
    table = {}
    for rule in rules:
        for i in range(spec.depth) if "{i}" in rule.ours else (0,):
            table[rule.ours.format(i=i)] = Rule(rule.ours.format(i=i), tuple(name.format(i=i) for name in rule.theirs), rule.layout)
    return table


def _transposed(tensor: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """The tensor with its axes in another order; one with another number of axes stays, and the check of shapes names it."""
    return tensor if axes is None or tensor.ndim != len(axes) else tensor.transpose(axes)
