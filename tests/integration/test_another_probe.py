"""Somebody else's probe, one class and one line to register it, and somebody else's features: both take part from config to table."""

import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from pathfm import evaluate
from pathfm.cohort.profiles import one_row_per_patient, open_profiles
from pathfm.cohort.splits import read_splits
from pathfm.errors import InputError
from pathfm.files import read_json, read_parquet, sha256, write_json
from pathfm.modalities.panel import fit_panel
from pathfm.models.vit import ViT, ViTSpec
from pathfm.probes.eva import Eva
from pathfm.probes.few_shot import FewShot
from pathfm.probes.mil import Mil
from pathfm.probes.protocol import Fitted
from pathfm.probes.registry import PROBES
from pathfm.probes.target import Classes, Values
from pathfm.report.folder import EvaluationFolder
from pathfm.report.table import make_table
from pathfm.settings.command_line import load, overridden
from pathfm.settings.evaluation import EvaluateConfig
from pathfm.settings.schema import from_dict
from pathfm.weights.card import Card, SeenModality
from pathfm.weights.folder import save_weights
from tests.small_cohort import TILE, make_small_cohort

CONFIG = str(Path(__file__).resolve().parents[2] / "configs" / "evaluate.py")

pytestmark = pytest.mark.slow


class Nearest:
    """k nearest neighbours, of classes or of values."""

    name, setting, takes, grid = "nearest", "k", (Classes, Values), np.array([1.0, 3.0, 9.0])

    def fit(self, features, target, weights):
        return (Neighbours(features[times > 0], target.take(times > 0), self.grid.astype(int)) for times in weights)


class Neighbours(Fitted):
    def __init__(self, features, target, grid):
        self.features, self.target, self.grid, self.converged = features, target, grid, np.ones(len(grid), bool)

    def predict(self, features, setting):
        distance = ((features[:, None].astype(float) - self.features[None]) ** 2).sum(axis=2)
        nearest = np.argsort(distance, axis=1, kind="stable")[:, : self.grid[setting]]
        if isinstance(self.target, Classes):
            return np.eye(self.target.count)[self.target.numbers[nearest]].mean(axis=1)
        return self.target.values[nearest].mean(axis=1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A hundred and sixty patients, of whom the test part is large enough for cross-validation of expression."""
    return make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=168, tiles=2)


@pytest.fixture(scope="module")
def encoder(cohort, tmp_path_factory):
    """Weights that were never trained, with the panel of the cohort's training patients."""
    spec = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=16, image_size=TILE)
    params = ViT(spec).init(jax.random.key(0), jnp.zeros((1, TILE, TILE, 3)))["params"]
    pairs = read_parquet(cohort.pairs)
    profiles = one_row_per_patient(open_profiles(cohort), pairs)
    projects = pairs.drop_duplicates("patient").set_index("patient")["project"]
    panel = fit_panel(profiles, read_splits(cohort).role(0, "train"), "protein_coding", projects)
    seen = SeenModality(choice="protein_coding", features=len(panel.genes), panel_hash=panel.hash)
    half = (0.5, 0.5, 0.5)
    card = Card(
        name="tiny", objective="imported", architecture=spec, mean=half, std=half, tile=TILE, mpp=0.5, modalities={"expression": seen}
    )
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_weights(folder, {"image": params}, card, {"expression": panel})
    return folder


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(PROBES, Nearest.name, Nearest())


