"""The whole way on small real files, through the script that a user may run; and every preparation command stopped and run again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from pathfm.cohort.folder import CohortFolder
from pathfm.files import read_json, read_parquet, sha256
from pathfm.weights.folder import open_weights

ROOT = Path(__file__).resolve().parents[2]
OBJECTIVES = ("direct", "contrastive")

pytestmark = pytest.mark.slow


def environment():
    """The interpreter of the tests first on the path, and one device: each step runs once and is soon compiled."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "JAX_NUM_CPU_DEVICES": "1"}


@pytest.fixture(scope="module")
def smoke(shared, tmp_path_factory):
    """The folder that the script leaves."""
    out = tmp_path_factory.mktemp("real")
    command = [ROOT / "tools" / "real_smoke.sh", shared, out]
    process = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-4000:]
    assert "real smoke: done" in process.stderr
    assert "not TPM" in process.stderr or "no TPM" in process.stderr
    return out


def test_real_slides_are_tiled_or_listed_with_the_reason(smoke):
    rows = {row["slide"]: row for row in read_parquet(smoke / "original" / "slides.parquet").to_dict("records")}
    assert {name: row["status"] for name, row in rows.items()} == {
        "CMU-1-Small-Region": "done",
        "TCGA-CR-7395-01A-01-TS1": "done",
        "broken": "failed",
    }
    assert rows["CMU-1-Small-Region"]["mpp"] == pytest.approx(0.499)
    assert rows["TCGA-CR-7395-01A-01-TS1"]["patient"] == "TCGA-CR-7395"
    without = read_parquet(smoke / "without-override" / "slides.parquet").set_index("slide")
    assert without.loc["TCGA-CR-7395-01A-01-TS1", "reason"] == "no mpp"


def test_real_tables_give_labels_of_real_patients(smoke):
    labels = read_parquet(smoke / "original" / "labels.parquet").set_index("patient")
    assert labels.loc["TCGA-3L-AA1B", "cancer"] == "COAD"
    assert labels.loc["TCGA-G7-6793", "kidney"] == "KIRP"
    assert labels["tp53"].value_counts().to_dict() == {"wild type": 178, "mutant": 15}


def test_the_cohort_of_real_pieces_has_every_role_and_class(smoke):
    folder = CohortFolder(smoke / "cohort")
    pairs, splits, labels = (read_parquet(path) for path in (folder.pairs, folder.splits, folder.labels))
    assert len(pairs) == pairs["patient"].nunique() == 72
    assert set(splits["role"]) == {"train", "val", "test"}
    tested = labels[labels["patient"].isin(splits["patient"][splits["role"] == "test"])]
    assert tested["cancer"].value_counts().min() >= 10
    assert tested["tp53"].value_counts().min() >= 10
    with h5py.File(folder.expression) as file:
        assert file["X"].shape == (72, 60_616)
        assert np.isfinite(file["X"][0]).all() and file["X"][0].max() > 5


def test_both_objectives_go_on_from_the_base(smoke):
    base = open_weights(smoke / "base")
    for name in OBJECTIVES:
        weights = open_weights(smoke / name)
        assert weights.card.base.weight_hash == base.card.weight_hash != weights.card.weight_hash
        assert weights.card.paired.features == len(weights.panel.genes) == 500
        assert weights.card.step == 4


def test_the_table_stands_and_is_marked_as_smoke(smoke):
    table = (smoke / "report" / "table.md").read_text(encoding="utf-8")
    page = (smoke / "report" / "report.html").read_text(encoding="utf-8")
    assert "smoke" in table.lower() and "smoke" in page.lower()
    for name in OBJECTIVES:
        assert f"| {name} |" in table
        scores = read_parquet(smoke / f"evaluate-{name}" / "scores.parquet")
        beside = {"confounds", "retrieval"} if name == "contrastive" else {"confounds"}
        assert set(scores["task"]) == {"cancer", "tp53", "expression"} | beside
        assert read_json(smoke / f"evaluate-{name}" / "evaluation.json")["smoke"] is True


def test_the_exported_tower_reads_and_names_no_patient(smoke):
    from safetensors.numpy import load_file

    tensors = load_file(smoke / "contrastive.safetensors")
    assert tensors["blocks.0.attn.qkv.weight"].shape == (384, 128)
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    card = (smoke / "contrastive.json").read_text(encoding="utf-8")
    assert not [patient for patient in open_weights(smoke / "contrastive").patients if patient in card]


def preparation(smoke, cohort):
    """The four commands by name, and what shows that each is at work."""
    given = smoke / "input"
    return {
        "tile": (["tile", given / "slides", "--cohort", cohort, "--tile", "96", "--workers", "1"], "tiles/*.parquet"),
        "expression": (["expression", given / "rna", "--sheet", given / "gdc_sample_sheet.tsv", "--cohort", cohort], ".expression.h5ad.*"),
        "labels": (["labels", "--clinical", given / "clinical.tsv", "--maf", given / "mutations.maf", "--cohort", cohort], ".*.partial"),
        "cohort": (["cohort", "--cohort", cohort, "--fractions", "0.5,0.16,0.34"], ".*.partial"),
    }


def pathfm(arguments):
    command = [sys.executable, "-m", "pathfm.cli", *map(str, arguments)]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def killed_at_work(arguments, cohort, sign):
    """Starts the command and kills it as soon as a file like `sign` is there; one that was quicker has ended by itself."""
    process = pathfm(arguments)
    while process.poll() is None and not list(cohort.glob(sign)):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def contents(folder):
    """What a later step reads: the rows of the tables, the tile records' hashes, the matrix."""
    tables = {path.name: read_parquet(path) for path in (folder.slides, folder.labels, folder.pairs, folder.splits)}
    tables |= {path.name: read_parquet(path) for path in sorted(folder.root.glob("tiles/*.parquet"))}
    with h5py.File(folder.expression) as file:
        matrix = file["X"][:], file["layers/counts"][:], file["obs/aliquot"][:]
    return tables, matrix, {path.name: sha256(path) for path in sorted(folder.root.glob("tiles/*.array_record"))}


def test_every_preparation_command_can_be_killed_and_run_again(smoke, tmp_path):
    folder = CohortFolder(tmp_path / "cohort")
    for name, (arguments, sign) in preparation(smoke, folder.root).items():
        killed_at_work(arguments, folder.root, sign)
        for _ in range(2):  # once to go on, and once when all is done
            process = pathfm(arguments)
            _, said = process.communicate()
            assert process.returncode == 0, (name, said)
    tables, matrix, records = contents(folder)
    whole_tables, whole_matrix, whole_records = contents(CohortFolder(smoke / "cohort"))
    assert records == whole_records
    assert tables.keys() == whole_tables.keys()
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, whole_tables[name])
    for here, there in zip(matrix, whole_matrix, strict=True):
        np.testing.assert_array_equal(here, there)
    assert json.loads(folder.manifest.read_text()).keys() == {"tile", "expression", "labels", "cohort"}
