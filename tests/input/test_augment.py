"""Augmentation on the device: exact geometry, a key per patient, nothing when it is off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.input.augment import augmented, patient_keys
from pathfm.settings.training import AugmentConfig

MEAN, STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
OFF = AugmentConfig(flip=False, turn=False, stain=0.0, brightness=0.0)


@pytest.fixture(scope="module")
def tiles():
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, (6, 2, 8, 8, 3)), jnp.uint8)


def run(tiles, patients, strengths, step=0):
    keys = patient_keys(jax.random.fold_in(jax.random.key(0), step), jnp.asarray(patients))
    return np.asarray(jax.jit(lambda t, k: augmented(t, k, strengths, MEAN, STD))(tiles, keys))


def test_off_means_only_scaled(tiles):
    np.testing.assert_allclose(run(tiles, np.arange(6), OFF), np.asarray(tiles) / 255.0, atol=1e-6)


def test_turns_and_flips_are_the_eight_symmetries_of_the_square(tiles):
    same = jnp.broadcast_to(tiles[:1, :1], (200, 1, 8, 8, 3))
    found = run(same, np.arange(200), AugmentConfig(stain=0.0, brightness=0.0))[:, 0]
    image = np.asarray(tiles[0, 0]) / 255.0
    symmetries = [np.rot90(flipped, turns) for flipped in (image, image[:, ::-1]) for turns in range(4)]
    counts = [sum(np.allclose(one, symmetry, atol=1e-6) for one in found) for symmetry in symmetries]
    assert sum(counts) == 200
    assert min(counts) > 5


def test_a_tile_is_augmented_by_its_patient_whatever_its_place(tiles):
    patients = np.array([5, 9, 2, 7, 1, 0])
    strengths = AugmentConfig(crop=0.4, blur=0.5)
    order = np.array([3, 0, 5, 1, 2, 4])
    ours = run(tiles, patients, strengths)
    np.testing.assert_allclose(run(tiles[order], patients[order], strengths), ours[order], atol=1e-6)
    assert not np.allclose(ours, run(tiles, patients, strengths, step=1))


@pytest.mark.parametrize(
    "strengths", [AugmentConfig(stain=0.5), AugmentConfig(brightness=0.5), AugmentConfig(crop=0.6), AugmentConfig(blur=1.0)]
)
def test_stays_within_the_range_of_a_picture(tiles, strengths):
    out = run(tiles, np.arange(6), strengths)
    assert out.shape == tiles.shape and out.dtype == np.float32
    assert out.min() >= 0.0 and out.max() <= 1.0


def test_a_crop_of_a_flat_tile_is_flat():
    flat = jnp.full((3, 1, 16, 16, 3), 100, jnp.uint8)
    np.testing.assert_allclose(
        run(flat, np.arange(3), AugmentConfig(flip=False, turn=False, stain=0, brightness=0, crop=0.5)), 100 / 255, atol=1e-5
    )
