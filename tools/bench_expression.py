"""How fast `pathfm expression` reads STAR-count files, beside pandas and beside the bare reading of the bytes.

Makes the files in a temporary folder from a gene annotation (gene_id, gene_name, gene_type; GENCODE v36 as the GDC orders it), laid out
as gdc-client leaves them, and runs the command in a process of its own:

    python tools/bench_expression.py --genes gencode_v36_star_gene_annotation_60660.csv.gz --files 1231
"""

import argparse
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.machine import cores
from pathfm.progress import track
from pathfm.sources.star import write_star_counts
from pathfm.sources.tables import read_table

SHEET_COLUMNS = ["File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", "Sample ID", "Sample Type"]
READ_BY_PANDAS = 20

MEASURED = """
import resource, sys, time
from pathfm.cli import main
start = time.monotonic()
code = main(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
print(f"measured {time.monotonic() - start:.2f} {peak:.0f}")
sys.exit(code)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", required=True, type=Path, help="gene annotation, CSV or TSV, also gzipped")
    parser.add_argument("--files", type=int, default=1231)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made (1,231 files take 5.5 GB)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        paths = make_files(Path(folder) / "gdc", read_table(arguments.genes), arguments.files)
        sheet = write_sheet(Path(folder) / "gdc_sample_sheet.tsv", paths)
        bare = seconds(paths, lambda path: path.read_bytes())
        by_pandas = seconds(paths[:READ_BY_PANDAS], lambda path: pd.read_csv(path, sep="\t", comment="#"))
        command = ["expression", str(Path(folder) / "gdc"), "--sheet", str(sheet), "--cohort", str(Path(folder) / "cohort")]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *command, "--workers", str(arguments.workers)], check=True, capture_output=True, text=True
        )
        matrix = (Path(folder) / "cohort" / "expression.h5ad").stat().st_size
    *summary, measured = done.stdout.splitlines()
    elapsed, peak = map(float, measured.split()[1:])
    print("\n".join(summary))
    print(
        f"pathfm expression, {arguments.workers} threads: {elapsed:.1f} s, {len(paths) / elapsed:.1f} files/s, peak memory {peak:,.0f} MiB"
    )
    print(f"pandas.read_csv, one thread, {min(len(paths), READ_BY_PANDAS)} files: {1 / by_pandas:.1f} files/s")
    print(f"bare reading of the bytes: {1 / bare:.1f} files/s")
    print(f"matrix: {matrix / 2**20:,.0f} MiB")
    return 0


def make_files(folder: Path, genes: pd.DataFrame, number: int) -> list[Path]:
    """`number` samples of over-dispersed counts, each in a folder named by its file id."""
    rng = np.random.default_rng(0)
    mean = rng.lognormal(1.0, 3.0, len(genes))
    length = rng.lognormal(7.5, 0.8, len(genes))
    paths = []
    for _ in track(range(number), "making files", number, "files"):
        counts = rng.poisson(mean * rng.gamma(2.0, 0.5, len(genes))).clip(max=5_000_000)
        per_base = counts / length
        path = folder / uuid.UUID(bytes=rng.bytes(16)).hex / f"{uuid.UUID(bytes=rng.bytes(16))}.rna_seq.augmented_star_gene_counts.tsv"
        write_star_counts(path, genes, counts, per_base / per_base.sum() * 1e6)
        paths.append(path)
    return paths


def write_sheet(sheet: Path, paths: list[Path]) -> Path:
    rows = []
    for number, path in enumerate(paths):
        case = f"TCGA-{chr(65 + number % 26)}{number % 10}-{number:04d}"
        rows.append((path.parent.name, path.name, "", "Gene Expression Quantification", "TCGA-BRCA", case, f"{case}-01A", "Primary Tumor"))
    pd.DataFrame(rows, columns=SHEET_COLUMNS).to_csv(sheet, sep="\t", index=False)
    return sheet


def seconds(paths: list[Path], read) -> float:
    """Mean seconds a file."""
    start = time.monotonic()
    for path in paths:
        read(path)
    return (time.monotonic() - start) / len(paths)


if __name__ == "__main__":
    sys.exit(main())
