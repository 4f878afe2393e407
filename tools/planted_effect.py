"""Does tuning with expression teach an encoder what was planted? Five planted worlds, arms from one base, probes on unseen patients.

For each seed: a new cohort, a base trained without labels, and from that base with the same steps, learning rate and data: the control
(no expression), direct and contrastive, each on the true and on a permuted pairing. Then ridge probes on frozen features of test
patients, who lie in other hospitals than the training patients. Prints Markdown and leaves scores.parquet and table.md in the folder.

    python tools/planted_effect.py --out runs/planted
    python tools/planted_effect.py --out runs/planted-small --small

Killed at any time and started again, it goes on. docs/planted_effect.md tells what came out.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from planted_recipe import ARMS, BASE, Arm, Settings, training

from pathfm.engines import run
from pathfm.engines.local import Local
from pathfm.engines.serial import Serial
from pathfm.errors import InputError, guarded
from pathfm.files import read_json, replacing, write_json, write_parquet
from pathfm.folders.metrics import read_metrics
from pathfm.progress import say

SMALL = Settings(
    patients=150,  # ten test patients in each part of the held-out fit
    fractions=(0.4, 0.2, 0.4),
    tiles_per_patient=2,
    base={"train_for": "2 steps", "batch": 8, "evaluate_every": "2 steps"},
    shared={"train_for": "2 steps", "batch": 8, "tiles": 1, "evaluate_every": "2 steps"},
    contrastive={"objective": {"projection": 16, "hidden": 16}},
)


@dataclass(frozen=True)
class Job:
    """One arm of one seed; its folder holds the training run and, at the end, `scores.json`."""

    out: Path
    seed: int
    arm: Arm
    settings: Settings

    @property
    def world(self) -> Path:
        return self.out / f"seed{self.seed}"

    @property
    def folder(self) -> Path:
        return self.world / self.arm.name

    @property
    def scores(self) -> Path:
        return self.folder / "scores.json"

    @property
    def base(self) -> "Job":
        return replace(self, arm=BASE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--patients", type=int, help="of each seed's cohort")
    parser.add_argument("--steps", type=int, help="of every arm, and of the base")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="arms trained at a time, a core each")
    parser.add_argument("--small", action="store_true", help="one seed and a few steps: shows that it runs, not what it finds")
    arguments = parser.parse_args()
    return guarded(lambda: trial(arguments), "planted_effect")


def trial(arguments: argparse.Namespace) -> int:
    start = time.monotonic()
    settings = SMALL if arguments.small else Settings()
    if arguments.patients:
        settings = replace(settings, patients=arguments.patients)
    if arguments.steps:
        steps = {"train_for": f"{arguments.steps} steps"}
        settings = replace(settings, base=settings.base | steps, shared=settings.shared | steps)
    out = arguments.out.resolve()
    keep_settings(settings, out)
    seeds = range(1 if arguments.small else arguments.seeds)
    jobs = [Job(out, seed, arm, settings) for seed in seeds for arm in (BASE, *ARMS)]
    work(jobs, arguments.workers, out)
    report(jobs, out)
    print(f"\n{len(seeds)} seed(s), {settings.patients} patients each; this call took {(time.monotonic() - start) / 60:.1f} minutes.")
    return 0


def keep_settings(settings: Settings, out: Path) -> None:
    """Leaves the settings in the folder; scores of other settings are not mixed with these."""
    path, values = out / "settings.json", json.loads(json.dumps(settings.to_dict()))
    if path.exists() and read_json(path) != values:
        raise InputError(f"{out} holds a trial with other settings (see {path}); give another --out, or the same settings to go on")
    write_json(values, path)


def work(jobs: list[Job], workers: int, out: Path) -> None:
    """Runs what is not finished: the bases, then the arms that begin from them."""
    left = [job for job in jobs if not job.scores.exists()]
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(out / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")
    say(f"planted effect: {len(jobs) - len(left)} of {len(jobs)} trainings are there already")
    start, done = time.monotonic(), len(jobs) - len(left)

    def tell(job: Job, seconds: float | None) -> None:
        nonlocal done
        if seconds is None:
            raise InputError(
                f"seed {job.seed}, {job.arm.name}: its process was killed; free some memory, or give fewer --workers, and run it again"
            )
        done += 1
        minutes = (time.monotonic() - start) / 60
        say(f"seed {job.seed}, {job.arm.name}: done in {seconds:.0f} s; {done} of {len(jobs)} after {minutes:.1f} min")

    engine = Serial()
    if workers > 1:
        os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # read when NumPy is first imported, in each process
        engine = Local(workers, own_core=True)
    run(finish, [job for job in left if job.arm == BASE], engine, tell)
    run(finish, [job for job in left if job.arm != BASE], engine, tell)


def finish(job: Job) -> float:
    """Cohort where it is missing, training, probes; returns the seconds it took."""
    from planted_scores import score

    from pathfm.cohort.folder import CohortFolder
    from pathfm.demo.world import make_world, planted_programmes
    from pathfm.train import run

    start = time.monotonic()
    folder = CohortFolder(job.world / "cohort")
    world = make_world(job.settings.patients, job.seed)
    if job.arm == BASE and not folder.splits.exists():
        make_cohort(folder, world, job.settings)
    if not (job.folder / "weights" / "card.json").exists():
        run(training(job.arm, job.settings, folder.root, job.base.folder, job.seed), job.folder)
    rows = score(job.folder, folder, job.settings.panel, planted_programmes(world), job.settings.tiles_per_patient)
    seconds = time.monotonic() - start
    write_json({"seed": job.seed, "arm": job.arm.name, "seconds": seconds, "scores": rows}, job.scores)
    return seconds


def make_cohort(folder, world, settings: Settings) -> None:
    """Paints the world and divides its patients by whole hospitals; `splits.parquet` comes last."""
    from pathfm.cohort.division import make_splits
    from pathfm.cohort.pairing import pair, read_slides
    from pathfm.cohort.profiles import read_profiles
    from pathfm.demo.records import write_demo_cohort

    write_demo_cohort(folder, world, settings.tiles_per_patient)
    pairs = pair(read_slides(folder), read_profiles(folder)).pairs
    write_parquet(pairs, folder.pairs)
    sites = pairs.drop_duplicates("patient").set_index("patient")["site"].to_dict()
    make_splits(sites, None, "site", settings.fractions, world.seed).write(folder)


def report(jobs: list[Job], out: Path) -> None:
    """Prints tables and curves and keeps them, with the raw numbers, in the folder."""
    from planted_table import curves, tables, verdicts

    finished = [read_json(job.scores) for job in jobs]
    scores = pd.DataFrame([{"seed": one["seed"], "arm": one["arm"], **row} for one in finished for row in one["scores"]])
    write_parquet(scores, out / "scores.parquet")
    logged = [(job.arm.name, line) for job in jobs for line in read_metrics(job.folder / "metrics.jsonl")]
    lines = [*tables(scores), "## What was wanted", "", *verdicts(scores), "", "## Curves", "", *curves(logged)]
    with replacing(out / "table.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
