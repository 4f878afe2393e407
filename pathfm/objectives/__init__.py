"""Objectives: one image tower and the weighted terms that train it; `make_objective` builds the one that settings name."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Objective, Widths
from pathfm.settings.terms import Joint, TermSettings, terms_of


def make_objective(
    settings: TermSettings, tower: ImageTower, widths: Widths, starts: Mapping[str, Mapping[str, np.ndarray]] | None = None
) -> Objective:
    """The objective of a config's `objective` block; `pathfm.settings.terms` documents its fields.

    `starts` are what is given to the parameters of a term, by its name.
    """
    terms, starts = terms_of(settings), starts or {}
    return Objective(
        tower,
        {name: _implementation(one.made_by)(one, replace(widths, starts=starts.get(name, {}))) for name, one in terms.items()},
        {name: one.weight for name, one in terms.items()},
        settings.balance if isinstance(settings, Joint) else "none",
    )


def _implementation(made_by: Any) -> Any:
    if not isinstance(made_by, str):
        return made_by
    module, _, name = made_by.partition(":")
    return getattr(import_module(module), name)
