"""Every model of the zoo is its publisher's: random weights of their class, imported, give their features and their gradient, and
go back into their class after a step of training.
"""

import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from pathfm.models.vit import ViT
from pathfm.training.step import compiler_options
from pathfm.weights.export import export_weights
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.importing import import_checkpoint, open_checkpoint
from tests.parity import directions, import_torchvision
from tests.zoo.publishers import FULL_SIZE, PUBLISHED, SMALLEST_OF_EACH_KIND, grids, published

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def ours(spec, params, images):
    """Our features, and the gradient of Σ features × directions by the images."""
    remat = "blocks" if FULL_SIZE else "none"

    def scalar(images, params):
        features = ViT(spec, remat=remat).apply({"params": params}, images)
        return (features * directions(features.shape)).sum(), features

    both = jax.jit(jax.value_and_grad(scalar, has_aux=True), compiler_options=compiler_options("cpu", remat))
    (_, features), gradient = both(images, params)
    return np.asarray(features), np.asarray(gradient)


def pictures(spec, rows: int, columns: int):
    return np.random.default_rng(1).standard_normal((1, rows * spec.patch, columns * spec.patch, 3)).astype(np.float32)


def assert_same(found, wanted):
    (features, gradient), (theirs, their_gradient) = found, wanted
    assert np.abs(features - theirs).max() <= 2e-5 * np.abs(theirs).max()
    assert np.linalg.norm(gradient - their_gradient) <= 1e-4 * np.linalg.norm(their_gradient)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_give_the_publishers_features(name, tmp_path):
    theirs = published(name, tmp_path)
    checkpoint = open_checkpoint(theirs.weights)
    assert checkpoint.naming.name == theirs.known.naming
    import_checkpoint(checkpoint, tmp_path / "w", theirs.known)
    weights = open_weights(tmp_path / "w")
    assert replace(weights.spec, slots=theirs.known.spec.slots) == theirs.known.spec
    side = weights.spec.image_size // weights.spec.patch
    for rows, columns in grids(name, side):
        images = pictures(weights.spec, rows, columns)
        assert_same(ours(weights.spec, weights.params["image"], images), theirs.features(images))


@pytest.mark.parametrize("name", ["uni", "dinov2_vits14", "phikon"])
def test_without_torch_the_comparison_is_skipped(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("tests.parity.import_torchvision", import_torchvision.__wrapped__)
    with pytest.raises(pytest.skip.Exception, match="the extra `parity`"):
        published(name, tmp_path)


def stepped(weights):
    """The tower's parameters after one step of gradient descent that moves its features, on an image of a few patches."""
    images = pictures(weights.spec, 3, 2)

    def loss(params):
        features = ViT(weights.spec).apply({"params": params}, images)
        return (features * directions(features.shape)).mean()

    params = weights.params["image"]
    gradient = jax.jit(jax.grad(loss))(params)
    return jax.tree.map(lambda leaf, slope: np.asarray(leaf - 0.05 * slope / (np.abs(slope).max() + 1e-12)), params, gradient)


@pytest.mark.parametrize("name", SMALLEST_OF_EACH_KIND)
def test_after_a_step_of_training_the_publishers_class_gives_our_features(name, tmp_path):
    theirs = published(name, tmp_path)
    import_checkpoint(open_checkpoint(theirs.weights), tmp_path / "w", theirs.known)
    weights = open_weights(tmp_path / "w")
    side = weights.spec.image_size // weights.spec.patch
    images = pictures(weights.spec, side, side)
    untuned, _ = theirs.features(images)
    theirs.model = None  # the largest fit into memory a few times only
    params, spec = stepped(weights), weights.spec
    save_weights(tmp_path / "tuned", {"image": params}, replace(weights.card, objective="direct", step=1), origin=weights.origin)
    del weights
    features = np.asarray(jax.jit(ViT(spec).apply)({"params": params}, images))
    del params
    out = tmp_path / ("out" if theirs.known.naming.startswith("hf-") else "out.safetensors")
    export_weights(open_weights(tmp_path / "tuned"), out, "original")
    tuned, _ = theirs.features(images, theirs.loaded(out))
    assert np.abs(features - tuned).max() <= 2e-5 * np.abs(tuned).max()
    assert np.abs(untuned - tuned).max() > 1e-3 * np.abs(tuned).max()
