"""How often the demo shows what is planted: `tools/demo.sh` on several seeds and two kinds of rounding, and of each the mean Δ of its arms.

    python tools/demo_seeds.py --out runs/seeds [--seeds 0 1 2] [--patients 400]

Each seed is another world, another base and other trainings. The second kind of rounding is that of processors without AVX-512; it trains
and evaluates anew on the same slides and tables. A demo that was stopped goes on, one that is done is not made again; slides and runs of a
seed that is done are removed, its reports stay. It prints a table in Markdown with a row for each demo, and how many of them show each
arm's mean Δ above zero.
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd

DEMO = Path(__file__).with_name("demo.sh")
ROUNDINGS = {"AVX-512": None, "AVX2": "--xla_cpu_max_isa=AVX2"}
FITS = ("split", "held_out")
PREPARED = ("world", "cohort", "benchmarks")
REPORT = ("report.html", "table.csv", "table.md", "table.tex", "table.parquet", "genes.parquet")


def demo(out: Path, work: Path, patients: int, seed: int, flags: str | None) -> Path:
    """The table of one demo, made in `work` unless it is there; of `work` what no rounding changes stays for the next."""
    if not out.exists():
        environment = os.environ | ({"XLA_FLAGS": flags} if flags else {})
        subprocess.run([DEMO, work, str(patients), str(seed)], env=environment, check=True)
        report = work / "report"
        report.mkdir(exist_ok=True)
        for name in REPORT:
            shutil.copyfile(work / name, report / name)
        for run in set(work.iterdir()) - {work / name for name in ("report", *PREPARED)}:
            shutil.rmtree(run) if run.is_dir() else run.unlink()
        report.rename(out)
    return out / "table.csv"


def mean_differences(table: Path) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Mean Δ with its interval, in points, by arm and fit."""
    rows = pd.read_csv(table)
    rows = rows[(rows["kind"] == "delta") & rows["probe"].isna()]
    values = rows[["mean Δ", "mean Δ low", "mean Δ high"]].astype(float).itertuples(index=False, name=None)
    return dict(zip(zip(rows["approach"], rows["fit"], strict=True), values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--patients", type=int, default=400)
    chosen = parser.parse_args()
    found = {}
    for seed in chosen.seeds:
        work = chosen.out / f"work-{seed}"
        for rounding, flags in ROUNDINGS.items():
            table = demo(chosen.out / f"{rounding}-{seed}", work, chosen.patients, seed, flags)
            found[seed, rounding] = mean_differences(table)
        shutil.rmtree(work, ignore_errors=True)
    keys = list(dict.fromkeys(key for one in found.values() for key in one))
    print("| seed | rounding | " + " | ".join(f"{arm}, {fit}" for arm, fit in keys) + " |")
    print("| --- | --- |" + " --- |" * len(keys))
    for (seed, rounding), one in found.items():
        texts = ["{:+.1f} [{:+.1f}, {:+.1f}]".format(*one[key]) if key in one else "–" for key in keys]
        print(f"| {seed} | {rounding} | {' | '.join(texts)} |")
    shown = [sum(one[key][1] > 0 for one in found.values() if key in one) for key in keys]
    print(f"| above 0 of {len(found)} | | {' | '.join(map(str, shown))} |")


if __name__ == "__main__":
    main()
