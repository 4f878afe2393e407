"""Preparation by TFDS builders: what comes out is what went in, whole or not at all, without network and TensorFlow."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pathfm.benchmarks import BENCHMARKS, READERS
from pathfm.benchmarks.benchmark import Benchmark, decoded
from pathfm.benchmarks.prepared import NOTES, Place
from pathfm.benchmarks.preparing import prepare
from pathfm.cli import main
from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet, write_json
from tests.benchmarks.downloads import MAKERS, make_bach, make_crc_msi, make_mhist

MHIST = BENCHMARKS["mhist"]


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_prepared_benchmark_is_the_download_to_the_last_pixel(name, tmp_path, offline):
    found = BENCHMARKS[name].find(MAKERS[name](tmp_path / "download"))
    folder = prepare(BENCHMARKS[name], tmp_path / "download", tmp_path / "out", subset=True)
    theirs, ours = Benchmark.of_found(BENCHMARKS[name], found), READERS[name](str(tmp_path / "out"))
    for fact in ("task", "units", "labels", "roles", "patients", "digest", "unit", "release", "lacking"):
        assert getattr(ours, fact) == getattr(theirs, fact), fact
    for number in range(0, len(ours.units), 5):
        np.testing.assert_array_equal(ours.read(number), decoded(found.encoded(number), ""))
    assert READERS[name](str(folder)).units == ours.units
    assert "tensorflow" not in sys.modules


def test_many_shards_of_a_split_keep_the_publishers_order_and_need_no_tensorflow(tmp_path, monkeypatch):
    """TFDS would sort a split above a bound in files that it opens by TensorFlow; the bound is nothing here."""
    from tensorflow_datasets.core import shuffle

    from pathfm.benchmarks import builders

    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 0)
    monkeypatch.setattr(builders, "SHARD", 200_000)  # seven images of 96 × 96 px
    prepare(BENCHMARKS["pcam"], MAKERS["pcam"](tmp_path / "download"), tmp_path / "out", subset=True)
    assert len(list((tmp_path / "out").rglob("pcam-train.array_record-*-of-00006"))) == 6
    table = read_parquet(tmp_path / "out" / "pcam" / "1.0.0" / "images.parquet")
    assert (table.groupby("split")["record"].agg(list).map(lambda records: records == list(range(len(records))))).all()
    ours = READERS["pcam"](str(tmp_path / "out"))
    np.testing.assert_array_equal(ours.read(33), decoded(BENCHMARKS["pcam"].find(tmp_path / "download").encoded(33), ""))


def test_what_is_prepared_is_read_by_tfds_itself(tmp_path):
    import tensorflow_datasets as tfds

    prepare(BENCHMARKS["crc_msi"], make_crc_msi(tmp_path / "download"), tmp_path / "out", subset=True)
    ours = READERS["crc_msi"](str(tmp_path / "out"))
    numbers = {unit: number for number, unit in enumerate(ours.units)}
    seen = set()
    for split, role in (("train", "train"), ("test", "test")):
        source = tfds.data_source("crc_msi/224px", data_dir=tmp_path / "out", split=split)
        for example in source:
            number = numbers[example["unit"].decode()]
            assert (ours.roles[number], ours.labels[number]) == (role, BENCHMARKS["crc_msi"].classes[example["label"]])
            assert ours.patients[number] == example["patient"].decode()
            np.testing.assert_array_equal(ours.read(number), example["image"])
            seen.add(number)
    assert len(seen) == len(ours.units)


def test_a_part_of_a_download_is_refused_unless_asked_for_and_is_called_one(tmp_path, capsys):
    download = make_mhist(tmp_path / "download")
    with pytest.raises(InputError, match="is not the whole of MHIST: train has 4 of 2,175 images, test has 4 of 977 images; .* --subset"):
        prepare(MHIST, download, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert main(["benchmarks", "prepare", "mhist", str(download), "--out", str(tmp_path / "out"), "--subset"]) == 0
    assert f"--config.benchmarks.mhist={tmp_path / 'out' / 'mhist' / '1.0.0'}" in capsys.readouterr().err
    assert main(["benchmarks", "--out", str(tmp_path / "out")]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mhist"))
    assert "prepared (8 images, a part)" in line and "https://bmirds.github.io/MHIST" in line and "3,152" in line


def test_an_image_that_does_not_decode_or_was_resized_ends_in_one_sentence_and_nothing_half(tmp_path, monkeypatch):
    download = make_mhist(tmp_path / "download")
    other = replace(MHIST, releases={"": replace(MHIST.releases[""], pixels=(224, 225))})
    monkeypatch.setattr("pathfm.benchmarks.mhist.PUBLISHED", {"train": 4, "test": 4})
    with pytest.raises(InputError, match="MHIST_aaa.png has 224 × 224 pixels, not 224 × 225; it was resized"):
        prepare(other, download, tmp_path / "out")
    path = download / "images" / "MHIST_caa.png"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="MHIST_caa.png of MHIST does not decode as an image"):
        prepare(MHIST, download, tmp_path / "out")
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == [".lock"]


def test_resized_images_are_called_so_though_none_is_missing(tmp_path, monkeypatch, capsys):
    download = make_mhist(tmp_path / "download")
    picture = download / "images" / "MHIST_caa.png"
    Image.open(picture).resize((112, 100)).save(picture)
    known = replace(MHIST, releases={"": replace(MHIST.releases[""], images={"train": 4, "test": 4})})
    monkeypatch.setattr("pathfm.benchmarks.mhist.PUBLISHED", {"train": 4, "test": 4})
    monkeypatch.setitem(BENCHMARKS, "mhist", known)
    assert main(["benchmarks", "prepare", "mhist", str(download), "--out", str(tmp_path / "out"), "--subset"]) == 0
    said = "1 of 8 images are not of 224 × 224 pixels, the first MHIST_caa.png with 112 × 100"
    assert READERS["mhist"](str(tmp_path / "out")).lacking == READERS["mhist"](str(download)).lacking == said
    capsys.readouterr()
    assert main(["benchmarks", "--out", str(tmp_path / "out")]) == 0
    assert "prepared (8 images, resized)" in capsys.readouterr().out
    prepare(known, download, tmp_path / "out", subset=True)
    assert "is prepared already" in capsys.readouterr().err
    with pytest.raises(InputError, match="does not hold it as published .1 of 8 images are not of 224 × 224 pixels"):
        prepare(known, download, tmp_path / "out")


def test_what_is_lacking_and_what_was_resized_are_both_told(tmp_path):
    found = BENCHMARKS["bach"].find(make_bach(tmp_path / "download", range(2)))
    prepare(BENCHMARKS["bach"], tmp_path / "download", tmp_path / "out", subset=True)
    lacking = READERS["bach"](str(tmp_path / "out")).lacking
    assert lacking == f"{found.lacking}; 8 of 8 images are not of 2048 × 1536 pixels, the first Benign/b001.tif with 16 × 12"


KILLED = """
import os, signal
from pathlib import Path
from pathfm.benchmarks import BENCHMARKS
from pathfm.benchmarks.preparing import prepare
from dataclasses import replace
known = BENCHMARKS["mhist"]
def find(folder):
    found = known.find(folder)
    def encoded(number):
        if number == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return found.encoded(number)
    return replace(found, encoded=encoded)
