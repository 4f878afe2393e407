"""The sample of test tiles: bounded, drawn by names alone, computed in passing, and of slides that are cached by itself."""

import io
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pathfm.features.encoder import Encoder
from pathfm.features.store import FeatureStore
from pathfm.features.tile_sample import EDGE, MOST_BYTES, MOST_PATIENTS, MOST_TILES, chosen_tiles, thumbnail
from pathfm.files import read_parquet
from pathfm.models.images import normalised
from pathfm.models.vit import ViT, ViTSpec
from pathfm.objectives.image_tower import ImageTower
from pathfm.probes.bags import spread
from pathfm.slides.records import TileRecords, decode_tile, write_records
from pathfm.weights.card import Card
from pathfm.weights.folder import Weights
from tests.small_cohort import TILE, make_small_cohort

HALF = (0.5, 0.5, 0.5)
SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=16, image_size=TILE)


@pytest.fixture(scope="module")
def params():
    return jax.tree.map(np.asarray, ImageTower(SPEC).init(jax.random.key(0)))


@pytest.fixture
def encoder(params, tmp_path):
    known = {"name": "tiny", "objective": "direct", "architecture": SPEC, "mean": HALF, "std": HALF, "tile": TILE, "mpp": 0.5}
    return Encoder.of(Weights(tmp_path, Card(**known, weight_hash="a" * 64), params))


@pytest.fixture
def folder(tmp_path):
    return make_small_cohort(tmp_path / "cohort", patients=12)


@pytest.fixture
def asked(monkeypatch):
    """How many images were given to any encoder, those of padding with them."""
    counts, tiles = [], Encoder.__dict__["tiles"].func

    def counted(self):
        compute = tiles(self)

        def call(images):
            counts.append(int(images.any(axis=(1, 2, 3)).sum()))
            return compute(images)

        return call

    monkeypatch.setattr(Encoder, "tiles", property(counted))
    return counts


def slides_of(patients: int, tiles: int) -> pd.DataFrame:
    names = [f"P{number:04d}" for number in range(patients)]
    return pd.DataFrame({"slide": [f"{name}-{part}" for name in names for part in "ab"], "patient": np.repeat(names, 2), "tiles": tiles})


@pytest.mark.parametrize("patients", [3, 100, 400])
def test_a_sample_is_bounded_and_a_function_of_names_alone(patients):
    slides = slides_of(patients, 300)
    wanted = slides["patient"].unique()[: patients - 1]
    chosen = chosen_tiles(slides, wanted)
    owners = {slide.partition("-")[0] for slide in chosen}
    assert owners <= set(wanted) and len(owners) == min(patients - 1, MOST_PATIENTS)
    assert MOST_TILES * 0.9 < sum(map(len, chosen.values())) <= MOST_TILES
    assert all(numbers == sorted(set(numbers)) and 0 <= numbers[0] and numbers[-1] < 300 for numbers in chosen.values())
    assert chosen_tiles(slides.sample(frac=1, random_state=1), wanted[::-1]) == chosen
    spread_out = {number for numbers in chosen.values() for number in numbers}
    assert min(spread_out) < 30 and max(spread_out) > 270


def test_only_tiles_that_an_evaluation_reads_are_drawn_and_nobody_gives_none():
    chosen = chosen_tiles(slides_of(4, 300), ["P0001", "P0002"], tiles_per_slide=7)
    assert {number for numbers in chosen.values() for number in numbers} == set(spread(300, 7))
    assert chosen_tiles(slides_of(4, 300), []) == {}


def by_hand(params, folder, slide, number) -> np.ndarray:
    tile = decode_tile(TileRecords(folder.records(slide))[number], TILE)
    return np.asarray(ViT(SPEC).apply({"params": params["image"]}, normalised(tile[None], HALF, HALF))[0])


def test_the_sample_is_computed_in_passing_and_holds_each_tiles_own_feature(params, encoder, folder, tmp_path, asked):
    slides = read_parquet(folder.slides)
    sample = chosen_tiles(slides, slides["patient"][:6])
    store = FeatureStore(encoder, tmp_path / "cache", 8, sample=sample)
    store.features(folder, slides)
    assert sum(asked) == slides["tiles"].sum()
    found = store.sampled(folder, slides)
    assert sum(asked) == slides["tiles"].sum()
    assert sorted(zip(found.table["slide"], found.table["record"], strict=True)) == [
        (slide, one) for slide in sample for one in sample[slide]
    ]
    for row, feature in zip(found.table.itertuples(), found.features, strict=True):
        np.testing.assert_allclose(feature, by_hand(params, folder, row.slide, row.record), atol=1e-5)
        assert slides.set_index("slide").loc[row.slide, "patient"] == row.patient


def test_of_slides_that_the_cache_has_the_sample_alone_is_computed_and_is_the_same(encoder, folder, tmp_path, asked):
    slides = read_parquet(folder.slides)
    sample = chosen_tiles(slides, slides["patient"][:6])
    some = {slide: numbers[:2] for slide, numbers in sample.items()}
    passing = FeatureStore(encoder, tmp_path / "a", 8, sample=some)
    passing.features(folder, slides)
    FeatureStore(encoder, tmp_path / "b", 8).features(folder, slides)
    asked.clear()
    later = FeatureStore(encoder, tmp_path / "b", 8, sample=some)
    one, other = passing.sampled(folder, slides), later.sampled(folder, slides)
    assert sum(asked) == sum(map(len, some.values())) < sum(map(len, sample.values()))
    pd.testing.assert_frame_equal(one.table, other.table)
    np.testing.assert_allclose(one.features, other.features, atol=1e-5)
    for path in folder.root.glob("tiles/*.array_record"):
        path.unlink()
    np.testing.assert_array_equal(later.sampled(folder, slides).features, other.features)


def test_tiles_that_do_not_decode_are_not_in_the_sample_and_a_slide_of_such_is_none(encoder, folder, tmp_path):
    slides = read_parquet(folder.slides)
    slides = slides[slides["tiles"] == 6]
    partly, wholly = slides["slide"].iloc[:2]
    for slide, bad in ((partly, {1, 4}), (wholly, set(range(6)))):
        data = TileRecords(folder.records(slide)).read(range(6))
        write_records(folder.records(slide), [b"no image" if number in bad else one for number, one in enumerate(data)])
    for where, sample in (("a", {partly: [0, 1, 5], wholly: [2, 3]}), ("b", {partly: [1, 4], wholly: [2, 3]})):
        store = FeatureStore(encoder, tmp_path / where, 8, sample=sample)
        store.features(folder, slides)
        for found in (store.sampled(folder, slides), replace(store, cache=tmp_path / f"{where} anew").sampled(folder, slides)):
            kept = [] if found is None else sorted(zip(found.table["slide"], found.table["record"], strict=True))
            assert kept == ([(partly, 0), (partly, 5)] if where == "a" else [])
    assert FeatureStore(encoder, tmp_path / "c", 8).sampled(folder, slides) is None


@pytest.mark.parametrize("edge", [32, 224])
def test_a_thumbnail_is_a_small_jpeg_of_the_tile_also_of_noise(edge):
    for image in (np.random.default_rng(0).integers(0, 256, (edge, edge, 3)).astype(np.uint8), np.full((edge, edge, 3), 130, np.uint8)):
        data = thumbnail(image)
        assert len(data) <= MOST_BYTES and data.startswith(b"\xff\xd8\xff") and not data.endswith(b"\0")
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (min(edge, EDGE),) * 2
            assert np.asarray(picture).mean() == pytest.approx(image.mean(), abs=4)
