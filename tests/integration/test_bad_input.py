"""What a user does wrong, as a user meets it: exit code 2, one sentence with file and place, and nothing half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.errors import DONE, WRONG_INPUT
from tests.small_cohort import make_small_cohort, write_expression

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
SHEET = ["File ID", "File Name", "Data Type", "Project ID", "Case ID", "Sample ID"]

IMPORTS = """
import contextlib, io, runpy, sys
for line in sys.stdin.read().splitlines():
    module, *sys.argv[1:] = line.split("|")
    code, out = None, io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as end:
            code = end.code
    heavy = [name for name in ("jax", "numpy", "pandas", "grain") if name in sys.modules]
    print(code, len(out.getvalue().splitlines()), *heavy)
"""


def run(*command, **options):
    """The finished process of `python -m …`, on one device."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1"}
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, **options
    )


def pathfm(*arguments, **options):
    return run("pathfm.cli", *arguments, **options)


def train(name, cohort, workdir, *settings, **options):
    small = ["--config.model=demo", "--config.batch=8", "--config.train_for=2 steps", "--config.panel=protein_coding"]
    return run(
        "pathfm.train",
        *["--config", CONFIGS / f"{name}.py", f"--config.cohort={cohort}", *small, *settings, "--workdir", workdir],
        **options,
    )


def evaluate(checkpoint, cohort, workdir, *settings):
    given = [f"--config.checkpoint={checkpoint}", f"--config.cohort={cohort}", *settings]
    return run("pathfm.evaluate", "--config", CONFIGS / "evaluate.py", *given, "--workdir", workdir)


def refused(process, *words):
    """Exit code 2, no traceback, and the last line of standard error is the sentence: it holds all `words`."""
    assert process.returncode == WRONG_INPUT, process.stderr
    assert "Traceback" not in process.stderr
    sentence = process.stderr.strip().splitlines()[-1]
    assert sentence.startswith(("pathfm ", "python -m pathfm.")), process.stderr
    assert not [word for word in map(str, words) if word not in sentence], sentence


def partial(folder):
    return sorted(folder.rglob("*.partial"))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def tuned(cohort, tmp_path_factory):
    """A finished run of the direct objective, two steps from scratch."""
    workdir = tmp_path_factory.mktemp("runs") / "direct"
    process = train("direct", cohort.root, workdir)
    assert process.returncode == DONE, process.stderr
    return workdir


@pytest.fixture
def copy(tmp_path):
    return make_small_cohort(tmp_path / "cohort")


def test_help_and_mistakes_in_a_config_answer_without_the_heavy_imports():
    names = ["demo", "tile", "expression", "labels", "cohort", "train", "evaluate", "report", "export"]
    lines = ["pathfm.cli|--help", *(f"pathfm.cli|{name}|--help" for name in names), "pathfm.train|--help", "pathfm.evaluate|--help"]
    mistakes = [
        "pathfm.train|--nonsense",
        "pathfm.train|--config|no/such/file.py|--workdir|x",
        "pathfm.train|--config|configs/direct.py|--config.learning_rte=1|--workdir|x",
        "pathfm.train|--config|configs/direct.py|--config.cohort=x|--config.batch=many|--workdir|x",
        "pathfm.evaluate|--config|configs/evaluate.py|--config.chekpoint=x|--workdir|x",
        "pathfm.evaluate|--config|configs/evaluate.py|--workdir|x",
    ]
    command = [sys.executable, "-c", IMPORTS]
    process = subprocess.run(command, cwd=ROOT, input="\n".join(lines + mistakes), capture_output=True, text=True, check=True)
    answers = [line.split() for line in process.stdout.splitlines()]
    assert [(code, heavy) for code, _, *heavy in answers] == [("0", [])] * len(lines) + [("2", [])] * len(mistakes)
    assert [length for _, length, *_ in answers[len(lines) :]] == ["1"] * len(mistakes)


def test_an_unknown_config_key_names_the_nearest_known_one(tmp_path):
    workdir = tmp_path / "run"
    refused(train("direct", tmp_path, workdir, "--config.optimizer.learning_rte=1"), "config.optimizer.learning_rte", "learning_rate")
    assert not workdir.exists()


