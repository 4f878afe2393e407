"""Trained attention pooling: a patient's feature is what the run's own tower makes of all of its tiles."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.features.encoder import Encoder
from pathfm.features.store import FeatureStore
from pathfm.files import read_parquet
from pathfm.models.images import normalised
from pathfm.models.vit import ViTSpec
from pathfm.objectives.image_tower import ImageTower
from pathfm.slides.records import TileRecords, decode_tile, write_records
from pathfm.weights.card import Card
from pathfm.weights.folder import Weights
from tests.small_cohort import TILE, make_small_cohort

HALF = (0.5, 0.5, 0.5)
SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=16, image_size=TILE)
TOWER = ImageTower(SPEC, "attention")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("cohort"), patients=12)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    known = {"name": "tiny", "objective": "direct", "architecture": SPEC, "mean": HALF, "std": HALF, "tile": TILE, "mpp": 0.5}
    card = Card(**known, weight_hash="a" * 64, pooling="attention")
    params = jax.tree.map(lambda leaf: 3 * leaf, TOWER.init(jax.random.key(1)))  # attention that tells tiles apart
    return Weights(tmp_path_factory.mktemp("weights"), card, params)


def store(weights, cache, **options):
    return FeatureStore(Encoder.of(weights), cache, 8, **options)


def of_patient(weights, folder, slides, patient):
    """By the tower that was trained, from the pixels of all tiles in one bag."""
    names = sorted(slides["slide"][slides["patient"] == patient])
    records = [data for name in names for data in TileRecords(folder.records(name)).read(range(len(TileRecords(folder.records(name)))))]
    tiles = np.stack([decode_tile(data, TILE) for data in records if data[:2] == b"\xff\xd8"])
    return TOWER.bags(weights.params, normalised(jnp.asarray(tiles), HALF, HALF)[None], jnp.ones((1, len(tiles)), bool))[0]


def test_a_patients_feature_is_the_towers_own_over_all_tiles_of_all_slides(weights, folder, tmp_path):
    slides = read_parquet(folder.slides)
    features = store(weights, tmp_path).features(folder, slides)
    assert features.pooling == "attention" and features.patients == sorted(set(slides["patient"]))
    assert slides["patient"].duplicated().any()  # some have two slides
    for patient, feature in zip(features.patients, features.matrix, strict=True):
        np.testing.assert_allclose(feature, of_patient(weights, folder, slides, patient), atol=1e-4)
    without = Weights(weights.path, replace(weights.card, pooling="mean"), {"image": weights.params["image"]})
    mean = store(without, tmp_path).features(folder, slides)
    assert mean.pooling == "mean"
    several = [number for number, patient in enumerate(features.patients) if (slides["patient"] == patient).sum() == 1]
    assert np.abs(features.matrix[several] - mean.matrix[several]).max() > 0.05  # the two poolings differ


def test_tiles_are_kept_and_read_again_and_other_attention_over_them_is_not_mistaken_for_this(weights, folder, tmp_path):
    slides = read_parquet(folder.slides)
    first = store(weights, tmp_path).features(folder, slides).matrix
    paths = sorted(tmp_path.rglob("*.npy"))
    assert len(paths) == len(slides)
    before = [path.stat().st_mtime_ns for path in paths]
    np.testing.assert_array_equal(store(weights, tmp_path).features(folder, slides).matrix, first)
    other = Weights(weights.path, weights.card, weights.params | {"pooling": TOWER.init(jax.random.key(9))["pooling"]})
    assert np.abs(store(other, tmp_path).features(folder, slides).matrix - first).max() > 1e-3
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_a_tile_that_does_not_decode_is_in_no_bag(weights, tmp_path, capsys):
    folder = make_small_cohort(tmp_path / "cohort", patients=6)
    slides = read_parquet(folder.slides)
    slide = next(row for row in slides.itertuples() if row.tiles == 6)
    data = TileRecords(folder.records(slide.slide)).read(range(6))
    write_records(folder.records(slide.slide), [b"no image" if number in (0, 3) else one for number, one in enumerate(data)])
    features = store(weights, tmp_path / "cache").features(folder, slides)
    assert "record 3 does not decode" in capsys.readouterr().err
    found = features.matrix[features.patients.index(slide.patient)]
    np.testing.assert_allclose(found, of_patient(weights, folder, slides, slide.patient), atol=1e-4)


def test_a_bag_is_filled_up_without_a_trace(weights):
    encoder = Encoder.of(weights)
    tiles = np.random.default_rng(0).normal(size=(70, 16)).astype(np.float32)
    alone = TOWER.pooled(weights.params, jnp.asarray(tiles)[None], jnp.ones((1, 70), bool))[0]
    np.testing.assert_allclose(encoder.pooled(tiles), alone, atol=1e-6)
    np.testing.assert_allclose(encoder.pooled(tiles[:1]), tiles[0], atol=1e-6)  # of one tile it is the tile's own
