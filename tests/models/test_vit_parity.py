"""The tower is timm's: the same weights give the same features and the same gradient."""

import jax
import numpy as np
import pytest

from pathfm.models.vit import ViT
from pathfm.zoo.timm import timm_arguments
from tests.parity import VARIANTS, arrays, directions, timm_features, timm_model, variant
from tests.timm_words import from_timm

OTHER_SIZES = [("plain", (5, 3)), ("registers with a slot", (11, 9)), ("registers without a slot", (3, 6))]


@pytest.mark.parametrize(("name", "patches"), [(name, None) for name in VARIANTS] + OTHER_SIZES)
def test_timm_weights_give_timm_features_and_gradient(name, patches):
    spec = variant(name)
    height, width = (spec.image_size, spec.image_size) if patches is None else (side * spec.patch for side in patches)
    images = np.random.default_rng(1).standard_normal((2, height, width, 3)).astype(np.float32)
    model = timm_model(timm_arguments(spec))
    theirs, their_gradient = timm_features(model, spec, images)
    params = from_timm(arrays(model), spec)

    def scalar(images):
        features = ViT(spec).apply({"params": params}, images)
        return (features * directions(features.shape)).sum(), features

    (_, ours), gradient = jax.jit(jax.value_and_grad(scalar, has_aux=True))(images)
    assert np.abs(ours - theirs).max() <= 2e-5 * np.abs(theirs).max()
    assert np.linalg.norm(gradient - their_gradient) <= 1e-4 * np.linalg.norm(their_gradient)
    assert np.abs(gradient - their_gradient).max() <= 1e-4 * np.abs(their_gradient).max()
