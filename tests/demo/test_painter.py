"""The painter: what the programmes show in a tile, what the hospital shows, and that smooth noise is seamless."""

import numpy as np
import pytest

from pathfm.demo import painter
from pathfm.demo.noise import lattice
from pathfm.demo.painter import EOSIN, HAEMATOXYLIN, LYMPHOCYTE, SQUARE, Stain, paint_tile, scatter
from pathfm.demo.world import PROGRAMMES

STAIN = Stain(HAEMATOXYLIN, EOSIN, np.full(3, 240.0), blur=0.6)


def tiles(count: int, **raised: float) -> np.ndarray:
    programmes = np.array([raised.get(name, 0.0) for name in PROGRAMMES])
    return np.stack([paint_tile(np.random.default_rng(seed), programmes, STAIN) for seed in range(count)]).astype(np.float32)


def nuclear(images: np.ndarray) -> float:
    """The share of pixels as blue as nuclei: where red light is blocked."""
    return float((images[..., 0] < 150).mean())


def glass(images: np.ndarray) -> float:
    return float((images.min(-1) > 215).mean())


def test_a_tile_is_made_of_its_generator_alone():
    first, second, other = (paint_tile(np.random.default_rng(seed), np.zeros(4), STAIN) for seed in (7, 7, 8))
    assert first.shape == (SQUARE, SQUARE, 3) and first.dtype == np.uint8
    assert (first == second).all() and (first != other).any()


def test_the_programmes_show():
    low, high = ({name: tiles(40, **{name: sign}) for name in PROGRAMMES} for sign in (-2.0, 2.0))
    assert nuclear(high["proliferation"]) > 1.2 * nuclear(low["proliferation"])
    assert nuclear(high["immune"]) > 1.1 * nuclear(low["immune"])
    assert glass(high["gland"]) > 2 * glass(low["gland"])
    assert nuclear(high["necrosis"]) < 0.9 * nuclear(low["necrosis"])


def test_lymphocytes_are_small_and_follow_the_immune_programme():
    rng = np.random.default_rng(0)
    counts = []
    for immune in (-1.0, 1.0):
        cells = scatter(rng, np.array([0, immune, 0, 0]), np.zeros(5), 40 * SQUARE).cells
        kind = cells[:, 7]
        assert cells[kind == LYMPHOCYTE, 2].mean() < 0.8 * cells[kind == painter.TUMOUR, 2].mean()
        counts.append((kind == LYMPHOCYTE).sum())
    assert counts[1] / counts[0] == pytest.approx(np.exp(1.6), rel=0.1)


def test_hospitals_differ_more_in_colour_than_programmes_do():
    stains = [painter.hospital_stain(np.random.default_rng(seed)) for seed in range(12)]
    by_hospital = [np.mean([paint_tile(np.random.default_rng(s), np.zeros(4), stain) for s in range(6)], (0, 1, 2)) for stain in stains]
    by_programme = [tiles(6, **{name: sign}).mean((0, 1, 2)) for name in PROGRAMMES for sign in (-1.0, 1.0)]
    assert np.std(by_hospital, 0).mean() > 2 * np.std(by_programme, 0).mean()


def test_windows_of_smooth_noise_are_cut_from_one_field_of_unit_variance():
    field = lattice(np.random.default_rng(0), 960, 960, 24)
    whole = field.window(0, 0, 960)
    np.testing.assert_allclose(field.window(96, 200, 104), whole[200:304, 96:200], atol=1e-5)
    assert whole.var() == pytest.approx(1, abs=0.15)


def test_tissue_that_is_not_there_is_glass():
    ground = painter.free_ground(np.random.default_rng(0), np.zeros(4), SQUARE)
    bare = painter.Ground(ground.coarse, ground.middle, ground.fine, ground.along, ground.necrosis, 0 * ground.tissue)
    objects = scatter(np.random.default_rng(0), np.zeros(4), np.zeros(5))
    assert (painter.render(np.random.default_rng(0), objects, bare, STAIN, SQUARE) == 240).all()
