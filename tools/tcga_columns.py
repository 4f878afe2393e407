"""Does every cohort column of the table have a score on all of TCGA? Labels of its true size, its own split, features with a little truth.

    python tools/tcga_columns.py OUT [--folds N]

Patients, cancer types and codes are as many as TCGA has (tcga_counts.txt); TP53 and the breast classes are drawn at about their shares.
Two encoders, of which the tuned one sees a little more, go through split, tasks and report as evaluations do.
"""

import argparse
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from pathfm.cohort.division import make_splits
from pathfm.cohort.labels import KIDNEY, LUNG, TASKS
from pathfm.cohort.sites import hospital_of
from pathfm.cohort.splits import Splits
from pathfm.probes.logistic import Logistic
from pathfm.probes.ridge import Ridge
from pathfm.report.folder import EMBEDDING_OBS, EvaluationFolder
from pathfm.report.table import make_table
from pathfm.tasks.fits import PROTOCOL
from pathfm.tasks.registry import BY_NAME
from pathfm.tasks.task import People, Probing

COUNTS = Path(__file__).with_name("tcga_counts.txt")
WIDTH, GENES = 24, 12
STRENGTHS = np.logspace(1, 3, 3)


class Known:
    """Features that are given."""

    of_images = None

    def __init__(self, matrix: np.ndarray):
        self.matrix = matrix.astype(np.float32)


def label_table(seed: int = 0) -> pd.DataFrame:
    """A row per patient: patient, site, project and the five labels."""
    random = np.random.default_rng(seed)
    rows = []
    for line in COUNTS.read_text(encoding="utf-8").splitlines()[1:]:
        cancer, *codes = line.split()
        for code, count in (entry.split(":") for entry in codes):
            rows += [(f"TCGA-{code}-{number:04d}", code, cancer) for number in range(int(count))]
    table = pd.DataFrame(rows, columns=["patient", "code", "cancer"])
    table["patient"] += [f"-{number}" for number in table.groupby("patient").cumcount()]  # a code may serve two cancer types
    table["site"], table["project"] = table["code"].map(hospital_of), "TCGA-" + table["cancer"]
    table["tp53"] = np.where(random.random(len(table)) < 0.37, "mutant", "wild type")
    table["breast"] = np.where(random.random(len(table)) < 0.2, "ILC", "IDC")
    table.loc[table["cancer"] != "BRCA", "breast"] = None
    for task, classes in (("kidney", KIDNEY), ("lung", LUNG)):
        table[task] = table["cancer"].where(table["cancer"].isin(classes), None)
    return table.drop(columns="code")


def features_of(table: pd.DataFrame, strength: float, seed: int = 1) -> np.ndarray:
    """[patients, WIDTH]: a direction of each class of each label, and noise that is the same for every strength."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(len(table), WIDTH))
    for task in TASKS:
        for name in sorted(table[task].dropna().unique()):
            features[(table[task] == name).to_numpy()] += strength * random.normal(size=WIDTH)
    return features


def evaluate(folder: Path, table: pd.DataFrame, splits: Splits, fold: int, strength: float, truth: np.ndarray) -> None:
    """One evaluation of one encoder on one fold, as evaluate.py leaves it."""
    base = {"name": "base", "weight_hash": "a" * 64}
    tuned = folder.name.startswith("direct")
    roles = splits.table[splits.table["fold"] == fold].set_index("patient")["role"]
    table = table.assign(role=table["patient"].map(roles).to_numpy())
    for task, classes in splits.tasks_left_out.items():
        table[task] = table[task].where(~table[task].isin(set(classes)), None)
    features = features_of(table, strength)
    people = People(table, fold, splits.hash, truth, by_site=True)
    probing = Probing([Logistic(STRENGTHS), Ridge(STRENGTHS)], permutations=0)
    results = [BY_NAME[name].run(Known(features), people, probing) for name in (*TASKS, "expression")]
    card = {"name": folder.name, "objective": "direct" if tuned else "imported", "weight_hash": ("1" if tuned else "a") * 64}
    about = {
        "card": card | {"base": base if tuned else None, "recipe_hash": card["objective"]},
        "approach": "direct" if tuned else "base",
        "panel_choice": "all",
        "folds": [fold],
        "split_hash": splits.hash,
        "panel_hash": "b" * 64,
        "tiles_hash": None,
        "pooling": "mean",
        "options": {"protocol": PROTOCOL},
        "seen_patients_allowed": False,
        "seen_patients_known": True,
        "smoke": True,
    }
    genes = pd.DataFrame({"symbol": [f"GENE{gene}" for gene in range(GENES)]}, index=[f"ENSG{gene:011d}" for gene in range(GENES)])
    obs = table[EMBEDDING_OBS].astype(object).where(table[EMBEDDING_OBS].notna(), "")  # as evaluate.py: what is missing is empty
    embeddings = anndata.AnnData(features.astype(np.float32), obs.astype(str).set_index("patient", drop=False))
    EvaluationFolder(folder).write(about, {}, [result for result in results if result is not None], embeddings, genes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--folds", type=int, default=5, help="of five, how many are evaluated")
    arguments = parser.parse_args()
    table = label_table()
    site = dict(zip(table["patient"], table["site"], strict=True))
    splits = make_splits(site, table.drop(columns=["site", "project"]), "site", 5, 0)
    print(f"{len(table):,} patients of {table['site'].nunique()} hospitals; left out by the split: {dict(splits.tasks_left_out)}")
    truth = features_of(table, 0.5)[:, :GENES] + np.random.default_rng(2).normal(size=(len(table), GENES))
    folders = []
    for fold in range(arguments.folds):
        for name, strength in (("base", 0.45), ("direct", 0.5)):
            folders.append(arguments.out / f"{name}-{fold}")
            folders[-1].mkdir(parents=True, exist_ok=True)
            evaluate(folders[-1], table, splits, fold, strength, truth.astype(np.float32))
            print(f"evaluated: {folders[-1]}")
    result = make_table(folders)
    print(result.to_markdown())
    columns = [BY_NAME[name].column for name in (*TASKS, "expression")]
    empty = [(row.fit, column) for row in result.rows for column in columns if row.cells[result.columns.index(column)].value is None]
    print("every cohort column is filled" if not empty else f"EMPTY: {empty}")


if __name__ == "__main__":
    main()
