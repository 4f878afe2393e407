"""The expression probe: ridge regression from frozen features to a gene panel, scored per gene and held against simple baselines."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.probes.held_out import PARTS, held_out_parts, roles_in_part, seed_of
from pathfm.probes.ridge import fit_ridge_path
from pathfm.probes.strength import STRENGTHS, choose_strength
from pathfm.statistics import correlation as expression
from pathfm.statistics.scores import SMALLEST_CLASS, too_small
from pathfm.tasks.classes import FITS, SCORE_COLUMNS, Who, edges_note, validated
from pathfm.tasks.registry import Task

ROLES = ("train", "val", "test")


@dataclass(frozen=True)
class PredictedExpression:
    """Predicted and true expression of scored patients, rows alike: one row per patient and fit."""

    prediction: np.ndarray  # float32 [rows, genes]
    truth: np.ndarray  # float32 [rows, genes]
    obs: pd.DataFrame  # patient, fold, fit, part (of the held-out fit, else 0), site, cancer


def probe_expression(
    task: Task,
    features: np.ndarray,
    truth: np.ndarray,
    who: Who,
    *,
    sites: np.ndarray,
    cancers: np.ndarray | None = None,
    fold: int = 0,
    split_hash: str | None = None,
    permutations: int = 1000,
    resamples: int = 0,
    seed: int = 0,
    fits: tuple[str, ...] = FITS,
) -> tuple[pd.DataFrame, PredictedExpression]:
    """(scores, predictions) of ridge regression from features [n, d] to truth [n, genes], one row per patient, in the panel's z-scores.

    sites [n] bound the permutations; cancers [n] (None where unknown) give the within-cancer variant, the strata of the held-out parts and
    the baseline "predict from cancer type". Strength is chosen by the mean Pearson over genes on validation. `resamples` further fits,
    each on training patients drawn with replacement, give the mean Pearson's sd over training sets ("mean_pearson_sd").
    """
    features, truth = np.asarray(features, np.float32), np.asarray(truth, np.float32)
    sites = np.asarray(sites, object).astype(str)
    cancers = np.array([cancer if isinstance(cancer, str) else "" for cancer in (np.full(len(truth), "") if cancers is None else cancers)])
    roles = validated(who, cancers, seed_of([task.name, seed]))
    test = np.flatnonzero(roles == "test")
    scores, blocks, obs = [], [], []
    for fit in fits:
        divided = fit == "held_out" and len(test) >= SMALLEST_CLASS
        parts = held_out_parts(who.patients[test], cancers[test], split_hash) if divided else np.zeros(len(test), int)
        smallest = int(np.bincount(parts).min()) if len(test) else 0
        if fit == "held_out" and smallest < SMALLEST_CLASS:
            scores.append(_expression_scores({}, fit, len(test), smallest, np.nan, ""))
            continue
        if fit == "split":
            prediction, strength, note = _ridge(features, truth, *(np.flatnonzero(roles == role) for role in ROLES))
        else:
            prediction, strength, note = _ridge_among(features[test], truth[test], parts)
        results = {}
        if smallest >= SMALLEST_CLASS:
            if fit == "split" and resamples:
                results["mean_pearson_sd"] = _spread(features, truth, roles, resamples, seed_of([task.name, seed, "resample"]))
            results |= _measured(prediction, truth[test], parts, sites[test], cancers[test], permutations, seed)
            if fit == "split":
                baselines = expression.from_cancer_type(truth, cancers, roles == "train")[test]
                for name, guess in (("cohort_mean", np.zeros_like(baselines)), ("cancer_type", baselines)):
                    r = expression.pearson(guess, truth[test])
                    results |= {f"baseline_{name}/{key}": value for key, value in expression.summary(r).items()}
        missing = int(np.isnan(expression.pearson(truth[test], truth[test], parts)).sum()) if len(test) else 0
        left_out = f"{missing} genes with constant truth left out" if missing else ""
        scores.append(_expression_scores(results, fit, len(test), smallest, strength, "; ".join(filter(None, [note, left_out]))))
        blocks.append((prediction, truth[test]))
        patients = who.patients[test].astype(str)
        columns = {"patient": patients, "fold": fold, "fit": fit, "part": parts, "site": sites[test], "cancer": cancers[test]}
        obs.append(pd.DataFrame(columns, index=[f"{fit}-{fold}-{patient}" for patient in patients]))
    score = pd.concat(scores, ignore_index=True).assign(task=task.name, column=task.column, fold=fold)[SCORE_COLUMNS]
    predicted, true = (np.concatenate(block) for block in zip(*blocks, strict=True)) if blocks else (truth[:0], truth[:0])
    none = pd.DataFrame(columns=["patient", "fold", "fit", "part", "site", "cancer"])
    return score, PredictedExpression(predicted, true, pd.concat(obs) if obs else none)


def _ridge(features: np.ndarray, truth: np.ndarray, train: np.ndarray, val: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, float, str]:
    """(prediction float32 of the rows `test`, strength, warning); a row may stand in `train` more than once."""
    if len(train) < 2 or not len(val):
        counts = f"{len(train)} training and {len(val)} validation patients"
        raise InputError(f"expression and features are there for {counts}; at least 2 and 1 are needed")
    fitted = fit_ridge_path(features[train], truth[train])
    best, note = choose_strength(np.nan_to_num(fitted.mean_pearson(features[val], truth[val], STRENGTHS)))
    return fitted.predict(features[test], STRENGTHS[best]).astype(np.float32), float(STRENGTHS[best]), note


def _spread(features: np.ndarray, truth: np.ndarray, roles: np.ndarray, resamples: int, seed: int) -> float:
    """The sd of the mean Pearson over fits on training patients drawn with replacement."""
    generator = np.random.default_rng(seed)
    train, val, test = (np.flatnonzero(roles == role) for role in ROLES)
    guesses = (_ridge(features, truth, generator.choice(train, len(train)), val, test)[0] for _ in range(resamples))
    return float(np.std([expression.summary(expression.pearson(guess, truth[test]))["mean_pearson"] for guess in guesses]))


def _ridge_among(features: np.ndarray, truth: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, float, str]:
    prediction, strengths, edges = np.empty_like(truth), [], 0
    for part in range(PARTS):
        roles = roles_in_part(parts, part)
        prediction[parts == part], strength, note = _ridge(features, truth, *(np.flatnonzero(roles == role) for role in ROLES))
        strengths.append(strength)
        edges += bool(note)
    return prediction, float(np.median(strengths)), edges_note(edges)


def _measured(prediction, truth, parts, sites, cancers, permutations: int, seed: int) -> dict[str, float]:
    """Raw and, where cancer types are known, within-cancer results by metric name."""
    variants = {"": (prediction, truth)}
    if len(np.unique(cancers)) > 1:
        variants["within_cancer/"] = tuple(expression.within(values, cancers, parts) for values in (prediction, truth))
    results = {}
    for prefix, (guess, true) in variants.items():
        results |= {prefix + key: value for key, value in expression.summary(expression.pearson(guess, true, parts)).items()}
        if permutations:
            p = expression.chance(guess, true, parts, sites, permutations, seed_of(["expression", prefix, seed]))
            results[f"{prefix}genes_fdr_below_0.05"] = float(expression.discoveries(p))
    return results


def _expression_scores(results: dict[str, float], fit: str, n: int, smallest: int, strength: float, note: str) -> pd.DataFrame:
    """Rows of a fit on `n` test patients; `smallest` is the number in the smallest of the parts over which r is computed."""
    results = results or {"mean_pearson": np.nan}
    note = "; ".join(filter(None, [too_small(smallest), note]))
    rows = [{"metric": metric, "value": value} for metric, value in results.items()]
    return pd.DataFrame(rows).assign(fit=fit, n=n, smallest_class=smallest, strength=strength, note=note)
