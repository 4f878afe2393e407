"""Finished evaluations: what they hold, and which of them may be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.report.folder import EvaluationFolder
from pathfm.tasks.fits import FITS

HEADLINE = ""  # the name of the block of each task's first probe


@dataclass(frozen=True)
class Evaluation:
    """One run of `python -m pathfm.evaluate`, or several that differ in their fold alone; or one block of it, a probe for each task."""

    files: EvaluationFolder
    about: dict  # evaluation.json
    scores: pd.DataFrame
    predictions: pd.DataFrame
    by_fold: tuple["Evaluation", ...] = ()  # the evaluations of single folds that this one joins
    probes: Mapping[str, str] = field(default_factory=dict)  # of a block: task → probe; empty: all

    @classmethod
    def read(cls, folder: str | Path) -> "Evaluation":
        """The evaluation in `folder`; InputError when it is unfinished, of an unknown format or broken."""
        files = EvaluationFolder(Path(folder))
        return cls(files, files.read_about(), files.read_scores(), files.read_predictions())

    @classmethod
    def over_folds(cls, single: Sequence["Evaluation"]) -> "Evaluation":
        """One evaluation out of several that differ in their fold; its folder and card are those of the first."""
        if len(single) == 1:
            return single[0]
        single = tuple(sorted(single, key=lambda one: one.folds))
        tables = (pd.concat([getattr(one, name) for one in single], ignore_index=True) for name in ("scores", "predictions"))
        about = single[0].about | {"folds": [fold for one in single for fold in one.folds], "smoke": any(one.smoke for one in single)}
        return cls(single[0].files, about, *tables, single, single[0].probes)

    def of_folds(self, folds: Iterable) -> "Evaluation":
        """What this evaluation holds of these folds."""
        chosen = [one for one in self.by_fold if set(one.folds) <= set(folds)]
        return self.over_folds(chosen) if chosen else self

    @property
    def blocks(self) -> list[str]:
        """The headline, and each probe that is the first of no task or not of all that it was fitted to."""
        first = self._first_probes()
        fitted = self.scores.groupby("probe", sort=False)["task"].unique()
        return [HEADLINE, *(probe for probe, tasks in fitted.items() if any(first[task] != probe for task in tasks))]

    def block(self, name: str) -> "Evaluation":
        """What one probe gave, or for the headline the first probe of each task."""
        first = self._first_probes()
        probes = first if name == HEADLINE else dict.fromkeys(first, name)
        tables = {
            name: table[table["probe"] == table["task"].map(probes)]
            for name, table in (("scores", self.scores), ("predictions", self.predictions))
        }
        return replace(self, by_fold=tuple(one.block(name) for one in self.by_fold), probes=probes, **tables)

    def _first_probes(self) -> dict[str, str]:
        return self.scores.drop_duplicates("task").set_index("task")["probe"].to_dict()

    @property
    def name(self) -> str:
        return str(self.card.get("name") or self.files.path.name)

    @property
    def card(self) -> dict[str, Any]:
        """The card of the weights, as evaluation.json holds it."""
        return self.about["card"]

    @property
    def weight_hash(self) -> str:
        return self.card["weight_hash"]

    @property
    def base(self) -> dict | None:
        """The name and weight hash of what the weights were tuned from; None for a base."""
        return None if self.about.get("approach") == "base" else self.card.get("base")

    @property
    def unmoved(self) -> bool:
        """Whether training left the weights as they were: those of the base, or of step 0; of several folds in each."""
        if self.by_fold:
            return all(one.unmoved for one in self.by_fold)
        own = self.pooling != "mean"  # pooling that was trained with the tower is not the base's
        return self.base is not None and (self.weight_hash == self.base["weight_hash"] or (self.card.get("step") == 0 and not own))

    @property
    def floor(self) -> dict | None:
        """Of a floor its kind and the weight hash of the base that it is laid under."""
        return self.about.get("floor")

    @property
    def approach(self) -> str:
        """The objective; with another patient's expression it says so."""
        pairing = self.card.get("pairing")
        approach = str(self.about.get("approach") or self.card.get("objective"))
        return approach if pairing in (None, "true") else f"{approach} ({pairing.replace('_', ' ')})"

    @property
    def trained(self) -> bool:
        """Whether a training of pathfm made the weights, and did not import them."""
        return self.card.get("recipe_hash") is not None or self.base is not None

    @property
    def seed(self) -> int:
        """Of the training; an earlier version's hash of the recipe held it, so that its trainings share a recipe only where it is 0."""
        return self.card.get("seed") or 0

    @property
    def series(self) -> tuple:
        """What trainings share that differ in seed or fold alone, scored alike on one choice of genes; imported weights share a hash."""
        trained = self.card.get("recipe_hash") or self.weight_hash
        return self.about["split_hash"], self.approach, trained, self.about.get("panel_choice"), self.about.get("options")

    @property
    def recipe(self) -> tuple:
        """What trainings share that differ in their fold alone."""
        return *self.series, self.seed

    @property
    def pooling(self) -> str:
        """How the tiles of a patient became one feature: "mean", or "attention" or "transformer" that was trained with the tower."""
        return self.about["pooling"]

    @property
    def smoke(self) -> bool:
        return bool(self.about.get("smoke"))

    @property
    def folds(self) -> list:
        return sorted(self.about["folds"])

    @cached_property
    def expression(self) -> anndata.AnnData | None:
        """The predicted expression, or None; InputError when it is broken.

        Over several folds it holds the genes of all their panels; a gene that a fold's panel lacks is NaN there.
        """
        if self.by_fold:
            there = [one.expression for one in self.by_fold if one.expression is not None]
            return anndata.concat(there, join="outer", fill_value=np.nan) if there else None
        table = self.files.read_expression()
        if table is None or not self.probes:
            return table
        chosen = (table.obs["probe"] == self.probes.get("expression")).to_numpy()
        return table[chosen] if chosen.any() else None

    def units(self) -> dict[tuple, pd.DataFrame]:
        """What was scored, by (task, probe, fit, fold): unit and truth in sorted order."""
        predictions = self.predictions.groupby(["task", "probe", "fit", "fold"], sort=True)
        scored = {key: rows[["unit", "truth"]].sort_values(["unit", "truth"], ignore_index=True) for key, rows in predictions}
        if self.expression is not None:
            for key, rows in self.expression.obs.groupby(["probe", "fit", "fold"], observed=True):
                scored["expression", *key] = pd.DataFrame({"unit": np.sort(rows["patient"].astype(str).to_numpy())})
        return scored


