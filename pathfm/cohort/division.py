"""How patients are divided into parts: by whole sites or one by one, with sizes and classes balanced."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pathfm.cohort.site_folds import assign_sites
from pathfm.cohort.splits import ROLES, Splits
from pathfm.errors import InputError

NOT_LABELS = ("patient", "site", "project")
SHOWN = 8

Parts = int | tuple[float, float, float]
Members = Mapping[tuple[str, str], np.ndarray]


def make_splits(site: Mapping[str, str], labels: pd.DataFrame | None, scheme: str, parts: Parts, seed: int) -> Splits:
    """Gives each patient of `site` (patient → site) a role in each fold; the same arguments give the same split.

    `parts` is the number of folds K (fold k tests part k, validates on part k + 1 mod K, trains on the rest) or the fractions of
    train, validation and test, which make one fold. Under the scheme "site" parts are made of whole sites, under "patient" of
    single patients (then the sites are not looked at). Sizes and the classes of every column of text in `labels` are balanced. A
    class that does not reach every part is noted in `tasks_left_out`. Raises InputError when a role would be empty.
    """
    shares = _shares(parts)
    patients = sorted(site)
    names, unit = np.unique([site[patient] if scheme == "site" else patient for patient in patients], return_inverse=True)
    if len(names) < len(shares):
        raise InputError(_too_few(scheme, names, np.bincount(unit), len(shares)))
    members = classes(labels, patients)
    if scheme == "site":
        part = _by_site(unit, members, shares, seed)
    else:
        part = _by_patient(len(patients), members, shares, seed)
    return Splits(_roles(patients, part, parts), scheme, seed, _written(parts), _left_out(members, unit, part, len(shares), scheme))


def _shares(parts: Parts) -> np.ndarray:
    """The share of patients that each part shall get, float [parts]; InputError when a role would be empty."""
    if isinstance(parts, int):
        if parts < 3:
            raise InputError(f"{parts} folds leave a role empty: train, validation and test need at least 3")
        return np.full(parts, 1 / parts)
    if len(parts) != 3 or not min(parts) > 0 or abs(sum(parts) - 1) > 1e-6:
        raise InputError(f"the fractions {_written(parts)} must be three, for train, validation and test, each above 0, and sum to 1")
    return np.array(parts)


def _written(parts: Parts) -> str:
    return str(parts) if isinstance(parts, int) else ",".join(f"{share:g}" for share in parts)


def _too_few(scheme: str, names: np.ndarray, sizes: np.ndarray, parts: int) -> str:
    if scheme != "site":
        return f"a role would be empty: {parts} parts need at least {parts} patients, there are {len(names)}"
    held = ", ".join(f"{name} with {size} patients" for name, size in zip(names[:SHOWN], sizes, strict=False)) or "none"
    numbers = f"{parts} parts need at least {parts} sites, there are {len(names)} ({held})"
    return f"a role would be empty: {numbers}; use fewer folds or --split patient"


def classes(labels: pd.DataFrame | None, patients: list[str]) -> Members:
    """(task, class) → bool [patients], for every column of text in the labels."""
    if labels is None:
        return {}
    table = labels.drop_duplicates("patient").set_index("patient").reindex(patients)
    tasks = [column for column in table if column not in NOT_LABELS and not pd.api.types.is_numeric_dtype(table[column])]
    return {(task, name): (table[task] == name).to_numpy(bool) for task in tasks for name in sorted(table[task].dropna().unique())}


def _by_site(site: np.ndarray, members: Members, shares: np.ndarray, seed: int) -> np.ndarray:
    """Balances classes that have a site for every part; each label task weighs as much as the sizes of the parts."""
    kept = {key: member for key, member in members.items() if len(np.unique(site[member])) >= len(shares)}
    columns = np.stack([np.ones(len(site)), *kept.values()], axis=1)
    counts = np.zeros((site.max() + 1, columns.shape[1]))
    np.add.at(counts, site, columns)
    tasks = [task for task, _ in kept]
    weights = np.array([1.0, *(1 / tasks.count(task) for task in tasks)])
    return assign_sites(counts, weights, shares, seed)[site]


def _by_patient(count: int, members: Members, shares: np.ndarray, seed: int) -> np.ndarray:
    """Patients sorted by class, shuffled among equals, and dealt out like cards: a class is a run, and every run is divided by `shares`."""
    shuffled = np.random.default_rng(seed).permutation(count)
    order = np.lexsort([shuffled, *reversed(members.values())])
    part = np.empty(count, int)
    dealt = np.zeros(len(shares))
    for position, patient in enumerate(order, start=1):
        part[patient] = (shares * position - dealt).argmax()
        dealt[part[patient]] += 1
    return part


def _roles(patients: list[str], part: np.ndarray, parts: Parts) -> pd.DataFrame:
    if not isinstance(parts, int):
        return pd.DataFrame({"fold": 0, "patient": patients, "role": np.array(ROLES)[part]})
    folds = []
    for fold in range(parts):
        role = np.select([part == fold, part == (fold + 1) % parts], ["test", "val"], "train")
        folds.append(pd.DataFrame({"fold": fold, "patient": patients, "role": role}))
    return pd.concat(folds, ignore_index=True)


def _left_out(members: Members, unit: np.ndarray, part: np.ndarray, parts: int, scheme: str) -> dict[str, dict[str, str]]:
    left_out: dict[str, dict[str, str]] = {}
    for (task, name), member in members.items():
        reached = len(np.unique(part[member]))
        if reached < parts:
            sites = f", sites: {len(np.unique(unit[member]))}" if scheme == "site" else ""
            left_out.setdefault(task, {})[name] = f"patients: {member.sum()}{sites}, parts reached: {reached} of {parts}"
    return left_out


def balance(splits: Splits, labels: pd.DataFrame | None) -> list[str]:
    """What was achieved, in words: the sizes of the roles, and per task how far classes are from an even share of the test sets."""
    sizes = splits.table.groupby(["fold", "role"]).size().unstack()
    spans = ", ".join(f"{role} {_span(sizes[role])}" for role in ROLES)
    lines = [f"{len(splits.folds)} fold{'s'[: len(splits.folds) != 1]}, patients: {spans}"]
    patients = sorted(set(splits.table["patient"]))
    tests = [np.isin(patients, splits.role(fold, "test")) for fold in splits.folds]
    members = {key: member for key, member in classes(labels, patients).items() if key[1] not in splits.tasks_left_out.get(key[0], {})}
    for task in dict.fromkeys(task for task, _ in members):
        kept = {name: member for (owner, name), member in members.items() if owner == task}
        fewest = {name: min(int((member & test).sum()) for test in tests) for name, member in kept.items()}
        off = {name: max(abs(member[test].mean() / member.mean() - 1) for test in tests) for name, member in kept.items()}
        worst, rarest = max(off, key=off.get), min(fewest, key=fewest.get)
        lines.append(
            f"{task}, {len(kept)} classes: the share of a class in its most uneven test set differs from that in the cohort "
            f"by {np.mean([*off.values()]):.0%} on average and {off[worst]:.0%} at most ({worst}); "
            f"fewest test patients of a class: {fewest[rarest]} ({rarest})"
        )
    return lines


def _span(values: pd.Series) -> str:
    return f"{values.min():,}" if values.min() == values.max() else f"{values.min():,} to {values.max():,}"
