"""Terms balanced by gradient: each has the share of the gradient that its weight says, where all of them meet."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.balance import MOST, balancing_factors
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.objective import Widths
from pathfm.settings.terms import Anchor, Direct, Joint, Views

SPEC = ViTSpec(width=32, depth=1, heads=2, mlp_width=32, patch=8, image_size=16)
PATIENTS, TILES, GENES = 6, 2, 5
TERMS = {"direct": Direct(weight=1.0, huber=64.0), "views": Views(weight=0.25, projection=8), "anchor": Anchor(weight=2.0)}
RNG = np.random.default_rng(0)


def objective_of(settings):
    return make_objective(settings, ImageTower(SPEC), Widths(SPEC.features, {"expression": GENES}))


@pytest.fixture(scope="module")
def balanced():
    """(objective, params, features, batch) with a tower that has left the base."""
    objective = objective_of(Joint(terms=TERMS, balance="gradient"))
    params = jax.jit(objective.init)(jax.random.key(0))
    params["image"] = jax.tree.map(lambda leaf: leaf + 0.1 * RNG.normal(size=leaf.shape).astype(np.float32), params["image"])
    mask = np.ones((PATIENTS, TILES), bool)
    mask[2, 1] = False
    batch = {
        "images": jnp.asarray(RNG.normal(size=(2, PATIENTS, TILES, 16, 16, 3)), jnp.float32),
        "tile_mask": mask,
        "patient": np.array([0, 1, 2, 3, 4, -1], np.int32),
        "vectors": {"expression": RNG.normal(size=(PATIENTS, GENES)).astype(np.float32)},
        "present": {"expression": np.arange(PATIENTS) != 1},
    }
    return objective, params, jax.jit(objective.encode)(params, batch), batch


def size(gradient):
    return float(np.linalg.norm(np.asarray(gradient, np.float64).ravel()))


def gradient_of(name, params, features, batch):
    """Of one term alone, its loss by the features of tiles: an objective of its own, without weight or balance."""
    alone = objective_of(Joint(terms={name: TERMS[name], "x": Direct(weight=0.0)}))
    kept = {key: params[key] for key in ("image", "base_image") if key in params} | {name: params[name], "x": params["direct"]}

    def loss(tiles):
        bag = alone.tower.pooled(kept, tiles[:, 0], batch["tile_mask"])
        return alone.loss(kept, {**features, "bag": bag, "tiles": tiles}, batch, None, jax.random.key(1), train=True)[1][f"{name}/loss"]

    return jax.jit(jax.grad(loss))(features["tiles"])


def test_of_losses_with_known_gradients_each_comes_to_the_mean_size():
    embedding = jnp.full((3, 2), 2.0)
    losses = {"one": lambda x: 0.5 * jnp.sum(x**2), "other": lambda x: 10.0 * jnp.sum(x)}
    one, other = 2.0 * np.sqrt(6), 10.0 * np.sqrt(6)
    mean = (1.0 * one + 0.5 * other) / 1.5
    found = balancing_factors(losses, {"one": 1.0, "other": 0.5}, embedding)
    assert {name: float(factor) for name, factor in found.items()} == pytest.approx({"one": mean / one, "other": mean / other})


def test_a_gradient_near_its_end_is_not_brought_to_full_size_and_without_any_nothing_is_scaled():
    losses = {"flat": lambda x: 1e-7 * jnp.sum(x), "steep": jnp.sum, "none": lambda x: jnp.sum(0.0 * x)}
    found = balancing_factors(losses, dict.fromkeys(losses, 1.0), jnp.ones(4))
    assert float(found["flat"]) == float(found["none"]) == pytest.approx(MOST)
    assert float(balancing_factors({"none": losses["none"]}, {"none": 1.0}, jnp.ones(4))["none"]) == 1.0


def test_each_term_has_the_share_of_the_gradient_that_its_weight_says(balanced):
    objective, params, features, batch = balanced
    assert set(features) == {"bag", "tiles", "base"}
    value, metrics = jax.jit(lambda: objective.loss(params, features, batch, None, jax.random.key(1), train=True))()
    sizes = {name: size(gradient_of(name, params, features, batch)) for name in TERMS}
    assert max(sizes.values()) / min(sizes.values()) > 3  # what is to be balanced
    scaled = {name: float(metrics[f"{name}/factor"]) * sizes[name] for name in TERMS}
    mean = sum(term.weight * sizes[name] for name, term in TERMS.items()) / sum(term.weight for term in TERMS.values())
    assert scaled == pytest.approx(dict.fromkeys(TERMS, mean), rel=1e-4)
    expected = sum(TERMS[name].weight * float(metrics[f"{name}/factor"]) * float(metrics[f"{name}/loss"]) for name in TERMS)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_a_linear_head_on_the_mean_of_tiles_is_that_of_the_formula(balanced):
    """Half the mean square of head(mean of tiles) − truth, over the patients that have a profile."""
    _, params, features, batch = balanced
    kernel, bias = (np.asarray(params["direct"]["head"][name], np.float64) for name in ("kernel", "bias"))
    mask = batch["tile_mask"].astype(float)
    share = mask / mask.sum(1, keepdims=True)
    bag = np.einsum("btw,bt->bw", np.asarray(features["tiles"][:, 0], np.float64), share)
    counted = (batch["patient"] >= 0) & batch["present"]["expression"]
    error = (bag @ kernel + bias - batch["vectors"]["expression"]) * counted[:, None] / GENES / counted.sum()
    expected = np.einsum("bw,bt->btw", error @ kernel.T, share)
    found = np.asarray(gradient_of("direct", params, features, batch))
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-4 * np.abs(expected).max(), rtol=1e-3)
    assert not found[:, 1].any()


def test_factors_are_constants_to_the_gradient_of_the_parameters(balanced):
    objective, params, _, batch = balanced

    def loss(settings, params):
        plain = objective if settings is None else objective_of(settings)
        return plain.loss(params, plain.encode(params, batch), batch, None, jax.random.key(1), train=True)

    (_, metrics), found = jax.jit(jax.value_and_grad(lambda params: loss(None, params), has_aux=True))(params)
    by_hand = {name: Anchor(weight=2.0 * float(metrics["anchor/factor"])) for name in ("anchor",)}
    by_hand["direct"] = Direct(weight=float(metrics["direct/factor"]), huber=64.0)
    by_hand["views"] = Views(weight=0.25 * float(metrics["views/factor"]), projection=8)
    joint = Joint(terms={name: by_hand[name] for name in TERMS})
    wanted = jax.jit(jax.grad(lambda params: loss(joint, params)[0]))(params)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * float(jnp.max(jnp.abs(theirs))) + 1e-8)


def test_on_validation_patients_the_loss_is_the_weighted_sum_without_factors(balanced):
    objective, params, features, batch = balanced
    value, metrics = jax.jit(lambda: objective.loss(params, features, batch, None, jax.random.key(1), train=False))()
    assert float(value) == pytest.approx(sum(term.weight * float(metrics[f"{name}/loss"]) for name, term in TERMS.items()), rel=1e-6)
    assert not [name for name in metrics if name.endswith("factor")]
