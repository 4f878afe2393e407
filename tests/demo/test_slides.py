"""Slides of the demo: pyramids that OpenSlide opens, seamless, of the very pixels that a patch painted alone has."""

import hashlib

import numpy as np
import openslide
import pytest

from pathfm.demo.painter import SQUARE
from pathfm.demo.scene import make_scene, pixels, tissue_patches
from pathfm.demo.slides import halved, write_pyramid, write_slide
from pathfm.demo.world import make_world


@pytest.fixture(scope="module")
def world():
    return make_world(16, 0)


@pytest.fixture(scope="module")
def slide(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("slide") / f"{world.slides['slide'][0]}.tif"
    write_slide(path, make_scene(world, world.slides["slide"][0]))
    return path


def test_openslide_opens_the_pyramid_with_its_resolution(slide):
    with openslide.OpenSlide(slide) as opened:
        assert opened.properties["openslide.vendor"] == "generic-tiff"
        assert float(opened.properties["openslide.mpp-x"]) == float(opened.properties["openslide.mpp-y"]) == 0.5
        assert opened.level_count == 3
        assert opened.level_downsamples == pytest.approx((1, 2, 4), rel=0.01)
        assert all(600 <= edge <= 1300 for edge in opened.dimensions)
        assert not opened.associated_images


def test_a_tile_of_the_slide_is_the_patch_painted_alone(world, slide):
    scene = make_scene(world, slide.stem)
    with openslide.OpenSlide(slide) as opened:
        for column, row in tissue_patches(scene, 0.5)[::4].tolist():
            region = opened.read_region((column * SQUARE, row * SQUARE), 0, (SQUARE, SQUARE)).convert("RGB")
            assert (np.asarray(region) == make_scene(world, slide.stem).patch(column, row)).all()


def test_patches_meet_without_a_seam_and_glass_is_plain(world):
    scene = make_scene(world, world.slides["slide"][1])
    image = pixels(scene).astype(np.float32)
    step = np.abs(np.diff(image, axis=1)).mean(-1)
    tissue = (scene.tissue(np.arange(scene.width), np.arange(scene.height)[:, None]) > 0)[:, 1:]
    border = np.arange(1, scene.width) % SQUARE == 0
    assert step[:, border][tissue[:, border]].mean() == pytest.approx(step[:, ~border][tissue[:, ~border]].mean(), rel=0.1)
    bare = scene.tissue(np.arange(scene.width), np.arange(scene.height)[:, None]) == 0
    far = ~np.lib.stride_tricks.sliding_window_view(np.pad(~bare, 8), (17, 17)).any((2, 3))
    assert (image[far] == scene.glass).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_slide_yields_ten_to_twenty_five_tiles(seed):
    world = make_world(16, seed)
    counts = [len(tissue_patches(make_scene(world, slide), 0.5)) for slide in world.slides["slide"]]
    assert 10 <= min(counts) and max(counts) <= 25


def test_the_same_image_gives_the_same_bytes(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (300, 500, 3)).astype(np.uint8)
    for name in ("a.tif", "b.tif"):
        write_pyramid(tmp_path / name, image)
    first, second = (hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.tif", "b.tif"))
    assert first == second


def test_a_level_is_the_mean_of_four_pixels():
    image = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    np.testing.assert_array_equal(halved(image)[0, 1], np.floor(image[:2, 2:4].reshape(4, 3).mean(0) + 0.5))
    assert halved(image).shape == (1, 2, 3)
