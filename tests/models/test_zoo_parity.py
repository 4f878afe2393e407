"""Every model of the zoo is its publisher's: random weights of their class, imported, give their features and their gradient."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pathfm.models.vit import ViT
from pathfm.weights.folder import open_weights
from pathfm.weights.importing import import_checkpoint, open_checkpoint
from tests.models.publishers import PUBLISHED, published
from tests.parity import directions

pytestmark = pytest.mark.slow


def ours(spec, params, images):
    """Our features, and the gradient of Σ features × directions by the images."""

    def scalar(images):
        features = ViT(spec).apply({"params": params}, images)
        return (features * directions(features.shape)).sum(), features

    (_, features), gradient = jax.jit(jax.value_and_grad(scalar, has_aux=True))(images)
    return np.asarray(features), np.asarray(gradient)


def pictures(spec, rows: int, columns: int):
    return np.random.default_rng(1).standard_normal((1, rows * spec.patch, columns * spec.patch, 3)).astype(np.float32)


def assert_same(found, wanted):
    (features, gradient), (theirs, their_gradient) = found, wanted
    assert np.abs(features - theirs).max() <= 2e-5 * np.abs(theirs).max()
    assert np.linalg.norm(gradient - their_gradient) <= 1e-4 * np.linalg.norm(their_gradient)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_give_the_publishers_features_at_two_sizes(name, tmp_path):
    theirs = published(name, tmp_path)
    checkpoint = open_checkpoint(theirs.weights)
    assert checkpoint.naming.name == theirs.known.naming
    import_checkpoint(checkpoint, tmp_path / "w", theirs.known)
    weights = open_weights(tmp_path / "w")
    assert replace(weights.spec, slots=theirs.known.spec.slots) == theirs.known.spec
    side = weights.spec.image_size // weights.spec.patch
    for rows, columns in ((side, side), (side // 2 + 1, side - 3)):
        images = pictures(weights.spec, rows, columns)
        assert_same(ours(weights.spec, weights.params["image"], images), theirs.features(images))
