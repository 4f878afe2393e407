"""The images of a benchmark's task: opened, and refused where an encoder has seen the patients who would be scored."""

from collections.abc import Set
from dataclasses import replace

import pandas as pd

from pathfm.benchmarks import READERS
from pathfm.errors import InputError
from pathfm.progress import say
from pathfm.settings.evaluation import EvaluateConfig
from pathfm.tasks.benchmark import BenchmarkTask
from pathfm.tasks.task import Task


def with_images(task: Task, config: EvaluateConfig, people: pd.DataFrame, seen: Set[str]) -> Task:
    """A benchmark's task with the images of the folder that the config gives for it; any other task as it is.

    `people` has patient and role in the cohort's fold, `seen` are the patients that the encoder, or what it was trained from, was trained
    on. Raises InputError, before any work, for a wrong folder and for a scored patient who was seen.
    """
    folder = config.benchmarks.get(task.name) if isinstance(task, BenchmarkTask) else None
    if not folder:
        return task
    without = people["patient"][people["role"] != "test"] if config.leave_out_cohort else ()
    task = replace(task, benchmark=READERS[task.name](folder), without=frozenset(without))
    _tell(task)
    refuse_seen(task, seen, config)
    return task


def refuse_seen(task: BenchmarkTask, seen: Set[str], config: EvaluateConfig) -> None:
    """A patient whom the encoder has seen is never scored, unless asked for; those who only fit a probe are counted in a line."""
    scored = task.patients("test", seen)
    fitted = (task.patients("train", seen) | task.patients("val", seen)) - scored
    if scored and not config.allow_seen_patients:
        raise InputError(
            f"{config.checkpoint} was trained on {len(scored)} of the {len(task.patients('test'))} patients whose images of {task.column} "
            "would be scored; give --config.leave_out_cohort=True, to base and tuned runs alike, which leaves out whom this fold trains or "
            "validates on, or --config.allow_seen_patients=True, which the report will say"
        )
    if scored or fitted:
        say(f"{task.name}: {len(scored)} scored patients and {len(fitted)} who fit its probes were in the training of {config.checkpoint}")


def _tell(task: BenchmarkTask) -> None:
    """What is not as published."""
    if task.benchmark.lacking:
        say(f"{task.name}: {task.column} is not there as published: {task.benchmark.lacking}")
    all_images = len(task.benchmark.units)
    if left_out := all_images - len(task.kept):
        say(f"{task.name}: {left_out} of {all_images} images are left out, since their patients train or validate in this fold")
