"""Features of slides: means of the tower's output whatever the batch, tiles that do not decode, and the cache."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.features.encoder import Encoder
from pathfm.features.store import FeatureStore
from pathfm.files import read_parquet, write_parquet
from pathfm.models.images import normalised
from pathfm.models.vit import ViT, ViTSpec
from pathfm.slides.records import TileRecords, decode_tile, write_records
from pathfm.weights.card import Card
from pathfm.weights.folder import Weights
from tests.small_cohort import TILE, make_small_cohort

HALF = (0.5, 0.5, 0.5)
SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=16, image_size=TILE)


@pytest.fixture
def folder(tmp_path):
    return make_small_cohort(tmp_path / "cohort", patients=12)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    known = {"name": "tiny", "objective": "direct", "architecture": SPEC, "mean": HALF, "std": HALF, "tile": TILE, "mpp": 0.5}
    card = Card(**known, weight_hash="a" * 64)
    params = ViT(SPEC).init(jax.random.key(0), jnp.zeros((1, TILE, TILE, 3)))["params"]
    return Weights(tmp_path_factory.mktemp("weights"), card, {"image": params})


def extracted(weights, folder, cache, batch=8, tiles_per_slide=0):
    return FeatureStore(Encoder.of(weights), cache, batch, tiles_per_slide).patients(folder, read_parquet(folder.slides))


def by_hand(weights, folder, slide):
    """The mean output over the tiles of a slide that decode, one tile at a time."""
    records = TileRecords(folder.records(slide))
    tiles = [decode_tile(data, TILE) for data in records.read(range(len(records))) if data[:2] == b"\xff\xd8"]
    outputs = [ViT(SPEC).apply({"params": weights.params["image"]}, normalised(tile[None], HALF, HALF))[0] for tile in tiles]
    return np.mean(outputs, axis=0)


def damage(folder, slide, numbers):
    records = TileRecords(folder.records(slide))
    data = records.read(range(len(records)))
    write_records(folder.records(slide), [b"no image" if number in numbers else one for number, one in enumerate(data)])


def test_a_patients_feature_is_the_mean_over_tiles_then_over_slides(weights, folder, tmp_path):
    patients, features = extracted(weights, folder, tmp_path / "cache")
    slides = read_parquet(folder.slides)
    assert patients == sorted(set(slides["patient"]))
    for patient, feature in zip(patients, features, strict=True):
        names = slides["slide"][slides["patient"] == patient]
        np.testing.assert_allclose(feature, np.mean([by_hand(weights, folder, name) for name in names], axis=0), atol=1e-5)


@pytest.mark.parametrize("batch", [16, 64, 1000])
def test_a_batch_may_hold_parts_of_slides_or_many_slides(batch, weights, folder, tmp_path):
    expected = extracted(weights, folder, tmp_path / "a")
    other = extracted(weights, folder, tmp_path / "b", batch)
    assert other[0] == expected[0]
    np.testing.assert_allclose(other[1], expected[1], atol=1e-5)


def test_tiles_that_do_not_decode_are_named_and_left_out_and_so_is_a_slide_of_such_tiles(weights, folder, tmp_path, capsys):
    slides = read_parquet(folder.slides)
    partly, wholly = slides["slide"][(slides["tiles"] == 6) & ~slides["patient"].duplicated(keep=False)][:2]
    damage(folder, partly, {1, 4})
    damage(folder, wholly, set(range(6)))
    patients, features = extracted(weights, folder, tmp_path / "cache")
    assert wholly[:12] not in patients and len(patients) == 11
    np.testing.assert_allclose(features[patients.index(partly[:12])], by_hand(weights, folder, partly), atol=1e-5)
    told = capsys.readouterr().err
    assert f"slide {partly}, record 4 does not decode" in told
    assert f"no tile of slide {wholly} can be read" in told


def test_a_second_time_nothing_is_read_unless_weights_or_records_are_others(weights, folder, tmp_path):
    cache = tmp_path / "cache"
    first = extracted(weights, folder, cache)
    for path in folder.root.glob("tiles/*.array_record"):
        path.unlink()
    np.testing.assert_array_equal(extracted(weights, folder, cache)[1], first[1])
    others = Weights(weights.path, replace(weights.card, weight_hash="b" * 64), weights.params)
    with pytest.raises(InputError, match="missing or no whole file"):
        extracted(others, folder, cache)
    slides = read_parquet(folder.slides)
    write_parquet(slides.assign(records_sha256="c" * 64), folder.slides)
    with pytest.raises(InputError, match="missing or no whole file"):
        extracted(weights, folder, cache)


def test_bags_are_the_tiles_of_the_patients_in_the_order_of_their_features(weights, folder, tmp_path):
    slides = read_parquet(folder.slides)
    alone = extracted(weights, folder, tmp_path / "a")
    whole = FeatureStore(Encoder.of(weights), tmp_path / "b", 8, tiles_per_bag=1000).features(folder, slides)
    assert whole.patients == alone[0] and len(whole.bags) == len(alone[0])
    np.testing.assert_allclose(whole.matrix, alone[1], atol=1e-6)
    for patient, tiles, there in zip(whole.patients, whole.bags.tiles, whole.bags.mask, strict=True):
        own = slides[slides["patient"] == patient]
        expected = np.average([by_hand(weights, folder, name) for name in own["slide"]], axis=0, weights=own["tiles"])
        np.testing.assert_allclose(tiles[there].mean(axis=0), expected, atol=1e-5)
        assert there.sum() == own["tiles"].sum()
    few = FeatureStore(Encoder.of(weights), tmp_path / "b", 8, tiles_per_bag=2).features(folder, slides).bags
    np.testing.assert_array_equal(few.counts, np.minimum(whole.bags.counts, 2))
    np.testing.assert_array_equal(few.tiles[:, 0], whole.bags.tiles[:, 0])


def test_some_tiles_of_a_slide_are_spread_evenly_over_it(weights, folder, tmp_path):
    slides = read_parquet(folder.slides)
    slide = next(row.slide for row in slides.itertuples() if row.tiles == 6)
    damage(folder, slide, {1, 2, 4})
    one = slides[slides["slide"] == slide]
    _, some = FeatureStore(Encoder.of(weights), tmp_path / "some", 8, 3).patients(folder, one)
    records = [decode_tile(data, TILE) for data in TileRecords(folder.records(slide)).read([0, 5])]
    outputs = ViT(SPEC).apply({"params": weights.params["image"]}, normalised(np.stack(records), HALF, HALF))
    np.testing.assert_allclose(some[0], np.mean(outputs, axis=0), atol=1e-5)
