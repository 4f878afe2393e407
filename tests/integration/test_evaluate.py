"""Evaluation as a user runs it: base and tuned on a small cohort and a small benchmark, the table, and who must not be scored."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pathfm import evaluate, train
from pathfm.benchmarks import BENCHMARKS
from pathfm.benchmarks.preparing import prepare
from pathfm.cohort.folder import CohortFolder
from pathfm.cohort.splits import Splits, read_splits
from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet
from pathfm.probes.logistic import Logistic
from pathfm.probes.registry import PROBES
from pathfm.report.evaluations import Evaluation
from pathfm.report.table import make_table
from pathfm.settings.command_line import load
from pathfm.settings.evaluation import EvaluateConfig
from pathfm.settings.schema import from_dict
from pathfm.settings.training import TrainConfig
from tests.benchmarks.downloads import make_crc_msi
from tests.small_cohort import TILE, make_small_cohort

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

pytestmark = pytest.mark.slow


def trained(name, cohort, workdir, **changes):
    values = load(str(CONFIGS / f"{name}.py")) | {"cohort": str(cohort), "batch": 8, "train_for": "2 steps", "panel": "protein_coding"}
    train.run(from_dict(TrainConfig, values | changes), workdir)
    return workdir


def evaluated(checkpoint, cohort, workdir, **changes):
    values = load(str(CONFIGS / "evaluate.py")) | {"checkpoint": str(checkpoint), "cohort": str(cohort), "batch": 64, "permutations": 20}
    evaluate.run(from_dict(EvaluateConfig, values | changes), workdir)
    return workdir


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Eighty-four patients in two folds whose test patients are others."""
    folder = make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=84)
    table = read_splits(folder).table
    turned = table.replace({"role": {"test": "train", "train": "test"}}).assign(fold=1)
    Splits(pd.concat([table, turned], ignore_index=True), "patient", 0, "0.5,0.2,0.3").write(folder)
    return folder.root