prepare(replace(known, find=find), Path({download!r}), Path({out!r}), subset=True)
"""


@pytest.mark.slow
def test_a_killed_preparation_leaves_nothing_under_the_final_name_and_is_begun_anew(tmp_path, capsys):
    download, out = make_mhist(tmp_path / "download"), tmp_path / "out"
    process = subprocess.run([sys.executable, "-c", KILLED.format(download=str(download), out=str(out))], env=os.environ, check=False)
    assert process.returncode == -signal.SIGKILL
    place = Place(out, "mhist")
    assert place.partial.exists() and not place.final.exists()
    main(["benchmarks", "--out", str(out)])
    assert "unfinished" in capsys.readouterr().out
    prepare(MHIST, download, out, subset=True)
    assert not place.partial.exists() and READERS["mhist"](str(out)).units == READERS["mhist"](str(download)).units


def test_what_is_prepared_is_kept_and_a_part_is_not_taken_for_the_whole(tmp_path, capsys, monkeypatch):
    download = make_mhist(tmp_path / "download")
    folder = prepare(MHIST, download, tmp_path / "out", subset=True)
    before = (folder / NOTES).stat().st_mtime_ns
    assert prepare(MHIST, download, tmp_path / "out", subset=True) == folder
    assert "is prepared already" in capsys.readouterr().err and (folder / NOTES).stat().st_mtime_ns == before
    monkeypatch.setattr("pathfm.benchmarks.mhist.PUBLISHED", {"train": 6, "test": 4})
    for subset in (False, True):
        with pytest.raises(InputError, match="does not hold it as published .train has 4 of 2,175 images"):
            prepare(MHIST, make_mhist(tmp_path / "whole", images=10), tmp_path / "out", subset)


@pytest.mark.parametrize("asked", [True, False])
def test_a_full_disk_is_one_sentence_also_when_others_fill_it_meanwhile(asked, tmp_path, small_disk, monkeypatch):
    if not asked:
        monkeypatch.setattr("pathfm.benchmarks.preparing.ROOM", 0.0)
    download = MAKERS["crc_9"](tmp_path / "download") if asked else MAKERS["mhist"](tmp_path / "download", images=10)
    (small_disk / "others").write_bytes(bytes(1_600_000))
    with pytest.raises(InputError, match="cannot write .* free some space"):
        prepare(BENCHMARKS["crc_9" if asked else "mhist"], download, small_disk / "out", subset=True)
    assert [entry.name for entry in (small_disk / "out").iterdir()] == [".lock"]


def test_folders_that_are_not_prepared_name_the_command(tmp_path):
    make_bach(tmp_path / "download", range(2))
    with pytest.raises(InputError, match="holds no prepared BACH; .*`pathfm benchmarks prepare bach FOLDER --out DIR`"):
        READERS["bach"](str(tmp_path / "download"))
    for release in ("224px", "512px"):
        prepare(BENCHMARKS["crc_msi"], make_crc_msi(tmp_path / release, release, patients=1, tiles=1), tmp_path / "out", subset=True)
    with pytest.raises(InputError, match="holds CRC MSI in 2 forms; give one: .*224px.*512px"):
        READERS["crc_msi"](str(tmp_path / "out"))
    assert READERS["crc_msi"](str(tmp_path / "out" / "crc_msi" / "512px")).release == "512px"


def test_a_prepared_folder_that_was_changed_is_refused(tmp_path):
    folder = prepare(MHIST, make_mhist(tmp_path / "download"), tmp_path / "out", subset=True)
    write_json(read_json(folder / NOTES) | {"digest": "0" * 64}, folder / NOTES)
    with pytest.raises(InputError, match="is not the one that was prepared"):
        READERS["mhist"](str(folder))


def test_help_tasks_and_report_do_not_wait_for_tfds():
    heavy = "{'tensorflow_datasets', 'grain', 'jax'}"
    code = f"import sys, pathfm.cli, pathfm.tasks.registry, pathfm.tasks.images, pathfm.report.table; print({heavy} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"
