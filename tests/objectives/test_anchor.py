"""Features held near the base's: the distances, what is held at the start and after a change, and where the base comes from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cosine

from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import BASE_IMAGE, ImageTower
from pathfm.objectives.objective import Widths
from pathfm.objectives.terms.anchor import cosine_distance, l2_distance
from pathfm.settings.terms import TOWER_PARTS, Anchor, Direct, Joint, Views
from pathfm.settings.training import LoraConfig

SPEC = ViTSpec(width=32, depth=1, heads=2, mlp_width=32, patch=8, image_size=16)
GENES = 4
RNG = np.random.default_rng(0)


def batch_of(views=1, patients=5, tiles=3):
    """Three tiles a patient, one of them of padding, and a last patient who is padding."""
    mask = np.ones((patients, tiles), bool)
    mask[1, 1:] = False
    return {
        "images": jnp.asarray(RNG.normal(size=(views, patients, tiles, 16, 16, 3)), jnp.float32),
        "tile_mask": mask,
        "patient": np.array([*range(patients - 1), -1], np.int32),
        "vectors": {"expression": RNG.normal(size=(patients, GENES)).astype(np.float32)},
        "present": {"expression": np.ones(patients, bool)},
    }


def objective_of(settings, **tower):
    return make_objective(settings, ImageTower(SPEC, **tower), Widths(SPEC.features, {"expression": GENES}))


def moved(params):
    """The parameters, the tower's no more those of the base."""
    return params | {"image": jax.tree.map(lambda leaf: leaf + 0.1 * RNG.normal(size=leaf.shape).astype(np.float32), params["image"])}


def started(objective):
    return jax.jit(objective.init)(jax.random.key(0))


def loss_of(objective, params, batch):
    def loss(params, batch):
        return objective.loss(params, objective.encode(params, batch), batch, None, jax.random.key(1), train=True)

    return jax.jit(loss)(params, batch)


def test_the_distances_are_scipys_and_agree_on_rows_of_one_length():
    a, b = RNG.normal(size=(2, 6, 8))
    expected = [cosine(x, y) for x, y in zip(a, b, strict=True)]
    found = cosine_distance(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    a *= np.linalg.norm(b, axis=1, keepdims=True) / np.linalg.norm(a, axis=1, keepdims=True)
    np.testing.assert_allclose(l2_distance(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)), expected, rtol=1e-5)
    longer = l2_distance(jnp.asarray(3 * b, jnp.float32), jnp.asarray(b, jnp.float32))
    np.testing.assert_allclose(longer, 2.0, rtol=1e-5)


@pytest.mark.parametrize("distance", [cosine_distance, l2_distance])
def test_at_the_base_itself_the_gradient_is_zero_and_finite_even_of_a_zero_row(distance):
    rows = jnp.asarray(np.vstack([RNG.normal(size=(3, 8)), np.zeros(8)]), jnp.float32)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(distance(x, rows)))(rows), 0.0)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_the_loss_is_nothing_at_the_start_and_later_the_mean_over_patients_of_the_mean_over_their_tiles(distance, dtype):
    objective, batch = objective_of(Anchor(distance=distance), dtype=dtype), batch_of()
    params = started(objective)
    start, _ = loss_of(objective, params, batch)
    assert start.dtype == jnp.float32 and float(start) == pytest.approx(0.0, abs=1e-12)
    params = moved(params)
    found, metrics = loss_of(objective, params, batch)
    tower = ImageTower(SPEC, dtype=dtype)
    tiles = jax.jit(tower.tiles)
    ours, base = (np.asarray(tiles({"image": params[name]}, batch["images"][0]), np.float64) for name in ("image", BASE_IMAGE))
    if distance == "cosine":
        distances = 1 - np.sum(ours * base, -1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(base, axis=-1)
    else:
        distances = 0.5 * np.sum((ours - base) ** 2, -1) / np.sum(base**2, -1)
    means = [row[keep].mean() for row, keep in zip(distances, batch["tile_mask"], strict=True)]
    np.testing.assert_allclose(found, np.mean(means[:-1]), rtol=1e-3 if dtype == jnp.bfloat16 else 1e-4)
    np.testing.assert_allclose(metrics["loss_share"], found)
    assert found.dtype == jnp.float32 and float(found) > 1e-3


def test_only_the_tower_is_pulled_and_towards_the_base():
    objective, batch = objective_of(Anchor()), batch_of()
    params = moved(started(objective))
    value, gradients = jax.value_and_grad(lambda params: loss_of(objective, params, batch)[0])(params)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradients[BASE_IMAGE]))
    nearer = params | {"image": jax.tree.map(lambda leaf, pull: leaf - 0.1 * pull, params["image"], gradients["image"])}
    assert float(loss_of(objective, nearer, batch)[0]) < float(value)


def test_beside_other_terms_the_base_sees_the_first_view_alone():
    joint = Joint(terms={"views": Views(projection=4), "anchor": Anchor(), "direct": Direct()})
    objective, batch = objective_of(joint), batch_of(views=2)
    params = moved(started(objective))
    features = jax.eval_shape(objective.encode, params, batch)
    assert features["tiles"].shape == (5, 2, 3, 32) and features["base"].shape == (5, 3, 32)
    alone = objective_of(Anchor())
    expected, _ = loss_of(alone, {name: params[name] for name in ("image", BASE_IMAGE)}, {**batch, "images": batch["images"][:1]})
    np.testing.assert_allclose(loss_of(objective, params, batch)[1]["anchor/loss"], expected, rtol=1e-6)
    assert objective.flops(5, 3) == pytest.approx((2 + 1 / 3) * 5 * 3 * 3 * SPEC.flops(), rel=0.05)


def test_with_low_rank_factors_the_tower_that_stays_is_the_base():
    lora, batch = LoraConfig(rank=2), batch_of()
    objective = objective_of(Anchor(), lora=lora)
    params = started(objective)
    assert set(params) == {"image", "lora"}
    np.testing.assert_allclose(loss_of(objective, params, batch)[0], 0.0, atol=1e-12)
    tuned = params | {"lora": jax.tree.map(lambda leaf: leaf + 0.3, params["lora"])}
    plain = {"image": objective.tower.image(tuned), BASE_IMAGE: params["image"]}
    np.testing.assert_allclose(loss_of(objective, tuned, batch)[0], loss_of(objective_of(Anchor()), plain, batch)[0], rtol=1e-5)


def test_no_term_takes_the_name_of_a_part_of_the_tower():
    objective = objective_of(Joint(terms={"anchor": Anchor()}), pooling="attention")
    others = started(objective_of(Direct(), lora=LoraConfig(rank=2)))
    parts = set(started(objective)) | set(others) - {"head"}
    assert parts == set(TOWER_PARTS)