@pytest.fixture(scope="module")
def mhist(tmp_path_factory):
    """Images in MHIST's layout; those of SSA are redder, and not all of them are of the tower's size."""
    folder = tmp_path_factory.mktemp("mhist")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(80):
        label = ("HP", "SSA")[number % 2]
        image = rng.integers(0, 200, (TILE + 8 * (number % 3), TILE + 4, 3)).astype(np.uint8)
        image[..., 0] += 50 * (label == "SSA")
        Image.fromarray(image).save(folder / "images" / f"image{number}.png")
        rows.append([f"image{number}.png", label, 3, "train" if number < 50 else "test"])
    columns = ["Image Name", "Majority Vote Label", "Number of Annotators who Selected SSA (Out of 7)", "Partition"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "annotations.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def runs(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    base = trained("views", cohort, folder / "base", model="demo")
    return base, trained("direct", cohort, folder / "direct", init=str(base))


@pytest.fixture(scope="module")
def evaluations(runs, cohort, mhist, tmp_path_factory):
    folder, benchmarks = tmp_path_factory.mktemp("evaluations"), {"mhist": str(mhist)}
    base = evaluated(runs[0], cohort, folder / "base", panel=str(runs[1]), benchmarks=benchmarks)
    return base, evaluated(runs[1], cohort, folder / "direct", benchmarks=benchmarks)


def test_base_and_tuned_are_scored_on_the_same_units_and_make_a_table(evaluations):
    base, tuned = map(Evaluation.read, evaluations)
    assert set(base.scores["task"]) == {"mhist", "cancer", "tp53", "expression"}
    assert base.units().keys() == tuned.units().keys()
    ours, theirs = base.files.read_tiles(), tuned.files.read_tiles()
    assert ours.table.equals(theirs.table) and not np.array_equal(ours.features, theirs.features)
    assert set(ours.table["patient"]) == set(patients_tested(base)) and (ours.table["cancer"] != "").all() and len(ours) > 100
    table = make_table(evaluations)
    assert [row.label for row in table.block("split")] == ["base", "direct", "direct, Δ"]
    cells = dict(zip(table.columns, table.block("split")[0].cells, strict=True))
    assert cells["MHIST"].value > 90  # a red channel is there to be seen by any tower
    assert cells["cancer"].value is not None and cells["BACH"].text == "–"


def patients_tested(evaluation):
    obs = evaluation.files.read_embeddings().obs
    return obs["patient"][obs["role"] == "test"].astype(str)


def test_every_test_patient_is_predicted_once_and_no_other(evaluations, cohort):
    predictions = read_parquet(evaluations[0] / "predictions.parquet")
    tested = set(read_splits(CohortFolder(cohort)).role(0, "test"))
    for fit in ("split", "held_out"):
        assert sorted(predictions["unit"][(predictions["task"] == "cancer") & (predictions["fit"] == fit)]) == sorted(tested)
    images = predictions[predictions["task"] == "mhist"]
    assert set(images["unit"]) == {f"image{number}.png" for number in range(50, 80)}


def test_a_prepared_benchmark_is_scored_and_its_patients_are_the_units(runs, cohort, tmp_path):
    prepare(BENCHMARKS["crc_msi"], make_crc_msi(tmp_path / "download", patients=12), tmp_path / "out", subset=True)
    done = evaluated(runs[0], cohort, tmp_path / "e", benchmarks={"crc_msi": str(tmp_path / "out")}, tasks=("crc_msi",))
    about = read_json(done / "evaluation.json")["benchmarks"]["crc_msi"]
    assert (about["release"], about["unit"], about["images"]) == ("224px", "patient", 96)
    assert about["seen_patients"] == {"train": 0, "test": 0} and about["lacking"].startswith("train has 48 of 93,408")
    assert read_parquet(done / "predictions.parquet")["patient"].nunique() == 24
    cell = dict(zip((table := make_table([done])).columns, table.block("split")[0].cells, strict=True))["CRC MSI"]
    assert cell.value > 90  # dark or bright is there to be seen by any tower


def test_few_patients_give_no_held_out_score_of_expression(evaluations):
    scores = Evaluation.read(evaluations[1]).scores
    held_out = scores[(scores["task"] == "expression") & (scores["fit"] == "held_out")]
    assert held_out["value"].isna().all() and held_out["too_small"].all()
    cells = make_table(evaluations).block("held_out")[0].cells
    assert cells[9].text.startswith("n too small (")


def test_another_evaluation_in_the_same_folder_leaves_nothing_of_the_first(runs, cohort, mhist, tmp_path):
    evaluated(runs[1], cohort, tmp_path, benchmarks={"mhist": str(mhist)}, tasks=("mhist", "expression"))
    assert (tmp_path / "expression_predictions.h5ad").exists() and (tmp_path / "predictions.parquet").exists()
    evaluated(runs[1], cohort, tmp_path, tasks=("tp53",))
    assert not (tmp_path / "expression_predictions.h5ad").exists()
    assert set(read_parquet(tmp_path / "predictions.parquet")["task"]) == {"tp53"}


def test_a_patient_whom_the_encoder_has_seen_is_not_scored(runs, cohort, tmp_path):
    for run in runs:  # the tuned run has seen its own training patients, and the base its own
        with pytest.raises(InputError, match=rf"{run.name} was trained on \d+ of the patients who would be scored"):
            evaluated(run, cohort, tmp_path / "fold1", fold=1)
    allowed = evaluated(runs[0], cohort, tmp_path / "allowed", fold=1, allow_seen_patients=True, tasks=("cancer",))
    assert read_json(allowed / "evaluation.json")["seen_patients_allowed"]


def resplit(cohort, folder, **roles):
    """The cohort in another folder, divided into these patients alone."""
    shutil.copytree(cohort, folder)
    table = [{"fold": 0, "patient": patient, "role": role} for role, patients in roles.items() for patient in patients]
    Splits(pd.DataFrame(table), "patient", 0, "0.5,0.2,0.3").write(CohortFolder(folder))
    return folder


@pytest.mark.long
def test_an_ancestors_patients_are_not_scored(runs, cohort, tmp_path):
    """Base: trained on some. Child: tuned from it on others. Neither may be scored on, and the base's are not the child's own."""
    splits = read_splits(CohortFolder(cohort))
    of_base, val, test = (splits.role(0, role) for role in ("train", "val", "test"))
    own, unseen = test[:16], test[16:]
    child = trained(
        "direct", resplit(cohort, tmp_path / "later", train=own, val=val[:6], test=unseen), tmp_path / "child", init=str(runs[0])
    )
    for scored, seen in ((of_base[:20], 20), (own[:9], 9), ([*unseen[:5], *of_base[:1]], 1)):
        others = [patient for patient in [*val, *unseen] if patient not in scored]
        elsewhere = resplit(cohort, tmp_path / f"scored{seen}", train=others[:-4], val=others[-4:], test=scored)
        with pytest.raises(InputError, match=f"child was trained on {seen} of the patients who would be scored"):
            evaluated(child, elsewhere, tmp_path / "evaluation", tasks=("cancer",))


@pytest.mark.long
def test_a_run_with_trained_attention_is_evaluated_by_it_and_compared_with_a_base_of_means(runs, evaluations, cohort, mhist, tmp_path):
    tuned = trained("direct", cohort, tmp_path / "attended", init=str(runs[0]), pooling="attention")
    done = evaluated(tuned, cohort, tmp_path / "evaluation", benchmarks={"mhist": str(mhist)})
    assert read_json(done / "evaluation.json")["pooling"] == "attention"
    assert read_json(evaluations[0] / "evaluation.json")["pooling"] == "mean"
    table = make_table([evaluations[0], done])
    assert [row.label for row in table.block("split")] == ["base", "direct", "direct, Δ"]
    assert any("trained attention" in note.text and "mean over the tiles" in note.text for note in table.notes)


def test_a_fit_that_does_not_converge_is_marked_in_the_table(runs, cohort, tmp_path, monkeypatch):
    monkeypatch.setitem(PROBES, "logistic", Logistic(steps=0))
    done = evaluated(runs[0], cohort, tmp_path, tasks=("cancer",))
    scores = read_parquet(done / "scores.parquet").set_index(["fit", "metric"])["unconverged"]
    assert (scores["split", "balanced_accuracy"], scores["held_out", "balanced_accuracy"]) == (1, 5)
    assert "] ‡ |" in make_table([done]).to_markdown()


def test_a_panel_that_was_fitted_on_scored_patients_is_refused(runs, cohort, tmp_path):
    other = trained("direct", cohort, tmp_path / "other", model="demo", fold=1)
    with pytest.raises(InputError, match=r"other was trained on \d+ of the patients who would be scored"):
        evaluated(runs[0], cohort, tmp_path / "evaluation", panel=str(other))


@pytest.mark.long
def test_the_fold_is_that_of_the_weights(cohort, tmp_path):
    other = trained("direct", cohort, tmp_path / "other", model="demo", fold=1)
    done = evaluated(other, cohort, tmp_path / "evaluation", tasks=("cancer",))
    assert read_json(done / "evaluation.json")["folds"] == [1]
    with pytest.raises(InputError, match="the split has no fold 7; its folds are 0, 1"):
        evaluated(other, cohort, tmp_path / "seven", fold=7)


def test_runs_on_other_tiles_are_not_compared(evaluations, tmp_path):
    base, tuned = evaluations
    about = read_json(tuned / "evaluation.json")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tuned.glob("*.*"):
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "evaluation.json").write_text(json.dumps(about | {"tiles_hash": "0" * 64}))
    with pytest.raises(InputError, match="their tiles differ"):
        make_table([base, copy])