def test_a_cohort_that_does_not_exist(tmp_path):
    refused(pathfm("cohort", "--cohort", tmp_path / "nowhere"), "there is no cohort folder", tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_cohort_without_expression_is_not_paired(copy):
    copy.expression.unlink()
    before = copy.pairs.read_bytes(), copy.splits.read_bytes()
    refused(pathfm("cohort", "--cohort", copy.root), copy.root, "no expression.h5ad", "pathfm expression")
    assert (copy.pairs.read_bytes(), copy.splits.read_bytes()) == before


def test_an_empty_role_is_refused_with_the_numbers(copy):
    copy.splits.unlink()
    refused(pathfm("cohort", "--cohort", copy.root, "--folds", 5), "a role would be empty", "5 sites", "there are 4", "fewer folds")
    assert not copy.splits.exists()
    assert not partial(copy.root)


@pytest.mark.parametrize("name", ["../../outside.tsv", "/etc/outside.rna_seq.augmented_star_gene_counts.tsv"])
def test_a_file_name_of_a_sheet_that_leads_out_of_its_folder(name, tmp_path):
    sheet, folder = tmp_path / "sheet.tsv", tmp_path / "rna"
    folder.mkdir()
    row = ["0b5a", name, "Gene Expression Quantification", "TCGA-BRCA", "TCGA-A1-A0SB", "TCGA-A1-A0SB-01A"]
    pd.DataFrame([row], columns=SHEET).to_csv(sheet, sep="\t", index=False)
    refused(pathfm("expression", folder, "--sheet", sheet, "--cohort", tmp_path / "cohort"), name, "leads out of", folder)
    assert not (tmp_path / "cohort" / "expression.h5ad").exists()


def test_an_expression_file_cut_short_leaves_no_matrix(tmp_path):
    sheet, folder = tmp_path / "sheet.tsv", tmp_path / "rna"
    file = folder / "0b5a" / "x.rna_seq.augmented_star_gene_counts.tsv"
    file.parent.mkdir(parents=True)
    file.write_text("# gene-model: GENCODE v36\n")
    row = ["0b5a", file.name, "Gene Expression Quantification", "TCGA-BRCA", "TCGA-A1-A0SB", "TCGA-A1-A0SB-01A"]
    pd.DataFrame([row], columns=SHEET).to_csv(sheet, sep="\t", index=False)
    refused(pathfm("expression", folder, "--sheet", sheet, "--cohort", tmp_path / "cohort"), sheet, "truncated: 1", file.name)
    assert not (tmp_path / "cohort" / "expression.h5ad").exists()


@pytest.mark.slow
def test_training_on_a_cohort_without_expression(copy, tmp_path):
    copy.expression.unlink()
    refused(train("direct", copy.root, tmp_path / "run"), copy.root, "no expression.h5ad", "pathfm expression")
    assert not (tmp_path / "run" / "weights").exists()


@pytest.mark.slow
def test_training_on_a_split_with_an_empty_role(copy, tmp_path):
    from pathfm.cohort.splits import Splits, read_splits

    table = read_splits(copy).table.replace({"role": {"val": "train"}})
    Splits(table, "patient", 0, "0.5,0.2,0.3").write(copy)
    refused(train("views", copy.root, tmp_path / "run"), "fold 0", "no val patients", "pathfm cohort")
    assert not (tmp_path / "run" / "weights").exists()


def test_parts_that_do_not_make_up_the_batch(copy, tmp_path):
    refused(train("views", copy.root, tmp_path / "run", "--config.microbatch=3"), "microbatch=3", "batch of 8 patients")
    assert not (tmp_path / "run" / "weights").exists()


@pytest.mark.slow
def test_a_run_folder_of_another_config_is_left_as_it_was(cohort, tuned):
    before = (tuned / "config.json").read_bytes(), (tuned / "metrics.jsonl").read_bytes()
    refused(train("direct", cohort.root, tuned, "--config.seed=1"), tuned, "another config", "--workdir")
    assert ((tuned / "config.json").read_bytes(), (tuned / "metrics.jsonl").read_bytes()) == before


@pytest.mark.slow
def test_the_weights_of_an_unfinished_run_are_not_there_to_export(tuned, tmp_path):
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "config.json").write_bytes((tuned / "config.json").read_bytes())
    refused(pathfm("export", "--checkpoint", unfinished, "--out", tmp_path / "x.safetensors"), unfinished, "not finished")
    assert not list(tmp_path.glob("*x.*"))


