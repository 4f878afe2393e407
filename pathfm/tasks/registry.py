"""The ten tasks on which a base and a tuned encoder are compared, in the order of the table's columns."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Task:
    """What is predicted, from what, and how it is scored.

    `labels` are the classes (empty: whatever classes the cohort holds); `split` says where train, val and test come from: "cohort"
    (splits.parquet), "given" (the benchmark's own three parts) or "train and test" (validation is cut from train, by patient where known).
    """

    name: str
    unit: Literal["image", "patient"]
    source: Literal["benchmark", "cohort"]
    labels: tuple[str, ...]
    split: Literal["cohort", "given", "train and test"]
    metric: Literal["balanced_accuracy", "mean_pearson"]
    column: str


TASKS = (
    Task("bach", "image", "benchmark", ("Benign", "InSitu", "Invasive", "Normal"), "train and test", "balanced_accuracy", "BACH"),
    Task("pcam", "image", "benchmark", ("no tumour", "tumour"), "given", "balanced_accuracy", "PCam"),
    Task("mhist", "image", "benchmark", ("HP", "SSA"), "train and test", "balanced_accuracy", "MHIST"),
    Task("crc_msi", "image", "benchmark", ("MSI", "MSS"), "train and test", "balanced_accuracy", "CRC MSI"),
    Task("cancer", "patient", "cohort", (), "cohort", "balanced_accuracy", "cancer"),
    Task("tp53", "patient", "cohort", ("mutant", "wild type"), "cohort", "balanced_accuracy", "TP53"),
    Task("breast", "patient", "cohort", ("IDC", "ILC"), "cohort", "balanced_accuracy", "breast"),
    Task("kidney", "patient", "cohort", ("KICH", "KIRC", "KIRP"), "cohort", "balanced_accuracy", "kidney"),
    Task("lung", "patient", "cohort", ("LUAD", "LUSC"), "cohort", "balanced_accuracy", "lung"),
    Task("expression", "patient", "cohort", (), "cohort", "mean_pearson", "expression"),
)

BY_NAME = {task.name: task for task in TASKS}
