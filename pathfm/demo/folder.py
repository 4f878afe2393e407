"""The demo world on disk, as a user would have it: each file is made by itself, whole or not at all, and is not made twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pathfm.demo import bach, crc_msi, mhist, omics, pcam, reports, tables
from pathfm.demo.scene import make_scene
from pathfm.demo.slides import write_slide
from pathfm.demo.world import World, file_uuid, make_world, planted_programmes
from pathfm.engines import collect
from pathfm.engines.local import Local
from pathfm.engines.protocol import Engine
from pathfm.engines.serial import Serial
from pathfm.errors import InputError
from pathfm.files import read_json, replacing, write_json, write_parquet
from pathfm.sources.star import write_star_counts

FORMAT = 2
BENCHMARKS = {"bach": bach, "pcam": pcam, "mhist": mhist, "crc_msi": crc_msi}  # folder → who writes it


@dataclass(frozen=True)
class Job:
    """One file to make: `kind` is a key of MAKERS, `name` what it is called in the world of (patients, seed), `path` where it goes.

    A file of a benchmark is called by its number.
    """

    kind: str
    name: str
    path: Path
    patients: int
    seed: int


def write_world(out: Path, patients: int, seed: int, workers: int = 1) -> World:
    """Writes what is missing of the world under `out`, with this many processes.

    Raises InputError when `out` holds another world, or too few patients are asked for.
    """
    world = make_world(patients, seed)
    claim(out, {"format": FORMAT, "patients": patients, "seed": seed})
    write_tables(out, world)
    missing = [job for job in jobs(out, world) if not job.path.exists()]
    collect(make, missing, painters(workers, len(missing)), "demo", "files")
    return world


def painters(workers: int, jobs: int) -> Engine:
    """Processes, where there is more than one of them and of the jobs."""
    return Local(workers) if min(workers, jobs) > 1 else Serial()


def claim(out: Path, identity: dict) -> None:
    """Marks `out` as this world's folder; InputError when it is another's."""
    mark = out / "world.json"
    if mark.exists():
        held = read_json(mark)
        if held != identity:
            described = (
                f"{held.get('patients')} patients, seed {held.get('seed')}, format {held.get('format')}"
                if isinstance(held, dict)
                else "unknown"
            )
            raise InputError(f"{out} holds another world ({described}); choose another folder for --out or remove it")
    write_json(identity, mark)


def jobs(out: Path, world: World) -> list[Job]:
    """Every larger file of the world: slides, RNA files, images of the benchmarks."""
    identity = len(world.people), world.seed
    slides = [Job("slide", slide, out / "slides" / f"{slide}.tif", *identity) for slide in world.slides["slide"]]
    rna = [Job("rna", row.aliquot, out / "rna" / row.folder / row.file, *identity) for row in world.aliquots.itertuples()]
    images = [
        [Job(kind, str(number), out / kind / name, *identity) for number, name in enumerate(benchmark.files(world))]
        for kind, benchmark in BENCHMARKS.items()
    ]
    return interleaved([slides, rna, *images])


def interleaved(kinds: Sequence[Sequence[Job]]) -> list[Job]:
    """The jobs of several kinds, mixed evenly, so that the time left can be told from the time gone."""
    places = [((number + 0.5) / len(jobs), kind, job) for kind, jobs in enumerate(kinds) for number, job in enumerate(jobs)]
    return [job for *_, job in sorted(places, key=lambda place: place[:2])]


def make(job: Job) -> bool:
    MAKERS[job.kind](make_world(job.patients, job.seed), job)
    return True


def make_slide(world: World, job: Job) -> None:
    write_slide(job.path, make_scene(world, job.name))


def make_rna(world: World, job: Job) -> None:
    write_star_counts(job.path, omics.planted_genes().table, *omics.profile(world, job.name))


def make_images(world: World, job: Job) -> None:
    BENCHMARKS[job.kind].write_file(job.path, world, int(job.name))


MAKERS: dict[str, Callable[[World, Job], None]] = {"slide": make_slide, "rna": make_rna} | dict.fromkeys(BENCHMARKS, make_images)


def write_tables(out: Path, world: World) -> None:
    """Sheets, clinical data, mutations, reports and their embeddings, gene sets, annotations and the truth; quick, so they are written each
    time.
    """
    write_table(out / "gdc_sample_sheet.tsv", tables.sample_sheet(world))
    write_json(tables.portal_metadata(world), out / "metadata.json")
    write_labels(out, world)
    pcam.write_tables(out / "pcam", world)
    mhist.write_tables(out / "mhist", world)
    write_text(out / "programmes.gmt", tables.programmes_gmt())
    for person, patient in enumerate(world.people["patient"]):
        path = out / "reports" / f"{patient}.{file_uuid(world.seed, patient, 'report')}.txt"
        if not path.exists():
            write_text(path, tables.report(world, person))
    reports.write_embeddings(out, world)
    write_parquet(planted_programmes(world).reset_index(), out / "truth.parquet")


def write_labels(out: Path, world: World) -> None:
    """What the labels are made of: `clinical.tsv` and `mutations.maf`."""
    write_table(out / "clinical.tsv", tables.clinical(world))
    write_table(out / "mutations.maf", tables.mutations(world), head="#version 2.4\n")


def write_table(path: Path, table: pd.DataFrame, head: str = "") -> None:
    write_text(path, head + table.to_csv(sep="\t", index=False, lineterminator="\n"))


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
