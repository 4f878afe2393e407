"""InfoNCE against the formula of CLIP in float64, with padding, on one device and on four."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.losses import effective_rank, huber, info_nce, unit_rows
from pathfm.objectives.objective import Widths
from pathfm.settings.terms import Contrastive


def clip_loss(image, text, scale):
    """open_clip's ClipLoss in NumPy float64: the mean of the cross-entropies of both directions, and its gradients."""
    logits = scale * image @ text.T
    rows = np.exp(logits - logits.max(1, keepdims=True))
    rows /= rows.sum(1, keepdims=True)
    columns = np.exp(logits - logits.max(0, keepdims=True))
    columns /= columns.sum(0, keepdims=True)
    n = len(image)
    loss = -0.5 * np.mean(np.log(np.diag(rows))) - 0.5 * np.mean(np.log(np.diag(columns)))
    wrt_logits = 0.5 * (rows + columns - 2.0 * np.eye(n)) / n
    return loss, scale * wrt_logits @ text, scale * wrt_logits.T @ image, np.sum(wrt_logits * (image @ text.T))


def drawn_rows(rng, n, width):
    rows = rng.normal(size=(n, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("padding", [0, 3])
def test_equals_the_formula_of_clip_with_its_gradients(devices, padding):
    if jax.device_count() < devices:
        pytest.skip("needs four devices")
    rng = np.random.default_rng(0)
    real = 32 - padding
    image, text, scale = drawn_rows(rng, 32, 24), drawn_rows(rng, 32, 24), 1 / 0.07
    identity = np.where(np.arange(32) < real, np.arange(32), -1)
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    sharded = NamedSharding(mesh, PartitionSpec("data"))
    arguments = [jax.device_put(jnp.asarray(x, jnp.float32), sharded) for x in (image, text)] + [jnp.float32(scale)]
    function = jax.jit(jax.value_and_grad(lambda a, b, s: info_nce(a, b, s, jnp.asarray(identity)), argnums=(0, 1, 2)))
    loss, gradients = function(*arguments)
    expected, *expected_gradients = clip_loss(image[:real], text[:real], scale)
    assert abs(float(loss) - expected) < 1e-6 * max(1.0, expected)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        gradient = np.asarray(gradient)
        if gradient.ndim:
            assert not gradient[real:].any()
            gradient = gradient[:real]
        assert np.linalg.norm(gradient - wanted) <= 1e-5 * np.linalg.norm(wanted)


@pytest.mark.parametrize("devices", [1, 4])
def test_patients_of_different_tile_counts_are_means_of_their_tiles_in_the_formula(devices, monkeypatch):
    """The objective itself, temperature included, with the tower's tiles given: bags of one to three tiles, the last shard padded."""
    rng = np.random.default_rng(2)
    batch, real, tiles, width, genes = 16, 13, 3, 12, 20
    features, profiles = rng.normal(size=(batch, tiles, width)), rng.normal(size=(batch, genes))
    mask = np.arange(tiles)[None] < rng.integers(1, tiles + 1, batch)[:, None]
    monkeypatch.setattr(ImageTower, "tiles", lambda self, params, images: images)
    spec = ViTSpec(width=width, depth=1, heads=2, mlp_width=24, image_size=16)
    objective = make_objective(Contrastive(projection=8, hidden=16), ImageTower(spec), Widths(width, {"expression": genes}))
    params = objective.init(jax.random.key(0))
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    split = NamedSharding(mesh, PartitionSpec("data"))
    patient = np.where(np.arange(batch) < real, np.arange(batch), -1).astype(np.int32)
    whole = {"tile_mask": mask, "patient": patient, "vectors": {"expression": profiles.astype(np.float32)}}
    whole |= {"present": {"expression": np.ones(batch, bool)}}
    whole = jax.device_put(whole, split)
    whole["images"] = jax.device_put(features[None].astype(np.float32), NamedSharding(mesh, PartitionSpec(None, "data")))

    def loss(params):
        return objective.loss(params, objective.encode(params, whole), whole, None, jax.random.key(1), train=False)[0]

    value, gradients = jax.jit(jax.value_and_grad(loss))(params)
    kernel = np.asarray(params["projection"]["kernel"], np.float64)
    means = np.stack([features[row][mask[row]].mean(axis=0) for row in range(real)])
    projected = means @ kernel
    norms = np.linalg.norm(projected, axis=1, keepdims=True)
    image = projected / norms
    text = np.asarray(objective.terms["contrastive"].embed(params, whole["vectors"]["expression"]), np.float64)[:real]
    scale = float(np.exp(np.float64(params["logit_scale"])))
    expected, by_image, _, by_scale = clip_loss(image, text, scale)
    by_projected = (by_image - image * (by_image * image).sum(axis=1, keepdims=True)) / norms
    by_kernel = means.T @ by_projected
    assert abs(float(value) - expected) < 1e-6 * max(1.0, expected)
    assert np.linalg.norm(gradients["projection"]["kernel"] - by_kernel) <= 1e-5 * np.linalg.norm(by_kernel)
    assert abs(float(gradients["logit_scale"]) - scale * by_scale) <= 1e-5 * abs(scale * by_scale)


def test_rows_of_one_patient_are_not_each_others_negatives():
    rng = np.random.default_rng(1)
    image, text = drawn_rows(rng, 6, 8), drawn_rows(rng, 6, 8)
    twice = info_nce(jnp.asarray(image, jnp.float32), jnp.asarray(text, jnp.float32), jnp.float32(5.0), jnp.asarray([0, 1, 2, 3, 4, 4]))
    logits = 5.0 * image @ text.T
    logits[4, 5] = logits[5, 4] = -np.inf
    by_row = np.log(np.exp(logits).sum(1)) - np.diag(logits)
    by_column = np.log(np.exp(logits).sum(0)) - np.diag(logits)
    assert abs(float(twice) - 0.5 * np.mean(by_row + by_column)) < 1e-6


def test_huber_is_scipys_over_columns():
    from scipy.special import huber as scipy_huber

    rng = np.random.default_rng(2)
    prediction, truth = rng.normal(size=(2, 5, 7))
    expected = scipy_huber(0.8, prediction - truth).mean(axis=1)
    np.testing.assert_allclose(huber(jnp.asarray(prediction, jnp.float32), jnp.asarray(truth, jnp.float32), 0.8), expected, rtol=1e-5)


def test_effective_rank_counts_equal_directions():
    axes = jnp.concatenate([jnp.eye(4), -jnp.eye(4)])
    assert abs(float(effective_rank(axes, jnp.ones(8, bool))) - 4.0) < 1e-3


def test_a_zero_row_has_a_finite_gradient():
    gradient = jax.grad(lambda x: unit_rows(x).sum())(jnp.zeros((2, 3)))
    assert np.isfinite(np.asarray(gradient)).all()
