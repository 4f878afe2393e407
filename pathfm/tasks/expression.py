"""Expression from frozen features: scored per gene and held against simple baselines, for every probe in every fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.probes import driver
from pathfm.probes.divisions import Division, resampled, with_validation
from pathfm.probes.driver import Probed
from pathfm.probes.held_out import held_out_parts, seed_of
from pathfm.probes.protocol import Probe
from pathfm.probes.target import Values
from pathfm.progress import say
from pathfm.statistics.correlation import chance, discoveries, from_cancer_type, pearson, summary, within_types
from pathfm.statistics.scores import SMALLEST_CLASS, too_small
from pathfm.tasks.fits import SPLIT
from pathfm.tasks.task import EXPRESSION_OBS, SCORES, Features, People, PredictedExpression, Probing, Result, Rows, Task, able, score_rows

METRIC = "mean_pearson"
WITHIN = "within_cancer/"
HEADLINE = WITHIN + METRIC


@dataclass(frozen=True)
class ExpressionTask(Task):
    """The genes of a panel, in both fits."""

    source: ClassVar = "cohort"
    metric: ClassVar = HEADLINE

    def run(self, features: Features, people: People, probing: Probing) -> Result | None:
        if people.expression is None:
            say("expression: left out, these weights have no gene panel; give --config.panel=RUN of the tuned run")
            return None
        probing = able(probing, self, Values)
        if probing is None:
            return None
        return score_expression(
            self,
            features.matrix,
            people.expression,
            people.rows,
            probing,
            sites=people.known("site").to_numpy(object),
            cancers=people.known("cancer").to_numpy(object),
            fold=people.fold,
            split_hash=people.split_hash,
        )


def score_expression(
    task: Task,
    features: np.ndarray,
    truth: np.ndarray,
    rows: Rows,
    probing: Probing,
    *,
    sites: np.ndarray,
    cancers: np.ndarray | None = None,
    fold: int = 0,
    split_hash: str | None = None,
    fits: Sequence[str] = (),
) -> Result:
    """Scores and predictions of truth [n, genes] from features [n, d], one row per patient, in the panel's z-scores.

    sites [n] bound the permutations; cancers [n] (None where unknown) give the within-cancer variant, the strata of the held-out parts
    (of whole hospitals where the rows say so) and the baseline "predict from cancer type". Settings are chosen by the mean Pearson over
    genes on validation. Further fits on resampled training patients give the mean Pearson's sd over training sets ("mean_pearson_sd").
    Raises InputError when too few train or validate.
    """
    cancers = np.array([cancer if isinstance(cancer, str) else "" for cancer in (np.full(len(truth), "") if cancers is None else cancers)])
    roles = with_validation(rows.roles, cancers, rows.patients, seed_of([task.name, probing.seed]))
    sites = np.asarray(sites, object).astype(str)
    rows = replace(rows, roles=roles)
    whole = _Problem(task, np.asarray(features, np.float32), np.asarray(truth, np.float32), rows, sites, cancers, probing)
    among_test = whole.take(np.flatnonzero(roles == "test"))
    scores, blocks = [], []
    for probe in probing.probes:
        for fit in fits or task.fits:
            score, block = whole.split(probe) if fit == SPLIT.name else among_test.held_out(probe, split_hash)
            scores.append(score.assign(fit=fit))
            if block is not None:
                blocks.append(replace(block, obs=_named(block.obs, fold, fit, probe.name)))
    score = pd.concat(scores, ignore_index=True)
    score = score.assign(task=task.name, column=task.column, fold=fold, headline=score["metric"] == HEADLINE)
    return Result(score[SCORES], expression=_joined(blocks, whole.truth[:0]))


@dataclass(frozen=True)
class _Problem:
    task: Task
    features: np.ndarray
    truth: np.ndarray
    rows: Rows
    sites: np.ndarray
    cancers: np.ndarray
    probing: Probing

    def take(self, rows: np.ndarray) -> "_Problem":
        arrays = {name: getattr(self, name)[rows] for name in ("features", "truth", "sites", "cancers")}
        return replace(self, rows=self.rows.take(rows), **arrays)

    def split(self, probe: Probe) -> tuple[pd.DataFrame, PredictedExpression]:
        """The fit on the split's training patients, scored on its test patients, with the baselines."""
        roles, count, seed = self.rows.roles, self.probing.resamples, self.probing.seed
        division = Division.by_roles(roles)
        scored = self.take(division.scored)
        small = too_small(len(scored.truth))
        anyone = np.full(len(roles), "")
        seed = seed_of([self.task.name, seed, "resample"])
        sets = resampled(roles == "train", anyone, self.rows.patients, 0 if small else count, seed)
        probed = self.probed(probe, division, sets)
        one = np.zeros(len(scored.truth), int)
        values = {}
        if not small:
            if count:
                values[f"{METRIC}_sd"] = float(np.std([summary(pearson(guess, scored.truth))[METRIC] for guess in probed.resampled]))
            values |= scored.measured(probed.prediction, one)
            of_type = from_cancer_type(self.truth, self.cancers, roles == "train")[division.scored]
            for name, guess in (("cohort_mean", np.zeros_like(of_type)), ("cancer_type", of_type)):
                values |= {f"baseline_{name}/{key}": value for key, value in summary(pearson(guess, scored.truth)).items()}
        scores = scored.scores(values, probe, probed, one, len(one))
        scores.loc[scores["metric"] == f"{METRIC}_sd", "resamples"] = count
        return scores, scored.predicted(probed.prediction, one)

    def held_out(self, probe: Probe, split_hash: str | None) -> tuple[pd.DataFrame, PredictedExpression | None]:
        """Cross-validation among these (test) patients alone; nothing is fitted for too few hospitals, or a part too small to be scored."""
        count = len(self.truth)
        none = too_small(count) or self.rows.in_few_hospitals
        parts = np.zeros(count, int) if none else held_out_parts(self.rows.patients, self.cancers, split_hash, self.rows.whole)
        smallest = int(np.bincount(parts).min()) if count else 0
        sites = self.rows.hospitals
        if none or too_small(smallest):
            return self.scores({}, probe, None, parts, smallest).assign(sites=sites), None
        probed = self.probed(probe, Division.by_parts(parts))
        scores = self.scores(self.measured(probed.prediction, parts), probe, probed, parts, smallest).assign(sites=sites)
        return scores, self.predicted(probed.prediction, parts)

    def probed(self, probe: Probe, division: Division, sets: np.ndarray | None = None) -> Probed:
        train, val = ((division.roles == role).sum(axis=1).min() for role in ("train", "val"))
        if train < 2 or not val:
            counts = f"{train} training and {val} validation patients"
            raise InputError(f"expression and features are there for {counts}; at least 2 and 1 are needed")
        return driver.run(probe, self.features, Values(self.truth), division, sets)

    def measured(self, prediction: np.ndarray, parts: np.ndarray) -> dict[str, float]:
        """Raw results and those within cancer type, by metric name; patients of unknown type are one type."""
        inside = within_types(prediction, self.truth, self.cancers, parts, np.zeros(len(parts)), SMALLEST_CLASS)
        variants = {"": (prediction, self.truth, parts), WITHIN: inside}
        results, permutations = {}, self.probing.permutations
        for prefix, (guess, true, groups) in variants.items():
            results |= {prefix + key: value for key, value in summary(pearson(guess, true, groups)).items()}
            if permutations:
                p = chance(guess, true, groups, self.sites, permutations, seed_of(["expression", prefix, self.probing.seed]))
                results[f"{prefix}genes_fdr_below_0.05"] = float(discoveries(p))
        return results

    def scores(self, values: dict[str, float], probe: Probe, probed: Probed | None, parts: np.ndarray, smallest: int) -> pd.DataFrame:
        """Rows of a fit; `smallest` is the number of patients in the smallest of the parts over which r is computed."""
        constant = int(np.isnan(pearson(self.truth, self.truth, parts)).sum()) if probed is not None and len(parts) else 0
        facts = {"n": len(parts), "smallest_class": smallest, "too_small": too_small(smallest), "constant_genes": constant}
        return score_rows(values or {HEADLINE: np.nan}, probe, probed, **facts)

    def predicted(self, prediction: np.ndarray, parts: np.ndarray) -> PredictedExpression:
        patients = self.rows.patients.astype(str)
        obs = pd.DataFrame({"patient": patients, "part": parts, "site": self.sites, "cancer": self.cancers})
        return PredictedExpression(prediction, self.truth, obs)


def _named(obs: pd.DataFrame, fold: int, fit: str, probe: str) -> pd.DataFrame:
    """With fold, fit and probe, under names of their own."""
    names = [f"{probe}-{fit}-{fold}-{patient}" for patient in obs["patient"]]
    return obs.assign(fold=fold, fit=fit, probe=probe)[EXPRESSION_OBS].set_axis(names)


def _joined(blocks: list[PredictedExpression], nothing: np.ndarray) -> PredictedExpression:
    if not blocks:
        return PredictedExpression(nothing, nothing, pd.DataFrame(columns=EXPRESSION_OBS))
    predictions, truths, obs = ([getattr(one, name) for one in blocks] for name in ("prediction", "truth", "obs"))
    return PredictedExpression(np.concatenate(predictions), np.concatenate(truths), pd.concat(obs))