def why_incomparable(base: Evaluation, tuned: Evaluation) -> str:
    """What differs between two evaluations that must be alike in all but the weights; an empty string when nothing does."""
    for key, what in (("split_hash", "splits"), ("panel_hash", "gene panels"), ("tiles_hash", "tiles"), ("options", "options")):
        if base.about.get(key) != tuned.about.get(key):
            return f"their {what} differ"
    if other := _other_benchmarks(base, tuned):
        return f"their images or labels of {other} differ"
    if base.folds != tuned.folds:
        return f"their folds differ ({base.folds} and {tuned.folds})"
    if base.expression is not None and tuned.expression is not None:
        if list(base.expression.var_names) != list(tuned.expression.var_names):
            return "their gene panels differ"
        if not _same_truth(base.expression, tuned.expression):
            return "their measured expression differs"
    ours, theirs = base.units(), tuned.units()
    for key in sorted(set(ours) & set(theirs), key=str):
        if not ours[key].equals(theirs[key]):
            return f"their scored units or labels differ in the task {key[0]} ({FITS[key[2]].label}, fold {key[3]})"
    return ""


def _other_benchmarks(one: Evaluation, other: Evaluation) -> str:
    """The columns of benchmarks of which the two saw other data; what an earlier version did not note is passed over."""
    ours, theirs = (evaluation.about.get("benchmarks", {}) for evaluation in (one, other))
    facts = ("digest", "images")
    differing = [task for task in ours if task in theirs and any(_differ(ours[task].get(fact), theirs[task].get(fact)) for fact in facts)]
    columns = dict(zip(one.scores["task"], one.scores["column"], strict=True))
    return ", ".join(columns.get(task, task) for task in differing)


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other


def _same_truth(one, other) -> bool:
    """Whether two tables of predicted expression hold the same measured values for the rows that both have."""
    shared = one.obs_names.intersection(other.obs_names)
    return np.array_equal(*(np.asarray(table[shared].layers["truth"]) for table in (one, other)))


def paired(evaluations: list[Evaluation]) -> list[tuple[Evaluation, list[Evaluation]]]:
    """Every base with what was tuned from it, by weight hash, in the order given; a base alone has an empty list.

    Raises InputError when a base was not evaluated, or differs in split, units or panel from what was tuned from it.
    """
    pairs: dict[int, tuple[Evaluation, list[Evaluation]]] = {}
    for tuned in evaluations:
        if tuned.base is None:
            continue
        candidates = [one for one in evaluations if one is not tuned and one.weight_hash == tuned.base["weight_hash"]]
        candidates.sort(key=lambda one: one.base is not None)  # weights that training left as they were are no base
        if not candidates:
            name = tuned.base.get("name")
            raise InputError(
                f"{tuned.files.path} was tuned from {name!r}, whose evaluation is not given; evaluate that and name its folder as well"
            )
        reasons = [why_incomparable(one, tuned) for one in candidates]
        if all(reasons):
            raise InputError(
                f"{tuned.files.path} and its base {candidates[0].files.path} cannot be compared: {reasons[0]}; "
                "evaluate both on the same cohort, fold and panel"
            )
        base = candidates[reasons.index("")]
        pairs.setdefault(id(base), (base, []))[1].append(tuned)
    for one in evaluations:
        if one.base is None:
            pairs.setdefault(id(one), (one, []))
    return list(pairs.values())


def over_folds(pairs: Iterable[tuple[Evaluation, list[Evaluation]]]) -> list[tuple[Evaluation, list[Evaluation]]]:
    """Pairs whose trainings differ in their fold alone become one; what has no other fold stays as it is."""
    groups: list[list[tuple[Evaluation, list[Evaluation]]]] = []
    for pair in pairs:
        base = pair[0]
        fitting = (group for group in groups if group[0][0].recipe == base.recipe and _other_folds([one for one, _ in group], base))
        group = next(fitting, None)
        if group is None:
            groups.append([pair])
        else:
            group.append(pair)
    return [(Evaluation.over_folds([base for base, _ in group]), _joined([one for _, tuned in group for one in tuned])) for group in groups]


def _joined(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    groups: list[list[Evaluation]] = []
    for one in evaluations:
        group = next((group for group in groups if group[0].recipe == one.recipe and _other_folds(group, one)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [Evaluation.over_folds(group) for group in groups]


def _other_folds(group: Iterable[Evaluation], one: Evaluation) -> bool:
    return not {fold for other in group for fold in other.folds} & set(one.folds)
