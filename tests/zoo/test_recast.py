"""Moving weights between classes that choose differently changes no feature."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.models.vit import ViT, ViTSpec
from pathfm.zoo.recast import swiglu_ratio, with_layer_scale, with_slots
from tests.parity import random_params, variant

SPEC = ViTSpec(width=48, depth=1, heads=3, mlp_width=96, patch=8, image_size=32, registers=3)


def features(params, spec, rows=4):
    images = np.random.default_rng(2).standard_normal((1, 8 * rows, 32, 3)).astype(np.float32)
    return np.asarray(jax.jit(ViT(spec).apply)({"params": params}, images))


@pytest.mark.parametrize(("old", "new"), [("all", "class"), ("all", "patches"), ("class", "patches"), ("patches", "class")])
def test_slots_come_and_go_without_a_change_of_features(old, new):
    spec = replace(SPEC, slots=old)
    params = random_params(spec)
    moved, moved_spec = with_slots(params, spec, new)
    assert moved_spec.slots == new
    for rows in (4, 6):
        np.testing.assert_allclose(features(moved, moved_spec, rows), features(params, spec, rows), rtol=1e-5, atol=1e-6)


def test_a_layer_scale_of_ones_changes_nothing():
    params = random_params(SPEC)
    scaled, spec = with_layer_scale(params, SPEC)
    assert spec.layer_scale == 1.0
    assert (features(scaled, spec) == features(params, SPEC)).all()
    assert with_layer_scale(scaled, spec) == (scaled, spec)


@pytest.mark.parametrize(
    ("width", "mlp_width", "ratio"), [(1536, 4096, 4), (1280, 3416, 4), (1024, 2736, 4), (768, 2048, 4), (768, 1024, None)]
)
def test_the_ratio_gives_the_width_by_dinov2s_own_rounding(width, mlp_width, ratio):
    found = swiglu_ratio(ViTSpec(width=width, depth=1, heads=1, mlp_width=mlp_width, mlp="swiglu"), "it")
    assert (int(int(width * found) * 2 / 3) + 7) // 8 * 8 == mlp_width
    assert ratio is None or found == ratio


def test_a_width_that_no_ratio_gives_is_named():
    with pytest.raises(InputError, match="DINOv2 cannot say a SwiGLU of width 172"):
        swiglu_ratio(variant("SwiGLU"), "DINOv2")
