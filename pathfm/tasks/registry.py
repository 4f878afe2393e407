"""The ten tasks on which a base and a tuned encoder are compared, in the order of the table's columns, and further ones."""

from pathfm.tasks.benchmark import BenchmarkTask
from pathfm.tasks.confounds import ConfoundTask
from pathfm.tasks.expression import ExpressionTask
from pathfm.tasks.labels import LabelTask
from pathfm.tasks.retrieval import RetrievalTask
from pathfm.tasks.task import Task

TASKS: tuple[Task, ...] = (
    BenchmarkTask("bach", "BACH"),
    BenchmarkTask("pcam", "PCam"),
    BenchmarkTask("mhist", "MHIST"),
    BenchmarkTask("crc_msi", "CRC MSI"),
    LabelTask("cancer", "cancer"),
    LabelTask("tp53", "TP53"),
    LabelTask("breast", "breast"),
    LabelTask("kidney", "kidney"),
    LabelTask("lung", "lung"),
    ExpressionTask("expression", "expression"),
)

FURTHER: tuple[Task, ...] = (  # columns of their own, behind the ten, in tables where they were scored
    BenchmarkTask("crc_9", "CRC-9"),
    BenchmarkTask("tcga_uniform", "TCGA-UT"),
)

BESIDE: tuple[Task, ...] = (  # no columns: rows that the page shows beside the table
    ConfoundTask("confounds", "confounds", tuple(task for task in TASKS if isinstance(task, LabelTask))),
    RetrievalTask("retrieval", "retrieval"),
)

BY_NAME = {task.name: task for task in (*TASKS, *FURTHER, *BESIDE)}
