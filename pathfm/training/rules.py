"""Regular expressions over parameter names `a/b/c`: the one idiom for freezing, learning rates, weight decay and loading."""

import re
from collections.abc import Sequence
from typing import Any

import jax

from pathfm.errors import InputError
from pathfm.models.vit import by_name, from_names


def names(tree: Any) -> Any:
    """A tree of the same structure that holds each leaf's name, its keys joined by `/`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: "/".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path), tree
    )


def matched(tree: Any, rules: Sequence[tuple[str, Any]], otherwise: Any) -> Any:
    """For each leaf the value of the first rule whose expression matches its whole name, else `otherwise`.

    Raises InputError for an expression that is not one or that matches no parameter: a rule that does nothing is a mistake.
    """
    compiled = []
    for pattern, value in rules:
        try:
            compiled.append((re.compile(pattern), value))
        except re.error as error:
            raise InputError(f"the rule {pattern!r} is not a regular expression: {error}") from error
    all_names = jax.tree.leaves(names(tree))
    for expression, _ in compiled:
        if not any(expression.fullmatch(name) for name in all_names):
            raise InputError(f"the rule {expression.pattern!r} matches no parameter; the first names are {', '.join(all_names[:5])}")
    return jax.tree.map(lambda name: next((value for expression, value in compiled if expression.fullmatch(name)), otherwise), names(tree))


def divided(tree: Any, chosen: Any) -> tuple[Any, Any]:
    """(leaves of a nested dict where `chosen` holds, the others), each a nested dict without what is empty."""
    flags, leaves = by_name(chosen), by_name(tree)
    parts = ({name: leaf for name, leaf in leaves.items() if flags[name] == wanted} for wanted in (True, False))
    yes, no = (from_names(part) for part in parts)
    return yes, no


def combined(one: Any, other: Any) -> Any:
    """The nested dict that `divided` took apart."""
    return from_names(by_name(one) | by_name(other)) if other else one


def parsed(texts: Sequence[str]) -> list[tuple[str, float]]:
    """`REGEX=FACTOR` as pairs."""
    rules = []
    for text in texts:
        pattern, _, factor = text.rpartition("=")
        try:
            rules.append((pattern, float(factor)))
        except ValueError:
            raise InputError(f"the rule {text!r} does not end in =FACTOR, for example 'image/.*=0.1'") from None
    return rules