def test_a_floor_is_a_row_of_the_table_below_its_base(runs, cohort, mhist, evaluations, tmp_path):
    colour = evaluated(runs[0], cohort, tmp_path / "colour", panel=str(runs[1]), floor="colour", benchmarks={"mhist": str(mhist)})
    about = read_json(colour / "evaluation.json")
    assert about["floor"] == {"kind": "colour", "under": Evaluation.read(evaluations[0]).weight_hash}
    table = make_table([*evaluations, colour])
    assert [row.label for row in table.block("split")] == ["base", "direct", "direct, Δ", "floor: colour"]
    cells = dict(zip(table.columns, table.block("split")[0].cells, strict=True))
    assert cells["MHIST"].at_floor and not any(cell.at_floor for row in table.block("split")[1:] for cell in row.cells)


def test_a_contrastive_run_is_asked_for_its_pairs_and_a_floor_under_it_is_not(runs, cohort, tmp_path):
    tuned = trained("contrastive", cohort, tmp_path / "contrastive", init=str(runs[0]))
    tasks = {"tasks": ("tp53", "retrieval")}
    scores = Evaluation.read(evaluated(tuned, cohort, tmp_path / "tuned", **tasks)).scores
    rows = scores[scores["task"] == "retrieval"].set_index("metric")
    assert (rows["column"] == "contrastive").all() and (rows["probe"] == "cosine").all() and not rows["headline"].any()
    assert rows.loc["image_to/chance/recall@10", "value"] == pytest.approx(10 / rows["n"].iloc[0])
    assert rows["value"].between(0, rows["n"].iloc[0]).all()
    alone = Evaluation.read(evaluated(tuned, cohort, tmp_path / "alone", floor="random", **tasks)).scores
    assert "retrieval" not in set(alone["task"])
