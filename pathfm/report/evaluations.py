"""Folders of finished evaluations: what they hold, and which of them may be compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet

SCORES = ["task", "column", "fit", "fold", "metric", "value", "n", "smallest_class", "strength", "note"]
PREDICTIONS = ["task", "fit", "fold", "unit", "patient", "truth", "prediction"]


@dataclass(frozen=True)
class Evaluation:
    """One run of `python -m pathfm.evaluate`, read from its folder."""

    folder: Path
    about: dict  # evaluation.json
    scores: pd.DataFrame
    predictions: pd.DataFrame
    parts: tuple["Evaluation", ...] = ()  # the evaluations of single folds that this one joins

    @classmethod
    def read(cls, folder: str | Path) -> "Evaluation":
        """The evaluation in `folder`; InputError when it is unfinished, of another format or broken."""
        folder = Path(folder)
        if not (folder / "evaluation.json").is_file():
            raise InputError(f"{folder} is not a finished evaluation: it has no evaluation.json; run `python -m pathfm.evaluate` first")
        about = read_json(folder / "evaluation.json")
        if not isinstance(about, dict) or about.get("format") != 1 or not isinstance(about.get("card"), dict):
            raise InputError(f"{folder / 'evaluation.json'} is not in format 1 with a card; evaluate again with this version of pathfm")
        if not about["card"].get("weight_hash"):
            raise InputError(f"{folder / 'evaluation.json'} has a card without weight_hash; evaluate again with this version of pathfm")
        scores, predictions = read_parquet(folder / "scores.parquet", SCORES), pd.DataFrame(columns=PREDICTIONS)
        if (folder / "predictions.parquet").exists():  # an evaluation of expression alone has none
            predictions = read_parquet(folder / "predictions.parquet", PREDICTIONS)
        return cls(folder, about, scores, predictions)

    @classmethod
    def over_folds(cls, parts: Sequence["Evaluation"]) -> "Evaluation":
        """One evaluation out of several that differ in their fold; its folder and card are those of the first."""
        if len(parts) == 1:
            return parts[0]
        parts = tuple(sorted(parts, key=lambda one: one.folds))
        tables = (pd.concat([getattr(one, name) for one in parts], ignore_index=True) for name in ("scores", "predictions"))
        about = parts[0].about | {"folds": [fold for one in parts for fold in one.folds], "smoke": any(one.smoke for one in parts)}
        return cls(parts[0].folder, about, *tables, parts)

    def of_folds(self, folds: Iterable) -> "Evaluation":
        """What this evaluation holds of these folds."""
        chosen = [one for one in self.parts if set(one.folds) <= set(folds)]
        return self.over_folds(chosen) if chosen else self

    @property
    def name(self) -> str:
        return str(self.about["card"].get("name") or self.folder.name)

    @property
    def weight_hash(self) -> str:
        return self.about["card"]["weight_hash"]

    @property
    def base(self) -> dict | None:
        """The name and weight hash of what the weights were tuned from; None for a base."""
        return None if self.about.get("approach") == "base" else self.about["card"].get("base")

    @property
    def approach(self) -> str:
        """The objective; with another patient's expression it says so."""
        pairing = self.about["card"].get("pairing")
        approach = str(self.about.get("approach") or self.about["card"].get("objective"))
        return approach if pairing in (None, "true") else f"{approach} ({pairing.replace('_', ' ')})"

    @property
    def recipe(self) -> tuple:
        """What two trainings share that differ in their fold alone, scored on one choice of genes; imported weights share their hash."""
        trained = self.about["card"].get("recipe_hash") or self.weight_hash
        return self.about["split_hash"], self.approach, trained, self.about.get("panel_choice")

    @property
    def smoke(self) -> bool:
        return bool(self.about.get("smoke"))

    @property
    def folds(self) -> list:
        folds = self.about.get("folds", self.about.get("fold"))
        return sorted(folds) if isinstance(folds, list) else [folds]

    @cached_property
    def expression(self):
        """The AnnData of predicted expression, or None; InputError when it is broken.

        Over several folds it holds the genes of all their panels; a gene that a fold's panel lacks is NaN there.
        """
        import anndata

        if self.parts:
            there = [one.expression for one in self.parts if one.expression is not None]
            return anndata.concat(there, join="outer", fill_value=np.nan) if there else None
        path = self.folder / "expression_predictions.h5ad"
        if not path.is_file():
            return None
        try:
            table = anndata.read_h5ad(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} cannot be read as AnnData: {error}; evaluate again") from error
        missing = sorted({"patient", "fold", "fit"} - set(table.obs)) + ([] if "truth" in table.layers else ["truth"])
        if missing:
            raise InputError(f"{path} lacks {missing[0]!r}; evaluate again")
        return table

    def units(self) -> dict[tuple, pd.DataFrame]:
        """What was scored, by (task, fit, fold): unit and truth in sorted order."""
        predictions = self.predictions.groupby(["task", "fit", "fold"], sort=True)
        scored = {key: rows[["unit", "truth"]].sort_values(["unit", "truth"], ignore_index=True) for key, rows in predictions}
        if self.expression is not None:
            for key, rows in self.expression.obs.groupby(["fit", "fold"], observed=True):
                scored["expression", *key] = pd.DataFrame({"unit": np.sort(rows["patient"].astype(str).to_numpy())})
        return scored


def why_incomparable(base: Evaluation, tuned: Evaluation) -> str:
    """What differs between two evaluations that must be alike in all but the weights; an empty string when nothing does."""
    for key, what in (("split_hash", "splits"), ("panel_hash", "gene panels"), ("tiles_hash", "tiles"), ("options", "options")):
        if base.about.get(key) != tuned.about.get(key):
            return f"their {what} differ"
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
            return f"their scored units or labels differ in the task {key[0]} ({key[1].replace('_', '-')} fit, fold {key[2]})"
    return ""


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
                f"{tuned.folder} was tuned from {name!r}, whose evaluation is not given; evaluate that and name its folder as well"
            )
        reasons = [why_incomparable(one, tuned) for one in candidates]
        if all(reasons):
            raise InputError(
                f"{tuned.folder} and its base {candidates[0].folder} cannot be compared: {reasons[0]}; "
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
