"""Resampling of position embeddings, against Pillow, which uses the same cubic and the same antialiasing."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from pathfm.models.positions import cubic_weights, resize_grid
from tests.parity import REASON


@pytest.mark.parametrize(("old", "new"), [((14, 14), (6, 6)), ((6, 6), (14, 9)), ((7, 5), (7, 16))])
def test_a_grid_is_resampled_as_pillow_resamples_an_image(old, new):
    grid = np.random.default_rng(0).standard_normal((*old, 3)).astype(np.float32)
    position = jnp.concatenate([jnp.full((1, 2, 3), 7.0), jnp.asarray(grid.reshape(1, -1, 3))], axis=1)
    resized = np.asarray(resize_grid(position, 2, old, new))
    assert (resized[:, :2] == 7.0).all()
    for channel in range(3):
        pillow = Image.fromarray(grid[:, :, channel]).resize(new[::-1], Image.Resampling.BICUBIC)
        np.testing.assert_allclose(resized[0, 2:, channel].reshape(new), np.asarray(pillow), atol=1e-5)


@pytest.mark.parametrize("rule", ["antialias", "bicubic", "bicubic_offset"])
@pytest.mark.parametrize(("old", "new"), [((14, 14), (6, 6)), ((6, 6), (14, 9)), ((7, 5), (7, 16)), ((37, 37), (16, 18))])
def test_a_grid_is_resampled_as_torch_does_by_each_publishers_rule(rule, old, new):
    torch = pytest.importorskip("torch", reason=REASON)
    grid = np.random.default_rng(0).standard_normal((*old, 3)).astype(np.float32)
    images = torch.from_numpy(grid).permute(2, 0, 1)[None]
    size = {"size": new} if rule != "bicubic_offset" else {"scale_factor": tuple((b + 0.1) / a for a, b in zip(old, new, strict=True))}
    theirs = torch.nn.functional.interpolate(images, mode="bicubic", antialias=rule == "antialias", **size)
    ours = resize_grid(jnp.asarray(grid.reshape(1, -1, 3)), 0, old, new, rule)
    np.testing.assert_allclose(np.asarray(ours).reshape(*new, 3), theirs[0].permute(1, 2, 0).numpy(), atol=2e-5)


def test_the_native_grid_stays_bit_for_bit():
    position = jnp.arange(30.0).reshape(1, 10, 3)
    assert resize_grid(position, 1, (3, 3), (3, 3)) is position


def test_a_constant_stays_constant():
    for old, new in ((16, 5), (5, 16)):
        np.testing.assert_allclose(cubic_weights(old, new).sum(axis=1), 1.0)
