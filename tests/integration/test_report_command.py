"""`pathfm report` as a user runs it: four files and a verdict, or one sentence and nothing written."""

import subprocess
import sys

from pathfm.cli import main
from tests.evaluation_folders import write_evaluation, write_runs


def test_the_command_writes_the_table_and_the_page(tmp_path):
    runs = write_runs(tmp_path / "runs", smoke=True, test=40)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "pathfm.cli", "report", *map(str, runs), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Direct moved" in done.stdout and str(out) in done.stdout
    assert sorted(path.name for path in out.iterdir()) == [
        "genes.parquet",
        "report.html",
        "table.csv",
        "table.md",
        "table.parquet",
        "table.tex",
    ]
    assert "| base |" in (out / "table.md").read_text(encoding="utf-8")


def test_a_training_run_given_by_mistake_ends_with_one_sentence(tmp_path, capsys):
    (tmp_path / "run" / "weights").mkdir(parents=True)
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "evaluate it first" in message and message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_runs_of_different_splits_are_refused_and_nothing_is_written(tmp_path, capsys):
    base = write_evaluation(tmp_path / "base", "base", weight_hash="a" * 64)
    of_base = {"name": "base", "weight_hash": "a" * 64}
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=of_base, split_hash="6" * 64)
    assert main(["report", str(base), str(tuned), "--out", str(tmp_path / "out")]) == 2
    assert "splits differ" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_tuned_run_without_its_base_is_refused(tmp_path, capsys):
    of_base = {"name": "base", "weight_hash": "a" * 64}
    tuned = write_evaluation(tmp_path / "direct", "direct", weight_hash="1" * 64, base=of_base)
    assert main(["report", str(tuned), "--out", str(tmp_path / "out")]) == 2
    assert "whose evaluation is not given" in capsys.readouterr().err


def test_ids_are_listed_only_when_asked_for(tmp_path):
    runs = write_runs(tmp_path / "runs", test=40)
    for run in runs:
        (run / "embeddings.h5ad").unlink()
    for flag, named in (([], False), (["--with-ids"], True)):
        assert main(["report", *map(str, runs), "--out", str(tmp_path / "out"), *flag]) == 0
        assert ("TCGA-" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")) is named
