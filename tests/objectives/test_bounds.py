"""The learned logit scale is held within its bounds from outside the loss, so that it can leave them again."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize_scalar

from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.losses import bounded_scale, first_logit_scale, info_nce, logit_scale, unit_rows
from pathfm.objectives.objective import Widths
from pathfm.settings.terms import Contrastive, Direct, Joint, Views

ROWS, SETTINGS = 24, Contrastive()
RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(ROWS, 8))
VECTOR = IMAGE + 1.5 * RNG.normal(size=IMAGE.shape)
SPEC = ViTSpec(width=32, depth=1, heads=2, mlp_width=32, patch=8, image_size=16)


def clip_loss(log_scale: float) -> float:
    """CLIP's loss of these rows in NumPy."""
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (IMAGE, VECTOR))
    logits = math.exp(log_scale) * a @ b.T
    rows, columns = (np.log(np.exp(logits - logits.max()).sum(axis=axis)) + logits.max() for axis in (1, 0))
    return float((0.5 * (rows + columns) - np.diag(logits)).mean())


def trained(start: float, steps: int = 400) -> float:
    """The factor after steps of Adam on it alone, each followed by what the training step does: the objective's bounds."""
    a, b = (unit_rows(jnp.asarray(rows, jnp.float32)) for rows in (IMAGE, VECTOR))
    optimizer = optax.adam(0.03)

    @jax.jit
    def step(params, state):
        gradients = jax.grad(lambda params: info_nce(a, b, logit_scale(params, SETTINGS), jnp.arange(ROWS)))(params)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradients, state)
        return bounded_scale(optax.apply_updates(params, updates), SETTINGS), state

    params = {"logit_scale": jnp.float32(math.log(start))}
    state = optimizer.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return float(logit_scale(params, SETTINGS))


@pytest.mark.parametrize("start", [100.0, 101.0, 5.0])
def test_a_scale_that_starts_at_its_bound_or_beyond_comes_down_to_the_best_one(start):
    best = math.exp(minimize_scalar(clip_loss, bounds=(0, math.log(100)), method="bounded").x)
    assert best < 20
    assert trained(start) == pytest.approx(best, rel=0.02)


def test_the_parameter_is_clamped_where_open_clip_clamps_it():
    for given, held in ((9.0, math.log(100)), (-1.0, 0.0), (2.0, 2.0)):
        assert float(bounded_scale({"logit_scale": jnp.float32(given)}, SETTINGS)["logit_scale"]) == pytest.approx(held)
    assert bounded_scale({"frozen": 1}, SETTINGS) == {"frozen": 1}
    assert float(first_logit_scale(Contrastive(temperature=0.001))) == pytest.approx(math.log(100))


def test_an_objective_bounds_the_terms_that_have_bounds_and_leaves_all_else():
    joint = Joint(terms={"direct": Direct(), "views": Views(max_logit_scale=50.0), "contrastive": Contrastive()})
    objective = make_objective(joint, ImageTower(SPEC), Widths(SPEC.features, {"expression": 4}))
    params = objective.init(jax.random.key(0))
    far = params | {name: params[name] | {"logit_scale": jnp.float32(9)} for name in ("views", "contrastive")}
    held = objective.bounded(far)
    assert {name: round(math.exp(float(held[name]["logit_scale"]))) for name in ("views", "contrastive")} == {
        "views": 50,
        "contrastive": 100,
    }
    assert held["direct"] is far["direct"] and held["image"] is far["image"]
    assert objective.bounded({"image": params["image"]}) == {"image": params["image"]}  # the heads are frozen
