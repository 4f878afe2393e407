"""Floors: an untrained tower of the same architecture, and colours alone; both go through the store as weights do."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pathfm.features.encoder import Encoder
from pathfm.features.floors import floor_of
from pathfm.features.store import FeatureStore
from pathfm.files import read_parquet
from pathfm.models.vit import ViTSpec
from pathfm.objectives.image_tower import ImageTower
from pathfm.slides.records import TileRecords, decode_tile
from pathfm.weights.card import Base, Card
from pathfm.weights.folder import Weights
from tests.small_cohort import TILE, make_small_cohort

HALF = (0.5, 0.5, 0.5)
SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=16, image_size=TILE)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    known = {"name": "tiny", "objective": "direct", "architecture": SPEC, "mean": HALF, "std": HALF, "tile": TILE, "mpp": 0.5}
    card = Card(**known, weight_hash="a" * 64, base=Base(name="base", weight_hash="b" * 64))
    return Weights(tmp_path_factory.mktemp("weights"), card, jax.tree.map(np.asarray, ImageTower(SPEC).init(jax.random.key(5))))


def leaves(encoder):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(encoder.params)])


def test_a_random_floor_has_the_architecture_and_none_of_the_weights_and_is_a_function_of_its_seed(weights):
    (one, card), (same, _), (other, other_card) = (floor_of(weights, "random", seed) for seed in (0, 0, 1))
    assert jax.tree.map(np.shape, one.params) == jax.tree.map(np.shape, Encoder.of(weights).params)
    np.testing.assert_array_equal(leaves(one), leaves(same))
    assert not np.array_equal(leaves(one), leaves(other)) and not np.array_equal(leaves(one), leaves(Encoder.of(weights)))
    assert card["weight_hash"] not in (other_card["weight_hash"], weights.card.weight_hash)
    assert card["name"] == "floor: random weights" and card["base"] is None
    assert (one.tile, one.mean, one.std) == (TILE, HALF, HALF)


def test_colours_are_mean_and_sd_of_rgb_and_of_optical_density_and_a_patients_are_the_mean_over_its_slides(weights, tmp_path):
    folder = make_small_cohort(tmp_path / "cohort", patients=6)
    encoder, card = floor_of(weights, "colour", 0)
    assert card["name"] == "floor: colour"
    patients, features = FeatureStore(encoder, tmp_path / "cache", 8).patients(folder, slides := read_parquet(folder.slides))
    for patient, feature in zip(patients, features, strict=True):
        of_slides = []
        for slide in slides[slides["patient"] == patient].itertuples():
            records = TileRecords(folder.records(slide.slide)).read(np.arange(slide.tiles))
            tiles = [decode_tile(data, TILE).reshape(-1, 3).astype(float) for data in records]
            parts = [(pixels / 255, -np.log10((pixels + 1) / 256)) for pixels in tiles]
            of_slides.append(
                np.mean([np.concatenate([f(one, axis=0) for one in pair for f in (np.mean, np.std)]) for pair in parts], axis=0)
            )
        np.testing.assert_allclose(feature, np.mean(of_slides, axis=0), rtol=1e-4)


def test_a_floor_is_kept_apart_from_the_weights_it_lies_under(weights, tmp_path):
    folder = make_small_cohort(tmp_path / "cohort", patients=6)
    slides = read_parquet(folder.slides)
    for encoder in (Encoder.of(weights), *(floor_of(weights, kind, 0)[0] for kind in ("random", "colour"))):
        FeatureStore(encoder, tmp_path / "cache", 8).patients(folder, slides)
    assert len(list((tmp_path / "cache").iterdir())) == 3
    attended = replace(weights, card=replace(weights.card, pooling="attention"))
    assert floor_of(attended, "random", 0)[0].pooling == "attention"