@pytest.fixture(scope="module")
def evaluated(cohort, encoder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")

    def run(workdir, *flags):
        values = load(CONFIG) | {
            "checkpoint": str(encoder),
            "cohort": str(cohort.root),
            "cache": str(cache),
            "permutations": 0,
        }
        evaluate.run(from_dict(EvaluateConfig, overridden(values, list(flags), EvaluateConfig, "evaluate")), workdir)
        return EvaluationFolder(workdir)

    return run


def test_it_takes_part_in_scores_predictions_and_table_beside_the_probes_of_today(evaluated, tmp_path):
    alone = evaluated(tmp_path / "alone")
    files = evaluated(tmp_path / "three", "--config.probes=('logistic', 'ridge', 'nearest')")
    scores = files.read_scores()
    knn = scores[scores["probe"] == "nearest"]
    assert set(zip(knn["task"], knn["fit"], strict=True)) >= {
        (task, fit) for task in ("cancer", "tp53", "expression") for fit in ("split", "held_out")
    }
    assert (knn["setting"] == "k").all() and knn.loc[knn["fit"] == "split", "chosen"].isin(Nearest.grid).all()
    assert knn.loc[knn["headline"], "value"].notna().all()

    others = scores[scores["probe"] != "nearest"].reset_index(drop=True)
    assert others.equals(alone.read_scores()[list(others)])  # nothing of the others changes
    table, before = make_table([files.path]), make_table([alone.path])
    assert [row.cells for row in table.block("split")] == [row.cells for row in before.block("split")]
    assert list(table.titles) == [("split", ""), ("held_out", ""), ("split", "nearest"), ("held_out", "nearest")]
    assert "**Probes fitted on the split's training patients (nearest)**" in table.to_markdown()
    for fit in ("split", "held_out"):
        cells = dict(zip(table.columns, table.block(fit, "nearest")[0].cells, strict=True))
        for metric, column in (("balanced_accuracy", "TP53"), ("within_cancer/mean_pearson", "expression")):
            value = knn.loc[(knn["column"] == column) & (knn["fit"] == fit) & (knn["metric"] == metric), "value"].item()
            assert cells[column].value == pytest.approx(100 * value)


def test_its_predictions_are_those_of_scikit_learn_at_the_chosen_k(evaluated, cohort, tmp_path):
    files = evaluated(tmp_path, "--config.probes=('nearest',)", "--config.tasks=('tp53',)")
    embeddings, predictions, scores = files.read_embeddings(), files.read_predictions(), files.read_scores()
    role, patients = embeddings.obs["role"].to_numpy(), embeddings.obs["patient"].astype(str).to_numpy()
    labels = read_parquet(cohort.labels).set_index("patient")["tp53"]
    values = np.asarray(embeddings.X, np.float64)
    k = int(scores.loc[(scores["fit"] == "split") & scores["headline"], "chosen"].item())
    reference = KNeighborsClassifier(k, algorithm="brute").fit(values[role == "train"], labels[patients[role == "train"]])
    ours = predictions[predictions["fit"] == "split"].set_index("unit")["prediction"][patients[role == "test"]]
    assert (ours.to_numpy(str) == reference.predict(values[role == "test"])).all()


def test_the_first_probe_that_takes_a_task_gives_its_headline(evaluated, tmp_path):
    files = evaluated(tmp_path, "--config.probes=('nearest', 'ridge')", "--config.tasks=('tp53', 'expression')")
    table = make_table([files.path])
    assert list(table.titles) == [("split", ""), ("held_out", ""), ("split", "ridge"), ("held_out", "ridge")]
    scores = files.read_scores()
    first, second = (dict(zip(table.columns, table.block("split", probe)[0].cells, strict=True)) for probe in ("", "ridge"))
    value = scores[(scores["fit"] == "split") & (scores["metric"] == "within_cancer/mean_pearson")].set_index("probe")["value"]
    assert first["expression"].value == pytest.approx(100 * value["nearest"], abs=1e-3)
    assert second["expression"].value == pytest.approx(100 * value["ridge"], abs=1e-3)
    assert first["TP53"].value is not None and second["TP53"].empty


def test_evaluations_by_other_probes_are_not_compared(evaluated, encoder, tmp_path):
    base = evaluated(tmp_path / "base", "--config.tasks=('tp53',)")
    tuned = evaluated(tmp_path / "tuned", "--config.tasks=('tp53',)", "--config.probes=('nearest',)")
    about = read_json(tuned.about)
    card = about["card"] | {"base": {"name": "tiny", "weight_hash": about["card"]["weight_hash"]}, "weight_hash": "1" * 64}
    write_json(about | {"card": card, "approach": "direct"}, tuned.about)
    with pytest.raises(InputError, match="cannot be compared: their options differ"):
        make_table([base.path, tuned.path])


def test_an_unknown_probe_is_named_and_a_task_that_none_takes_is_left_out_with_a_line(evaluated, tmp_path, capsys):
    with pytest.raises(InputError, match="there is no probe 'svm'; there are logistic, ridge, knn, few_shot, eva, mil, nearest"):
        evaluated(tmp_path, "--config.probes=('svm',)")
    with pytest.raises(InputError, match="probes must be one or more names, each once"):
        evaluated(tmp_path, "--config.probes=('ridge', 'ridge')")
    evaluated(tmp_path, "--config.probes=('ridge',)", "--config.tasks=('tp53', 'expression')")
    assert "tp53: left out, no probe among ridge can be fitted to it" in capsys.readouterr().err


def test_features_that_were_computed_elsewhere_stand_in_the_table_as_a_base_of_their_own(evaluated, encoder, tmp_path, capsys):
    """Of the very encoder they give its very scores, but for the images of benchmarks."""
    own = evaluated(tmp_path / "own", f"--config.panel={encoder}")
    file = tmp_path / "elsewhere.h5ad"
    shutil.copy(own.embeddings, file)
    done = evaluated(tmp_path / "done", f"--config.checkpoint={file}", f"--config.panel={encoder}")
    assert done.read_scores().equals(own.read_scores())
    assert read_json(done.about)["card"]["weight_hash"] == sha256(file)
    table = make_table([own.path, done.path])
    assert [row.label for row in table.block("split")] == ["base: tiny", "base: elsewhere"]
    assert any("features were brought" in note.text and "elsewhere" in note.text and note.kind == "warning" for note in table.notes)


def test_every_probe_of_the_package_has_its_block_and_the_features_of_the_others_stay_as_they_are(evaluated, tmp_path, monkeypatch):
    monkeypatch.setitem(PROBES, "few_shot", FewShot(draws=50))
    monkeypatch.setitem(PROBES, "eva", Eva(runs=2, most_steps=20))
    monkeypatch.setitem(PROBES, "mil", Mil(grid=np.array([1e-3]), seeds=2, epochs=2))
    names = ("logistic", "ridge", "knn", "few_shot", "eva", "mil")
    alone = evaluated(tmp_path / "alone", "--config.tasks=('tp53',)", "--config.probes=('logistic',)")
    files = evaluated(tmp_path / "all", "--config.tasks=('tp53', 'expression')", f"--config.probes={names}")
    scores = files.read_scores()
    assert {(probe, task) for probe, task in zip(scores["probe"], scores["task"], strict=True)} == {
        *((probe, "tp53") for probe in ("logistic", "knn", "few_shot", "eva", "mil")),
        ("ridge", "expression"),
        ("knn", "expression"),
    }
    np.testing.assert_allclose(files.read_embeddings().X, alone.read_embeddings().X, atol=1e-6)  # means, and means of tiles that were kept
    table = make_table([files.path])
    for probe in ("few_shot", "eva", "mil"):
        cell = dict(zip(table.columns, table.block("split", probe)[0].cells, strict=True))["TP53"]
        own = scores[(scores["probe"] == probe) & (scores["fit"] == "split")].set_index("metric")["value"]
        assert cell.value == pytest.approx(100 * own["balanced_accuracy"]) and cell.low < cell.value < cell.high
        assert own["balanced_accuracy_sd_over_models"] >= 0
    assert read_json(files.about)["options"]["tiles_per_bag"] == 256
