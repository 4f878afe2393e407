"""`pathfm demo`: what a user finds on disk, made once, the same bytes for the same seed, and no two worlds in one folder."""

import argparse
import hashlib
import json
from pathlib import Path

import pytest

from pathfm.benchmarks import BENCHMARKS
from pathfm.commands import demo
from pathfm.demo import mhist, scene
from pathfm.demo.tables import portal_metadata, sample_sheet
from pathfm.demo.world import make_world
from pathfm.errors import DONE, InputError
from pathfm.files import read_parquet
from pathfm.sources.sheets import read_sheet

PATIENTS = 16


def run_demo(out: Path, *options: str) -> int:
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return demo.run(parser.parse_args(["--out", str(out), "--patients", str(PATIENTS), "--workers", "1", *options]))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mhist, "TRAIN", 8)
        patch.setattr(mhist, "TEST", 4)
        patch.setattr(scene, "TISSUE_AREA", 4)
        assert run_demo(folder) == DONE
        yield folder


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_everything_that_a_user_has_lies_there(out):
    world = make_world(PATIENTS, 0)
    assert sorted(path.name for path in out.iterdir()) == [
        "bach",
        "clinical.tsv",
        "crc_msi",
        "gdc_sample_sheet.tsv",
        "metadata.json",
        "mhist",
        "mutations.maf",
        "pcam",
        "programmes.gmt",
        "report_embeddings.csv",
        "report_embeddings.npy",
        "reports",
        "rna",
        "slides",
        "truth.parquet",
        "world.json",
    ]
    assert {path.stem for path in (out / "slides").iterdir()} == set(world.slides["slide"])
    assert len(list((out / "rna").glob("*/*.rna_seq.augmented_star_gene_counts.tsv"))) == len(world.aliquots)
    assert len(list((out / "reports").iterdir())) == PATIENTS
    images = {"bach": 32, "pcam": 100, "mhist": 12, "crc_msi": 88}
    assert {name: len(BENCHMARKS[name].find(out / name).table) for name in images} == images
    assert read_parquet(out / "truth.parquet")["patient"].tolist() == world.people["patient"].tolist()


def test_a_star_file_has_the_lines_of_gdcs(out):
    lines = next((out / "rna").glob("*/*.tsv")).read_text().splitlines()
    assert lines[0] == "# gene-model: GENCODE v36"
    assert lines[1].split("\t")[0] == "gene_id" and [line.split("\t")[0][:2] for line in lines[2:6]] == ["N_"] * 4
    assert len(lines) == 6 + 60_660


def test_sheet_and_metadata_name_the_same_files_and_samples(out):
    sheet, metadata = read_sheet(out / "gdc_sample_sheet.tsv"), read_sheet(out / "metadata.json")
    assert not sheet.refused and not metadata.refused
    assert [(row.file_id, row.file_name, row.sample, row.sample_type, row.project) for row in sheet.rows] == [
        (row.file_id, row.file_name, row.sample, row.sample_type, row.project) for row in metadata.rows
    ]
    assert len((out / "gdc_sample_sheet.tsv").read_text().splitlines()[0].split("\t")) == 11


def test_run_again_it_makes_only_what_is_missing_and_the_same_bytes(out):
    before = digests(out)
    slide, rna = next((out / "slides").iterdir()), next((out / "rna").glob("*/*.tsv"))
    kept = {path: path.stat().st_mtime_ns for path in (out / "slides").iterdir() if path != slide}
    slide.unlink()
    rna.unlink()
    assert run_demo(out) == DONE
    assert digests(out) == before
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_another_world_in_the_same_folder_is_refused(out):
    with pytest.raises(InputError, match="holds another world .16 patients, seed 0"):
        run_demo(out, "--seed", "1")


def test_a_number_of_workers_below_one_is_refused(tmp_path):
    with pytest.raises(InputError, match="--workers is 0"):
        run_demo(tmp_path, "--workers", "0")


def test_the_summary_names_the_next_command(out, capsys):
    run_demo(out)
    shown = capsys.readouterr().err
    assert "16 patients (BRCA 8, LUAD 4, LUSC 4) of 12 hospitals" in shown
    assert f"next: pathfm tile {out / 'slides'} --cohort COHORT --tile 96" in shown


def test_the_tables_are_functions_of_the_world():
    world = make_world(PATIENTS, 2)
    assert sample_sheet(world).equals(sample_sheet(world))
    assert json.dumps(portal_metadata(world)) == json.dumps(portal_metadata(world))
