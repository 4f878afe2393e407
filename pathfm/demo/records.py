"""The short way from the painter to a cohort folder: tile records and matrix at once, no pyramids and no text between.

The pixels, the expression and the labels are those that the long way (`pathfm demo`, `tile`, `expression`, `labels`) gives; only fewer
tiles of each patient are painted, and slides of normal tissue, which pair with no tumour, are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pathfm.cohort import slide_rows
from pathfm.cohort.expression import observations
from pathfm.cohort.folder import CohortFolder, record_step
from pathfm.cohort.labels import build_labels
from pathfm.cohort.matrix import Genes, MatrixWriter, Sample
from pathfm.demo import omics
from pathfm.demo.folder import painters, write_labels
from pathfm.demo.painter import SQUARE
from pathfm.demo.scene import make_scene, tissue_patches
from pathfm.demo.slides import MPP
from pathfm.demo.world import World, make_world
from pathfm.engines import collect
from pathfm.files import replacing
from pathfm.progress import track
from pathfm.slides import table
from pathfm.slides.records import write_tiles
from pathfm.slides.tissue import sharpness
from pathfm.sources import barcodes
from pathfm.sources.sheets import SheetRow
from pathfm.sources.star import GENE_MODEL, StarCounts

LEAST_TISSUE = 0.8


@dataclass(frozen=True)
class Job:
    """One slide of the world of (patients, seed): how many tiles of it to write, and where."""

    slide: str
    tiles: int
    folder: CohortFolder
    patients: int
    seed: int


def write_demo_cohort(folder: CohortFolder, world: World, tiles_per_patient: int = 24, workers: int = 1) -> None:
    """Writes records, `slides.parquet`, `expression.h5ad` and `labels.parquet` of the world into the cohort folder.

    A patient's tiles come evenly from its tumour slides. Raises InputError when the disk refuses.
    """
    tumour = world.slides[~world.slides["normal"]]
    slides_of = tumour.groupby("person")["slide"].agg(list)
    jobs = [
        Job(slide, len(share), folder, len(world.people), world.seed)
        for slides in slides_of
        for slide, share in zip(slides, np.array_split(np.arange(tiles_per_patient), len(slides)), strict=True)
    ]
    slide_rows.write_rows(collect(paint_slide, jobs, painters(workers, len(jobs)), "paint", "slides"), folder.slides)
    write_expression(folder, world)
    with TemporaryDirectory() as directory:
        write_labels(Path(directory), world)
        build_labels([Path(directory) / "clinical.tsv"], [Path(directory) / "mutations.maf"], None, folder)
    record_step(folder, "demo", {"patients": len(world.people), "seed": world.seed, "tiles_per_patient": tiles_per_patient}, {})


def paint_slide(job: Job) -> dict:
    """Writes the records of some tiles of one slide, drawn at random; returns its row of `slides.parquet`."""
    world = make_world(job.patients, job.seed)
    scene = make_scene(world, job.slide)
    places = tissue_patches(scene, LEAST_TISSUE)
    chosen = np.sort(world.rng("tiles", job.slide).permutation(len(places))[: job.tiles])
    images = [scene.patch(column, row) for column, row in places[chosen].tolist()]
    shares = scene.shares()[places[chosen, 1], places[chosen, 0]]
    rows = pd.DataFrame(places[chosen] * SQUARE, columns=["x", "y"]).assign(tissue=shares, sharpness=list(map(sharpness, images)))
    size = {"width": scene.width, "height": scene.height, "tile": SQUARE, "tiles": len(rows)}
    digest = write_tiles(job.folder, job.slide, images, rows)
    resolution = {"mpp": MPP, "effective_mpp": MPP}
    identity = table.identity(job.slide, None)
    return {
        "slide": job.slide,
        "file": f"{job.slide}.tif",
        **identity,
        **resolution,
        **size,
        "records_sha256": digest,
        "status": "done",
        "reason": "",
    }


def write_expression(folder: CohortFolder, world: World) -> None:
    """`expression.h5ad` of all aliquots, as reading their STAR files gives it, sorted by barcode."""
    aliquots = world.aliquots.sort_values("aliquot")
    genes = star_genes()
    with replacing(folder.expression) as temporary, MatrixWriter(temporary, genes, len(aliquots)) as matrix:
        for sample in track(samples(world, aliquots["aliquot"], genes), "expression", len(aliquots), "samples"):
            matrix.append(sample)
        rows = [sheet_row(world, entry) for entry in aliquots.itertuples()]
        names = {row.file_id: row.aliquot for row in rows}
        matrix.finish(observations(rows, names, {row.file_id: Path(row.file_name) for row in rows}))


def star_genes() -> Genes:
    """The genes of the demo's STAR files, as the reader of such files has them."""
    listed = omics.planted_genes().table
    none = np.zeros(len(listed))
    return Genes.of(StarCounts(*(listed[name].to_numpy(object) for name in ("gene_id", "gene_name", "gene_type")), none, none, GENE_MODEL))


def samples(world: World, aliquots: pd.Series, genes: Genes) -> Iterator[Sample]:
    for aliquot in aliquots:
        counts, tpm = omics.profile(world, aliquot)
        yield Sample(np.log2(tpm[genes.kept] + 1).astype(np.float32), counts[genes.kept], float(tpm.sum()))


def sheet_row(world: World, entry) -> SheetRow:
    aliquot, project = entry.aliquot, world.people["project"][entry.person]
    sample, patient = barcodes.sample(aliquot), barcodes.patient(aliquot)
    return SheetRow(entry.folder, entry.file, aliquot, sample, patient, barcodes.sample_type(aliquot), project)