def cut_short(folder):
    """The largest file of what Orbax wrote there loses its second half."""
    largest = max((file for file in folder.rglob("d/*") if file.is_file()), key=lambda file: file.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


@pytest.mark.slow
@pytest.mark.long
def test_weights_and_a_checkpoint_that_are_cut_short(cohort, tuned, tmp_path):
    run_folder = tmp_path / "run"
    shutil.copytree(tuned, run_folder)
    cut_short(run_folder / "weights" / "params")
    out = tmp_path / "out.safetensors"
    refused(pathfm("export", "--checkpoint", run_folder, "--out", out), run_folder / "weights" / "params", "take a fresh copy")
    assert not out.exists()
    shutil.rmtree(run_folder / "weights")
    cut_short(run_folder / "checkpoints" / "2")
    refused(train("direct", cohort.root, run_folder), run_folder / "checkpoints" / "2", "byte range", "damaged", "an earlier one")
    assert not (run_folder / "weights").exists()


@pytest.mark.slow
def test_expression_of_other_genes_than_the_checkpoint_has(copy, tuned, tmp_path):
    import anndata
    import numpy as np

    patients = sorted(anndata.read_h5ad(copy.expression).obs["patient"])
    write_expression(copy, patients, np.ones((len(patients), 10), np.float32))
    process = evaluate(tuned, copy.root, tmp_path / "evaluation")
    refused(process, "lacks 30 of the 40 genes of the panel", "ENSG00000000010", copy.expression)
    assert not (tmp_path / "evaluation").exists()


@pytest.mark.slow
def test_a_folder_that_is_not_the_benchmark_is_refused_before_any_work(cohort, tuned, tmp_path):
    process = evaluate(tuned, cohort.root, tmp_path / "evaluation", f"--config.benchmarks.mhist={tmp_path}")
    refused(process, tmp_path, "is not MHIST", "annotations.csv")
    assert not (tmp_path / "evaluation").exists()


def test_a_full_disk_while_expression_is_written(small_disk, tmp_path):
    import numpy as np

    from pathfm.demo.omics import gene_table
    from pathfm.sources.star import write_star_counts

    genes, generator = gene_table(), np.random.default_rng(0)
    tpm = generator.random(len(genes))
    file = tmp_path / "rna" / "0b5a" / "x.rna_seq.augmented_star_gene_counts.tsv"
    write_star_counts(file, genes, generator.integers(0, 2**30, len(genes)), tpm * (1e6 / tpm.sum()))
    sheet = tmp_path / "sheet.tsv"
    rows = [["0b5a", file.name, "Gene Expression Quantification", "TCGA-BRCA", "TCGA-A1-A0SB", "TCGA-A1-A0SB-01A"]]
    pd.DataFrame(rows, columns=SHEET).to_csv(sheet, sep="\t", index=False)
    (small_disk / "filler").write_bytes(bytes((2 << 20) - (200 << 10)))
    cohort = CohortFolder(small_disk / "cohort")
    refused(pathfm("expression", tmp_path / "rna", "--sheet", sheet, "--cohort", cohort.root), cohort.expression, "No space left")
    assert not cohort.expression.exists()
    assert not partial(small_disk)


@pytest.mark.slow
@pytest.mark.long
def test_a_full_disk_while_an_evaluation_is_written(cohort, tuned, small_disk):
    workdir = small_disk / "evaluation"
    (small_disk / "filler").write_bytes(bytes((2 << 20) - (60 << 10)))
    refused(evaluate(tuned, cohort.root, workdir), workdir, "free some space")
    assert not (workdir / "evaluation.json").exists()
    assert not partial(small_disk)


@pytest.mark.slow
@pytest.mark.long
def test_a_full_disk_while_a_checkpoint_or_weights_are_saved(cohort, tuned, small_disk):
    run_folder = small_disk / "run"
    refused(train("direct", cohort.root, run_folder), run_folder, "free some space")
    assert not (run_folder / "weights").exists()

    shutil.rmtree(run_folder)
    (small_disk / "filler").write_bytes(bytes(1 << 20))
    out = small_disk / "tower.safetensors"
    refused(pathfm("export", "--checkpoint", tuned, "--out", out), out, "free some space")
    assert not out.exists()
    assert not partial(small_disk)
