"""What counts as tissue: stained tissue does; glass, pen and black marks do not."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pathfm.slides.tissue import sharpness, tile_fractions, tissue_mask


def low_resolution(path, factor=16, margin=12):
    """The picture at about 8 µm/px, alone on glass."""
    small = np.asarray(Image.open(path).convert("RGB").reduce(factor))
    glass = np.full((small.shape[0] + 2 * margin, small.shape[1] + 2 * margin, 3), 245, np.uint8)
    glass[margin:-margin, margin:-margin] = small
    return glass, small.shape[0] * small.shape[1]


@pytest.mark.parametrize("factor", [8, 16, 32])
@pytest.mark.parametrize("name", ["no-tissue-green-pen", "no-tissue-red-pen", "no-tissue2", "almost-white-2"])
def test_pen_and_glass_are_no_tissue(shared, name, factor):
    image, area = low_resolution(shared / "tiles" / f"histolab_{name}.png", factor)
    assert tissue_mask(image, 8.0).sum() / area < 0.07


@pytest.mark.parametrize("factor", [16, 32])
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("histolab_high-nuclei-score-level0", 0.95),
        ("histolab_medium-nuclei-score-level1", 0.5),
        ("histolab_tcga-lung-rgb", 0.7),
        ("histolab_tissue-level0-7352-11762-7864-12274", 0.8),
        ("torchstain_source", 0.95),
        ("torchstain_target", 0.9),
        ("skimage_ihc", 0.5),
    ],
)
def test_stained_tissue_is_tissue(shared, name, share, factor):
    image, area = low_resolution(shared / "tiles" / f"{name}.png", factor)
    assert tissue_mask(image, 8.0).sum() / area > share


def test_a_pen_mark_beside_tissue_leaves_the_tissue(shared):
    tissue = np.asarray(Image.open(shared / "tiles" / "histolab_tcga-lung-rgb.png").reduce(16))
    pen = np.asarray(Image.open(shared / "tiles" / "histolab_no-tissue-red-pen.png").convert("RGB").reduce(16))
    image = np.concatenate([tissue, np.full_like(tissue, 245), pen], axis=1)
    mask = tissue_mask(image, 8.0)
    assert mask[:, :32].mean() > 0.7 and mask[:, 64:].mean() < 0.07


@pytest.mark.parametrize("colour", [(255, 255, 255), (245, 243, 244), (128, 128, 128), (0, 0, 0)])
def test_a_slide_of_one_dull_colour_has_no_tissue(colour):
    assert not tissue_mask(np.full((40, 50, 3), colour, np.uint8), 8.0).any()


def test_noise_on_glass_is_not_cut_in_two():
    noise = np.random.default_rng(0).integers(236, 246, (60, 60, 3)).astype(np.uint8)
    assert not tissue_mask(noise, 8.0).any()


def test_a_slide_full_of_tissue_is_not_cut_in_two(stained):
    assert tissue_mask(stained(60, 60), 8.0).mean() > 0.95


def test_fractions_are_the_means_of_the_tiles():
    mask = np.random.default_rng(0).random((27, 33)) < 0.4
    fractions = tile_fractions(mask, 3, 4, 8)
    assert fractions.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            assert fractions[row, column] == pytest.approx(mask[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8].mean())


def test_sharpness_is_the_variance_of_scipys_laplacian(stained):
    tile = stained(50, 60)
    luma = tile @ np.array([0.299, 0.587, 0.114])
    assert sharpness(tile) == pytest.approx(ndimage.laplace(luma)[1:-1, 1:-1].var(), rel=1e-4)
    assert sharpness(ndimage.uniform_filter(tile, (5, 5, 1))) < sharpness(tile) / 10
