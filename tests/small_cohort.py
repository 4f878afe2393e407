"""A small cohort folder for tests of training and evaluation: written through the real writers, learnable, in a second."""

from collections.abc import Collection
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.splits import Splits
from pathfm.files import read_parquet, write_parquet
from pathfm.slides.records import write_tiles

TILE = 32
GENES = 40
ROLES = ("train", "train", "train", "val", "test", "test")


def make_small_cohort(root, patients: int = 24, tiles: int = 6, seed: int = 0) -> CohortFolder:
    """Patients in four sites; a hidden number per patient darkens the red channel and drives half of the genes.

    Every fifth patient has a second slide, and patient number 1 has a single tile.
    """
    rng = np.random.default_rng(seed)
    folder = CohortFolder(Path(root))
    names = [f"TCGA-{'ABCD'[number % 4]}{number % 4}-{number:04d}" for number in range(patients)]
    hidden = rng.normal(size=patients)
    slides = []
    for number, name in enumerate(names):
        for slide_number in range(2 if number % 5 == 0 else 1):
            slide = f"{name}-01Z-00-DX{slide_number + 1}"
            count = 1 if number == 1 else tiles
            images = rng.integers(60, 255, (count, TILE, TILE, 3)).astype(np.uint8)
            images[..., 0] = np.clip(images[..., 0] * (0.6 + 0.25 * np.tanh(hidden[number])), 0, 255)
            table = pd.DataFrame({"x": np.arange(count) * TILE, "y": 0, "tissue": 1.0, "sharpness": 1.0})
            slides.append(slide_row(name, slide, count, write_tiles(folder, slide, images, table)))
    slides = pd.DataFrame(slides)
    write_parquet(slides, folder.slides)
    expression = 4.0 + rng.normal(size=(patients, GENES))
    expression[:, : GENES // 2] += 2.0 * hidden[:, None]
    write_expression(folder, names, np.maximum(expression, 0.0))
    pairs = slides[["slide", "patient", "site"]].assign(
        aliquot=slides["patient"] + "-01A-11R-A000-07", sample_type="01", project="TCGA-AAAA", rule="case + sample type"
    )
    write_parquet(pairs, folder.pairs)
    roles = [ROLES[number // 4 % len(ROLES)] for number in range(patients)]
    table = pd.DataFrame({"fold": 0, "patient": names, "role": roles})
    Splits(table, "patient", seed, "0.5,0.2,0.3").write(folder)
    tp53 = np.where(hidden > np.median(hidden), "mutant", "wild type")
    cancer = np.where(np.arange(patients) % 2 == 0, "AAAA", "BBBB")
    site = [name[5:7] for name in names]
    labels = pd.DataFrame({"patient": names, "site": site, "project": "TCGA-AAAA", "cancer": cancer, "tp53": tp53})
    write_parquet(labels.assign(breast=pd.Series([None] * patients, dtype=object), kidney=None, lung=None), folder.labels)
    return folder


def slide_row(patient: str, slide: str, tiles: int, records_sha256: str) -> dict:
    return {
        "slide": slide,
        "file": f"{slide}.svs",
        "patient": patient,
        "sample": slide[:16],
        "sample_type": "01",
        "preparation": "DX",
        "project": None,
        "site": patient[5:7],
        "mpp": 0.5,
        "effective_mpp": 0.5,
        "width": 1000,
        "height": 1000,
        "tile": TILE,
        "tiles": tiles,
        "records_sha256": records_sha256,
        "status": "done",
        "reason": "",
    }


def write_text(folder: CohortFolder) -> None:
    """A second matrix, of five columns, that every third patient lacks."""
    patients = [name for number, name in enumerate(sorted(set(read_parquet(folder.pairs)["patient"]))) if number % 3]
    values = np.random.default_rng(0).normal(size=(len(patients), 5)).astype(np.float32)
    anndata.AnnData(values, pd.DataFrame({"patient": patients}, index=patients)).write_h5ad(folder.matrix("text"))


def write_expression(folder: CohortFolder, patients: list[str], log_tpm: np.ndarray) -> None:
    aliquots = [f"{patient}-01A-11R-A000-07" for patient in patients]
    obs = pd.DataFrame({"aliquot": aliquots, "patient": patients, "sample_type": "01", "project": "TCGA-AAAA"}, index=aliquots)
    obs["sample"], obs["site"], obs["file"] = [name[:16] for name in aliquots], [name[5:7] for name in aliquots], "x.tsv"
    ids = [f"ENSG{number:011d}" for number in range(log_tpm.shape[1])]
    symbols = [f"G{number}" for number in range(len(ids))]
    var = pd.DataFrame({"gene_id": [f"{name}.1" for name in ids], "symbol": symbols, "type": "protein_coding"}, index=ids)
    folder.root.mkdir(parents=True, exist_ok=True)
    anndata.AnnData(log_tpm.astype(np.float32), obs, var).write_h5ad(folder.expression)


def write_counts(folder: CohortFolder, others: Collection[str] = ()) -> CohortFolder:
    """Adds reads of about what TPM say, at another depth in each patient; those of `others` are other reads."""
    data = anndata.read_h5ad(folder.expression)
    rng = np.random.default_rng(0)
    depth = rng.uniform(20.0, 80.0, (data.n_obs, 1))
    counts = rng.poisson(depth * (np.exp2(np.asarray(data.X, np.float64)) - 1)) + 1
    counts[data.obs["patient"].isin(set(others))] += 1000
    data.layers["counts"] = counts.astype(np.int32)
    data.write_h5ad(folder.expression)
    return folder
