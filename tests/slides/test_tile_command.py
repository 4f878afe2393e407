"""`pathfm tile` as a user runs it: what it says, what it leaves, how it goes on."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.pairing import read_slides
from pathfm.cohort.slide_rows import write_rows
from pathfm.commands import tile as command
from pathfm.engines import ENGINES
from pathfm.engines.serial import Serial
from pathfm.errors import InputError, guarded
from pathfm.files import alone, read_json, read_parquet, sha256
from pathfm.slides import tiling
from pathfm.slides.records import TileRecords

PROGRAM = """
import argparse, sys
from pathfm.commands import tile
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    tile.add_arguments(parser)
    sys.exit(tile.run(parser.parse_args()))
"""


@pytest.fixture
def in_this_process(monkeypatch):
    """Jobs without workers: the same results, sooner."""
    monkeypatch.setitem(ENGINES, "local", lambda workers: Serial())


@pytest.fixture
def tile(tmp_path, capsys, in_this_process):
    """Runs `pathfm tile … --cohort tmp_path/cohort`; gives the exit code and what was said."""

    def run(*arguments) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        parsed = parser.parse_args([*map(str, arguments), "--cohort", str(tmp_path / "cohort")])
        code = guarded(lambda: command.run(parsed), "pathfm tile")
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def slides(tmp_path, write_pyramid, stained):
    """Three slides of 0.5 µm/px that give tiles of 64 px, one of them without a barcode."""
    (tmp_path / "slides").mkdir()
    for seed, name in enumerate(("TCGA-A2-A0T2-01Z-00-DX1", "TCGA-A2-A0T2-11A-01-TS1", "ours")):
        write_pyramid(tmp_path / "slides" / f"{name}.tif", stained(300, 300, seed=seed))
    return tmp_path / "slides"


def contents(folder) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_the_real_slides(shared, tmp_path, tile):
    code, said = tile(shared / "wsi")
    assert code == 0
    assert "broken.svs: cannot be opened: " in said
    assert "TCGA-CR-7395-01A-01-TS1.svs: no mpp; give its µm/px with --mpp-override" in said
    assert "CMU-1-Small-Region.svs: no patient; tiled" in said
    assert "3 slides, 1 done with" in said and "2 failed (1 no mpp, 1 cannot be opened)" in said
    (tmp_path / "o.csv").write_text("slide,mpp\nTCGA-CR-7395-01A-01-TS1.svs,0.25\nelse,1\n")
    code, said = tile(shared / "wsi", "--mpp-override", tmp_path / "o.csv")
    assert code == 0
    assert "names 1 slides that were not given, such as else" in said and "1 of 3 slides are done already" in said
    table = read_parquet(CohortFolder(tmp_path / "cohort").slides).set_index("slide")
    assert list(table.index) == ["CMU-1-Small-Region", "TCGA-CR-7395-01A-01-TS1", "broken"]
    assert list(table["status"]) == ["done", "done", "failed"] and table["tiles"].sum() > 80
    frozen = table.loc["TCGA-CR-7395-01A-01-TS1"]
    assert list(frozen[["patient", "sample", "sample_type", "preparation", "site", "mpp"]]) == [
        *("TCGA-CR-7395", "TCGA-CR-7395-01A", "01", "TS", "CR", 0.25)
    ]
    assert tile(shared / "wsi" / "broken.svs")[0] == 2


def test_a_second_run_does_nothing_again(tmp_path, tile, slides):
    assert tile(slides, "--tile", 64)[0] == 0
    folder = CohortFolder(tmp_path / "cohort")
    before, table = contents(folder.root / "tiles"), read_parquet(folder.slides)
    code, said = tile(slides, "--tile", 64)
    assert code == 0 and "3 of 3 slides are done already" in said
    assert contents(folder.root / "tiles") == before and read_parquet(folder.slides).equals(table)
    step = read_json(folder.manifest)["tile"]
    assert step["parameters"] == {"mpp": 0.5, "tile": 64, "min_tissue": 0.5}
    assert set(step["inputs"]["slides"]) == set(table["slide"])


def test_the_table_of_slides_is_made_again_from_what_is_done(tmp_path, tile, slides):
    tile(slides, "--tile", 64)
    folder = CohortFolder(tmp_path / "cohort")
    table = read_parquet(folder.slides)
    folder.slides.unlink()
    tile(slides, "--tile", 64)
    assert read_parquet(folder.slides).equals(table)


@pytest.mark.parametrize(
    "flag", [("--tile", 32, "--tile 64 (now 32)"), ("--mpp", 1.0, "--mpp 0.5 (now 1.0)"), ("--min-tissue", 0.25, "--min-tissue 0.5")]
)
def test_other_settings_are_refused_by_name(tmp_path, tile, slides, flag):
    tile(slides / "ours.tif", "--tile", 64)
    before = contents(tmp_path / "cohort")
    code, said = tile(slides, "--tile", 64, *flag[:2])
    assert code == 2 and f"was tiled with {flag[2]}" in said
    assert contents(tmp_path / "cohort") == before


def test_another_override_is_refused(tmp_path, tile, slides):
    tile(slides, "--tile", 64)
    (tmp_path / "o.csv").write_text("slide,mpp\nours,0.25\n")
    code, said = tile(slides, "--tile", 64, "--mpp-override", tmp_path / "o.csv")
    assert code == 2 and "slide ours" in said and "--mpp-override None (now 0.25)" in said


def test_a_changed_slide_is_tiled_again_and_a_new_one_joins(tmp_path, tile, slides, write_pyramid, stained):
    tile(slides, "--tile", 64)
    folder = CohortFolder(tmp_path / "cohort")
    before = read_parquet(folder.slides).set_index("slide")["records_sha256"]
    write_pyramid(slides / "ours.tif", stained(310, 300, seed=9))
    write_pyramid(slides / "new.tif", stained(300, 300))
    code, said = tile(slides, "--tile", 64)
    assert code == 0 and "ours.tif has changed" in said and "2 of 4 slides are done already" in said
    after = read_parquet(folder.slides).set_index("slide")["records_sha256"]
    assert list(after.index[after[before.index].ne(before).reindex(after.index, fill_value=True)]) == ["new", "ours"]


def test_patients_by_table(tmp_path, tile, slides):
    (tmp_path / "s.csv").write_text("slide,patient,sample,site\nours.tif,P1,P1-T,Ulm\n")
    _, said = tile(slides, "--tile", 64)
    assert "ours.tif: no patient" in said
    code, said = tile(slides, "--tile", 64, "--slides-table", tmp_path / "s.csv")
    assert code == 0 and "no patient" not in said
    row = read_parquet(CohortFolder(tmp_path / "cohort").slides).set_index("slide").loc["ours"]
    assert list(row[["patient", "sample", "site", "status", "reason"]]) == ["P1", "P1-T", "Ulm", "done", ""]


def test_slides_of_other_patients_than_the_labels_are_said_before_any_work(tmp_path, tile, slides):
    (tmp_path / "cohort").mkdir()
    labels = pd.DataFrame({"patient": ["P1", "TCGA-A7-A0DB"]})
    labels.to_parquet(tmp_path / "cohort" / "labels.parquet")
    name = sorted(slides.glob("*"))[0].name
    for patient, warned in (("C3L-00001", True), ("P1", False)):
        (tmp_path / "owners.csv").write_text(f"slide,patient,sample,site\n{name},{patient},,\n")
        said = tile(slides / name, "--slides-table", tmp_path / "owners.csv")[1]
        assert said.startswith("tile: warning: no patient of the slides is in labels.parquet (the slides: C3L-00001, labels") == warned


def test_two_slides_of_one_name_are_both_refused(tmp_path, tile, slides):
    (slides / "more").mkdir()
    shutil.copy(slides / "ours.tif", slides / "more" / "ours.tif")
    code, said = tile(slides, "--tile", 64)
    assert code == 0 and "ours.tif: same name: " in said and str(slides / "more" / "ours.tif") in said
    folder = CohortFolder(tmp_path / "cohort")
    assert not folder.tiles("ours").exists() and "1 failed (1 same name)" in said


@pytest.mark.parametrize("flag", [("--mpp", 0), ("--tile", 3), ("--min-tissue", 1.5), ("--workers", 0), ("--mpp", "nan")])
def test_numbers_out_of_range(tile, slides, flag):
    code, said = tile(slides, *flag)
    assert code == 2 and f"{flag[0]} is" in said and "must lie between" in said


def test_a_disk_that_refuses_is_one_sentence(tmp_path, tile, slides):
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "tiles").write_text("a file where a folder must be")
    code, said = tile(slides, "--tile", 64)
    assert code == 2 and said.count("pathfm tile: cannot write ") == 1 and "Traceback" not in said


class Losing:
    """An engine whose every job kills its process."""

    workers = 1

    def results(self, function, jobs):
        yield from ((job, None) for job in jobs)


def test_a_job_that_killed_its_process_is_listed(tmp_path, slides, capsys):
    rows = tiling.tile_all(CohortFolder(tmp_path), {"ours": [slides / "ours.tif"]}, tiling.Settings(tile=64), Losing())
    tiling.report(rows)
    assert "1 killed its process" in capsys.readouterr().err and rows[0]["status"] == "failed"


def test_an_unknown_path_stops_before_any_work(tmp_path, tile, slides):
    code, said = tile(slides, tmp_path / "nowhere.svs")
    assert code == 2 and "nowhere.svs leads to no whole-slide image" in said
    assert not (tmp_path / "cohort").exists()


def test_killed_at_any_moment_only_whole_results_stand_and_the_next_run_ends_alike(tmp_path, tile, write_pyramid, stained):
    (tmp_path / "slides").mkdir()
    for seed in range(5):
        write_pyramid(tmp_path / "slides" / f"s{seed}.tif", stained(450, 450, seed=seed))
    (tmp_path / "program.py").write_text(PROGRAM)
    program = [sys.executable, "program.py", "slides", "--tile", "32", "--workers", "1", "--cohort", "killed"]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    killed, whole = CohortFolder(tmp_path / "killed"), CohortFolder(tmp_path / "cohort")
    process = subprocess.Popen(program, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not list(killed.root.glob("tiles/[!.]*.parquet")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert process.returncode < 0
    for path in killed.root.glob("tiles/[!.]*.parquet"):
        assert len(read_parquet(path)) == len(TileRecords(killed.records(path.stem)))
    subprocess.run(program, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert tile(tmp_path / "slides", "--tile", 32)[0] == 0
    assert read_parquet(killed.slides).equals(read_parquet(whole.slides))
    for part in ("tiles", "thumbnails"):
        assert contents_of(killed.root / part) == contents_of(whole.root / part)


def contents_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def started(tmp_path, *arguments, **options) -> subprocess.Popen:
    """`pathfm tile … --cohort tmp_path/cohort` in a process of its own."""
    command_line = [sys.executable, "-m", "pathfm.cli", "tile", *map(str, arguments), "--tile", "32", "--cohort", str(tmp_path / "cohort")]
    return subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture
def many(tmp_path, write_pyramid, stained):
    """Twelve slides in two folders of six, each with hundreds of tiles of 32 px."""
    first = write_pyramid(tmp_path / "first.tif", stained(700, 700))
    for number in range(12):
        path = tmp_path / "ab"[number % 2] / f"TCGA-A2-{number:04d}-01Z-00-DX1.tif"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(first, path)
    return tmp_path / "a", tmp_path / "b"


def test_two_jobs_into_one_cohort_lose_nothing(tmp_path, tile, many, capsys):
    jobs = [started(tmp_path, slides, "--workers", 1) for slides in many]
    assert [(job.communicate()[1], job.returncode)[1] for job in jobs] == [0, 0]
    folder = CohortFolder(tmp_path / "cohort")
    table = read_parquet(folder.slides)
    assert list(table["slide"]) == sorted(path.stem for slides in many for path in slides.iterdir()) and set(table["status"]) == {"done"}
    assert set(read_json(folder.manifest)["tile"]["inputs"]["slides"]) == set(table["slide"])
    assert "12 of 12 slides are done already" in tile(*many, "--tile", 32)[1] and read_parquet(folder.slides).equals(table)


@pytest.mark.parametrize(
    ("engine", "whole_group"),
    [
        pytest.param("local", True, marks=pytest.mark.long),
        ("local", False),
        ("threads", False),
        pytest.param("serial", False, marks=pytest.mark.long),
    ],
    ids=["all processes", "the command alone", "threads", "serial"],
)
def test_sigterm_ends_with_75_and_nothing_half_written(tmp_path, tile, many, engine, whole_group):
    folder = CohortFolder(tmp_path / "cohort")
    with alone(folder.lock):  # the job cannot gather, so it cannot end before it is stopped
        job = started(tmp_path, *many, "--workers", 2, "--engine", engine, start_new_session=True)
        end = time.monotonic() + 60
        while not list(folder.root.glob("tiles/[!.]*.json")) and job.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        (os.killpg if whole_group else os.kill)(job.pid, signal.SIGTERM)
    said = job.communicate(timeout=60)[1]
    assert job.returncode == 75 and said.splitlines()[-1] == "pathfm tile: stopped by SIGTERM; run the same command again to go on"
    assert "Traceback" not in said and not list(folder.root.rglob("*.partial"))
    done = {path.stem for path in folder.root.glob("tiles/*.parquet")}
    table = read_slides(folder)
    assert done and set(table["slide"][table["status"] == "done"]) <= done
    code, said = tile(*many, "--tile", 32)
    assert code == 0 and f"{len(done)} of 12 slides are done already" in said and "12 done with" in said


def test_rows_of_a_killed_job_are_paired(tmp_path, tile, many):
    tile(many[0], "--tile", 32)
    folder = CohortFolder(tmp_path / "cohort")
    table = read_parquet(folder.slides)
    write_rows(table.head(2).to_dict("records"), folder.slides)
    assert len(read_slides(folder)) == len(read_parquet(folder.slides)) == 6
    folder.slides.unlink()
    assert len(read_slides(folder)) == 6


def test_a_cohort_of_an_earlier_version_is_gone_on_with(tmp_path, tile, many):
    tile(many[0], "--tile", 32)
    folder = CohortFolder(tmp_path / "cohort")
    for row in folder.root.glob("tiles/*.json"):
        row.unlink()
    assert len(read_slides(folder)) == 6
    before = contents(folder.root / "tiles")
    assert "--tile 32 (now 64)" in tile(many[1], "--tile", 64)[1]
    code, said = tile(*many, "--tile", 32)
    assert code == 0 and "6 of 12 slides are done already" in said and len(read_parquet(folder.slides)) == 12
    assert before.items() <= contents(folder.root / "tiles").items()


def test_a_slide_that_was_copied_is_read_once_to_know_that_it_is_the_same(tmp_path, tile, slides, monkeypatch):
    tile(slides, "--tile", 64)
    (slides / "ours.tif").touch()
    hashed = []
    monkeypatch.setattr("pathfm.slides.tiler.sha256", lambda path: hashed.append(path) or sha256(path))
    for _ in range(2):
        assert "3 of 3 slides are done already" in tile(slides, "--tile", 64)[1]
    assert [path.name for path in hashed] == ["ours.tif"]


def test_names_as_long_as_the_disk_takes_work_and_longer_ones_fail_alone(tmp_path, tile, slides):
    names = {"x" * 242: "done", "切" * 80: "done", "y" * 243: "failed", "片" * 83: "failed", "z" * 251: "failed"}
    for name in names:
        shutil.copy(slides / "ours.tif", slides / f"{name}.tif")
    code, said = tile(slides, "--tile", 64)
    table = read_parquet(CohortFolder(tmp_path / "cohort").slides).set_index("slide")
    assert code == 0 and table["status"][list(names)].to_dict() == names and "3 name too long" in said
    assert table["reason"]["片" * 83] == "name too long: 249 bytes, at most 242 here; rename the file"
    assert "5 of 8 slides are done already" in tile(slides, "--tile", 64)[1]


def test_names_that_the_disk_takes_for_one_are_refused_where_it_does(tmp_path, tile, slides, monkeypatch):
    shutil.copy(slides / "ours.tif", slides / "OURS.tif")
    assert "4 done" in tile(slides, "--tile", 64)[1]
    shutil.rmtree(tmp_path / "cohort")
    monkeypatch.setattr(tiling, "tells_no_case", lambda path: True)
    code, said = tile(slides, "--tile", 64)
    assert code == 0 and "2 done" in said and "OURS.tif: same name: OURS and ours, which this disk takes for one" in said
    (slides / "OURS.tif").unlink()
    shutil.rmtree(tmp_path / "cohort")
    tile(slides, "--tile", 64)
    (slides / "ours.tif").rename(slides / "Ours.tif")
    assert "Ours.tif: same name: Ours and ours" in tile(slides, "--tile", 64)[1]


def test_a_disk_that_tells_no_case_is_known_by_its_folders(tmp_path):
    (tmp_path / "tiles").mkdir()
    assert not tiling.tells_no_case(tmp_path / "tiles")
    (tmp_path / "TILES").mkdir()
    assert not tiling.tells_no_case(tmp_path / "tiles")
    (tmp_path / "TILES").rmdir()
    (tmp_path / "TILES").symlink_to(tmp_path / "tiles")
    assert tiling.tells_no_case(tmp_path / "tiles")


def test_what_is_no_slide_is_summed_up(tmp_path, tile, slides):
    for number in range(30):
        (slides / f"{number:02d}.svs.partial").touch()
    code, said = tile(slides, "--tile", 64)
    assert code == 0 and said.count(".svs.partial") == 10
    assert "tile: files left out, a download that is not finished; finish it: 30 (" in said


def test_many_slides_of_one_reason_are_summed_up(capsys):
    row = {"status": "failed", "reason": "no mpp", "tiles": 0}
    tiling.report([row | {"file": f"{number}.svs"} for number in range(11_000)])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 12 and said[-2] == "  … and 10,990 more: no mpp; slides.parquet has all of them"
    assert said[-1] == "tile: 11,000 slides, 0 done with 0 tiles, 11,000 failed (11,000 no mpp)"


def test_an_override_that_no_microscope_has_is_taken_with_a_word(tmp_path, tile, slides):
    (tmp_path / "o.csv").write_text("slide,mpp\nours,0.05\n")
    code, said = tile(slides, "--tile", 16, "--mpp-override", tmp_path / "o.csv")
    assert code == 0 and "o.csv gives 1 slides a µm/px outside 0.1 to 5, such as ours: 0.05; it is taken as given" in said
    assert read_parquet(CohortFolder(tmp_path / "cohort").slides).set_index("slide")["mpp"]["ours"] == 0.05


def test_only_a_cohort_folder_can_be_written_to(tmp_path, slides):
    with pytest.raises(InputError, match="ours.tif is a file"):
        command.check(SimpleNamespace(mpp=0.5, tile=64, min_tissue=0.5, workers=1, cohort=slides / "ours.tif"))


@pytest.mark.parametrize("free", [4 << 10, 60 << 10], ids=["at once", "on the way"])
def test_a_full_disk_ends_with_a_sentence_and_the_slides_done_so_far_stay(free, small_disk, slides, capsys):
    cohort = CohortFolder(small_disk / "cohort")
    (small_disk / "filler").write_bytes(bytes((2 << 20) - free))
    process = subprocess.run(
        [sys.executable, "-m", "pathfm.cli", "tile", slides, "--tile", "64", "--workers", "1", "--cohort", cohort.root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    assert "free some space" in process.stderr.strip().splitlines()[-1]
    assert not list(cohort.root.rglob("*.partial"))
    for table in cohort.root.glob("tiles/*.parquet"):
        assert len(TileRecords(cohort.records(table.stem))) == len(read_parquet(table))
