"""Rules that turn the tensor names and layouts of a published model into ours and back, bit for bit.

A rule says which of their tensors hold one of our parameters, and how they are laid out; a table of rules runs both ways.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pathfm.models.vit import ViTSpec, by_name, from_names, parameter_shapes

Layout = Literal["same", "linear", "convolution"]
Shapes = Mapping[str, tuple[int, ...]]

# our axes in terms of theirs: a linear layer [out, in] → [in, out], a convolution [out, in, h, w] → [h, w, in, out]
AXES: dict[str, tuple[int, ...] | None] = {"same": None, "linear": (1, 0), "convolution": (2, 3, 1, 0)}
NAMES_SHOWN = 8


@dataclass(frozen=True)
class Rule:
    """`ours` is held by `theirs`, one tensor or several side by side along our last axis; `{i}` stands for the block.

    An empty name after the first stands for zeros that their files leave out.
    """

    ours: str
    theirs: tuple[str, ...]
    layout: Layout = "same"


def misfit(shapes: Shapes, spec: ViTSpec, rules: Iterable[Rule]) -> str:
    """What keeps tensors of these shapes from being those of the architecture, in words (missing, unused, misshapen), or ""."""
    table = _by_ours(rules, spec)
    ours = parameter_shapes(spec)
    wanted = {name for parameter in ours for name in table[parameter].theirs if name}
    missing, unused = sorted(wanted - set(shapes)), sorted(set(shapes) - wanted)
    if missing or unused:
        parts = [f"{what}: {listed(names)}" for what, names in (("missing", missing), ("unused", unused)) if names]
        return f"the tensors are not those of the architecture; {'; '.join(parts)}"
    for parameter, shape in ours.items():
        rule = table[parameter]
        theirs = [tuple(shapes[name or rule.theirs[0]]) for name in rule.theirs]
        gives = _side_by_side([_reordered(other, AXES[rule.layout]) for other in theirs])
        if gives != shape:
            return f"the tensor {rule.theirs[0]} of shape {theirs[0]} gives {parameter} the shape {gives} instead of {shape}"
    return ""


def read_tensors(tensors: Mapping[str, np.ndarray], spec: ViTSpec, rules: Iterable[Rule]) -> dict[str, Any]:
    """Their tensors, in whose shapes `misfit` finds nothing wrong, → our nested parameters; each tensor is asked for once."""
    table = _by_ours(rules, spec)
    leaves = {}
    for ours in parameter_shapes(spec):
        axes = AXES[table[ours].layout]
        read = {name: tensors[name] if axes is None else tensors[name].transpose(axes) for name in table[ours].theirs if name}
        parts = [read[name] if name else np.zeros_like(next(iter(read.values()))) for name in table[ours].theirs]
        leaves[ours] = np.concatenate(parts, axis=-1) if len(parts) > 1 else np.ascontiguousarray(parts[0])
    return from_names(leaves)


def write_tensors(params: Mapping[str, Any], spec: ViTSpec, rules: Iterable[Rule]) -> dict[str, np.ndarray]:
    """Our nested parameters → their tensors; the inverse of `read_tensors`."""
    table = _by_ours(rules, spec)
    tensors = {}
    for ours, leaf in by_name(params).items():
        rule = table[ours]
        axes = AXES[rule.layout]
        for name, part in zip(rule.theirs, np.split(np.asarray(leaf), len(rule.theirs), axis=-1), strict=True):
            if name:
                tensors[name] = np.ascontiguousarray(part if axes is None else part.transpose(tuple(np.argsort(axes))))
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


def _reordered(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape with its axes in another order; one with another number of axes stays, and the comparison names it."""
    return shape if axes is None or len(shape) != len(axes) else tuple(shape[axis] for axis in axes)


def _side_by_side(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of tensors joined along their last axis; where they cannot be, that of the first."""
    joined = len(shapes) > 1 and all(shapes) and len({shape[:-1] for shape in shapes}) == 1
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes)) if joined else shapes[0]
