"""The panel that a base's features choose: the planted genes, from training patients alone, whatever else there is to read."""

from dataclasses import replace

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.cohort.opened import Cohort
from pathfm.errors import InputError
from pathfm.features import predictable
from pathfm.features.encoder import Encoder
from pathfm.features.predictable import chosen, mean_features, predictable_panel
from pathfm.input.bags import index_tiles
from pathfm.modalities.modality import Modality
from pathfm.modalities.panel import Panel
from pathfm.models.images import normalised
from pathfm.models.vit import ViT, ViTSpec
from pathfm.probes import cross_fitted
from pathfm.probes.cross_fitted import Shown
from pathfm.slides.records import TileRecords, decode_tile, write_records
from pathfm.weights.card import Card
from pathfm.weights.folder import Weights
from tests.small_cohort import GENES, TILE, make_small_cohort

HALF = (0.5, 0.5, 0.5)
SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=16, image_size=TILE)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(cross_fitted, "SHUFFLED", 1000)
    monkeypatch.setattr(predictable, "LEAST", 5)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    known = {"name": "tiny", "objective": "views", "architecture": SPEC, "mean": HALF, "std": HALF, "tile": TILE, "mpp": 0.5}
    params = ViT(SPEC).init(jax.random.key(0), jnp.zeros((1, TILE, TILE, 3)))["params"]
    return Weights(tmp_path_factory.mktemp("weights"), Card(**known, weight_hash="a" * 64), {"image": params})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A hidden number of each patient drives the red of its tiles and the first half of the genes."""
    return Cohort.open(make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=96).root)


def learned(cohort, base, count=GENES):
    return predictable_panel(Cohort.open(cohort.folder.root), 0, "expression", base, count)


def numbers(panel):
    return [int(gene[4:]) for gene in panel.genes]


def test_the_genes_are_those_that_the_tiles_show_with_their_r_and_the_usual_scale(cohort, base, capsys):
    panel = learned(cohort, base)
    assert numbers(panel) == list(range(GENES // 2))
    assert panel.r.min() > 0.3 and len(panel.r) == GENES // 2
    said = capsys.readouterr().err
    assert "tiles of 48 training patients go through the base, at most 32 of each" in said
    assert f"of {GENES} candidates {GENES // 2} show in the base's features beyond chance; the best {GENES // 2} are taken" in said
    fewer = learned(cohort, base, 7)
    best = np.argsort(-panel.r, kind="stable")[:7]
    assert fewer.genes == tuple(panel.genes[place] for place in sorted(best))
    people = cohort.people(0)
    assert fewer.refitted(cohort.matrix("expression"), people["patient"][people["role"] == "train"]).hash == fewer.hash


def test_validation_and_test_patients_change_nothing(cohort, base, tmp_path):
    folder = make_small_cohort(tmp_path / "other", patients=96)
    people = cohort.people(0)
    others = set(people["patient"][people["role"] != "train"])
    expression = anndata.read_h5ad(folder.expression)
    expression.X[expression.obs["patient"].isin(others).to_numpy()] = 9.0
    expression.write_h5ad(folder.expression)
    for slide in cohort.slides_of(others)["slide"]:
        folder.records(slide).write_bytes(b"nothing")
    panel, again = learned(cohort, base, 12), learned(Cohort.open(folder.root), base, 12)
    assert panel.hash == again.hash
    np.testing.assert_array_equal(panel.r, again.r)


def test_at_most_so_many_tiles_are_looked_at_and_bad_ones_left_out(base, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(predictable, "TILES_PER_PATIENT", 4)
    folder = make_small_cohort(tmp_path, patients=12)
    slides = Cohort.open(folder.root).slides
    patients = sorted(set(slides["patient"]))
    partly, wholly = slides["slide"][(slides["tiles"] == 6) & ~slides["patient"].duplicated(keep=False)][:2]
    for slide, numbers in ((partly, {2}), (wholly, set(range(6)))):
        data = TileRecords(folder.records(slide)).read(range(6))
        write_records(folder.records(slide), [b"no image" if number in numbers else one for number, one in enumerate(data)])
    found = mean_features(Encoder.of(base), index_tiles(folder, slides, patients))
    gone, there = patients.index(wholly[:12]), patients.index(partly[:12])
    assert np.isnan(found[gone]).all() and not np.isnan(np.delete(found, gone, axis=0)).any()
    expected = [decode_tile(data, TILE) for data in TileRecords(folder.records(partly)).read([0, 3, 5])]  # of 0, 2, 3 and 5
    outputs = ViT(SPEC).apply({"params": base.params["image"]}, normalised(np.stack(expected), HALF, HALF))
    np.testing.assert_allclose(found[there], np.mean(outputs, axis=0), atol=1e-5)
    said = capsys.readouterr().err
    assert f"{4 * 11 + 1} tiles of 12 training patients" in said and said.count("does not decode") == 5


def candidates(genes):
    panel = Panel(tuple(f"G{number}" for number in range(genes)), ("x",) * genes, np.zeros(genes), np.ones(genes), 5.0)
    return Modality("expression", panel, "none", {})


def test_genes_that_show_come_first_and_the_best_others_fill_up_with_a_warning(capsys):
    found = Shown(np.array([0.1, 0.9, np.nan, 0.5, 0.5, 0.6, 0.2]), np.array([0, 0, 0, 1, 1, 0, 0], bool))
    assert chosen(candidates(7), found, 1).genes == ("G3",)
    assert "warning" not in capsys.readouterr().err
    assert chosen(candidates(7), found, 10).genes == ("G1", "G3", "G4", "G5", "G6")
    assert "warning: panel: of 7 candidates 2 show in the base's features beyond chance; the best 5 are taken" in capsys.readouterr().err
    with pytest.raises(InputError, match="no expression varies"):
        chosen(candidates(2), Shown(np.full(2, np.nan), np.zeros(2, bool)), 10)


def test_too_few_patients_are_refused_and_a_base_that_knows_the_expression_is_named(cohort, base, capsys, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(InputError, match="48 training patients are too few"):
        patched.setattr(predictable, "LEAST_PATIENTS", 49)
        learned(cohort, base)
    knowing = replace(base, panels={"expression": candidates(1).panel}, patients=frozenset(cohort.people(0)["patient"]))
    learned(cohort, knowing, 5)
    assert "warning: the base was tuned with the expression of these patients" in capsys.readouterr().err
