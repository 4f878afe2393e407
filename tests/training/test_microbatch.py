"""A few patients in the tower at a time give the loss, the metrics and the gradients of the whole batch, in less memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.bank import Bank
from pathfm.objectives.image_tower import BASE_IMAGE, ImageTower
from pathfm.objectives.objective import Widths
from pathfm.settings.regression_terms import COUNTS, LIBRARY, GeneQuery, NegativeBinomial, Pearson
from pathfm.settings.terms import Anchor, Contrastive, Direct, Joint, Views
from pathfm.settings.training import MeshConfig
from pathfm.training.mesh import batch_sharding, make_mesh
from pathfm.training.microbatch import joined, part_size, split, value_and_gradients
from pathfm.training.state import State
from pathfm.training.step import encoder, make_evaluate_step

SPEC = ViTSpec(width=32, depth=2, heads=2, mlp_width=64, patch=4, image_size=16)
GENES = 24
OBJECTIVES = {
    "contrastive": Contrastive(projection=16, hidden=32, noise=0.1),
    "direct": Direct(hidden=16),
    "views": Views(projection=16),
    "joint": Joint(terms={"direct": Direct(weight=0.5), "views": Views(projection=8)}),
    "pearson": Pearson(),
    "negative_binomial": NegativeBinomial(),
    "gene_query": GeneQuery(width=8, heads=2, gene_width=8),
    "siglip": Contrastive(projection=16, hidden=32, loss="siglip", targets="diagonal"),
    "bank": Contrastive(projection=16, hidden=32, negatives="bank"),
    "anchored": Joint(terms={"direct": Direct(), "anchor": Anchor(weight=3.0)}),
    "balanced": Joint(
        terms={"direct": Direct(weight=0.5), "contrastive": Contrastive(projection=16, hidden=32), "anchor": Anchor()}, balance="gradient"
    ),
}


def batch_of(patients=16, tiles=2):
    rng = np.random.default_rng(0)
    identity = rng.permutation(100)[:patients].astype(np.int32)
    identity[-3:] = -1  # padding, which strikes the parts unequally
    mask = np.ones((patients, tiles), bool)
    mask[3, 1] = False
    return {
        "tiles": rng.integers(0, 256, (patients, tiles, 16, 16, 3)).astype(np.uint8),
        "tile_mask": mask,
        "patient": identity,
        "site": np.zeros(patients, np.int32),
        "vectors": {
            "expression": rng.normal(size=(patients, GENES)).astype(np.float32),
            COUNTS: rng.poisson(20, (patients, GENES)).astype(np.float32),
            LIBRARY: rng.uniform(10, 30, (patients, 1)).astype(np.float32),
        },
        "cancer": np.zeros(patients, np.int32),
        "present": {"expression": np.arange(patients) != 5},  # a patient without RNA
    }


def bank_of(objective, patients=100):
    if not objective.needs_bank:
        return None
    codes = np.arange(patients, dtype=np.int32)
    vectors = np.random.default_rng(1).normal(size=(patients, GENES)).astype(np.float32)
    return Bank({"expression": vectors}, {"expression": codes % 9 > 0}, codes, codes, codes)


def objective_of(name, **more):
    return make_objective(OBJECTIVES[name], ImageTower(SPEC, **more), Widths(SPEC.features, {"expression": GENES}))


def started(objective):
    """Parameters at the start; where the base is held to, the tower has left it already."""
    params = objective.init(jax.random.key(0))
    if BASE_IMAGE in params:
        params["image"] = jax.tree.map(lambda leaf: leaf + 0.05 * jax.random.normal(jax.random.key(3), leaf.shape), params["image"])
    return params


def prepare_for(objective):
    """Pixels in [-1, 1] with noise that hangs on step and patient, as augmentation does."""

    def prepare(batch, key, train):
        del train

        def view(number):
            keys = jax.vmap(lambda patient: jax.random.fold_in(jax.random.fold_in(key, number), patient))(batch["patient"])
            noise = jax.vmap(lambda one: jax.random.normal(one, batch["tiles"].shape[1:]))(keys)
            return batch["tiles"].astype(jnp.float32) / 127.5 - 1.0 + 0.1 * noise

        return {**batch, "images": jnp.stack([view(number) for number in range(objective.views)])}

    return prepare


def compiled(objective, params, batch, size, sharding=None):
    encode = encoder(objective, prepare_for(objective), jax.random.key(1), train=True)

    def step(params, batch):
        return value_and_gradients(objective, encode, params, {}, batch, bank_of(objective), jax.random.key(2), size)

    shardings = None if sharding is None else (NamedSharding(sharding.mesh, PartitionSpec()), sharding)
    return jax.jit(step, in_shardings=shardings).lower(params, batch).compile()


@pytest.mark.parametrize(
    ("name", "pooling", "size"),
    [
        ("direct", "mean", 1),
        pytest.param("direct", "attention", 8, marks=pytest.mark.long),
        ("contrastive", "attention", 4),
        pytest.param("views", "mean", 8, marks=pytest.mark.long),
        ("joint", "attention", 1),
        ("pearson", "mean", 4),
        pytest.param("negative_binomial", "mean", 2, marks=pytest.mark.long),
        pytest.param("gene_query", "mean", 8, marks=pytest.mark.long),
        ("siglip", "mean", 4),
        pytest.param("bank", "mean", 8, marks=pytest.mark.long),
        pytest.param("anchored", "mean", 2, marks=pytest.mark.long),
        ("balanced", "attention", 4),
    ],
)
def test_parts_give_the_numbers_of_the_whole_batch(name, pooling, size):
    objective, batch = objective_of(name, pooling=pooling), batch_of()
    params = started(objective)
    (value, metrics), gradients = compiled(objective, params, batch, 16)(params, batch)
    (part_value, part_metrics), part_gradients = compiled(objective, params, batch, size)(params, batch)
    np.testing.assert_allclose(part_value, value, rtol=1e-5)
    assert metrics.keys() == part_metrics.keys()
    for metric in metrics:
        np.testing.assert_allclose(part_metrics[metric], metrics[metric], rtol=1e-5)
    whole = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(gradients)))
    for (path, found), wanted in zip(jax.tree_util.tree_leaves_with_path(part_gradients), jax.tree.leaves(gradients), strict=True):
        assert np.linalg.norm(found - wanted) <= 2e-5 * np.linalg.norm(wanted) + 1e-6 * whole, path


@pytest.mark.parametrize("name", ["contrastive", "joint", "balanced"])
def test_parts_are_spread_over_the_devices_without_moving_images(name):
    objective, batch = objective_of(name), batch_of()
    params = started(objective)
    (value, _), gradients = compiled(objective, params, batch, 16)(params, batch)
    sharding = batch_sharding(make_mesh(MeshConfig(data=4), jax.devices()[:4]))
    on_four = compiled(objective, params, batch, 8, sharding)
    (part_value, _), part_gradients = on_four(*jax.device_put((params, batch), on_four.input_shardings[0]))
    np.testing.assert_allclose(part_value, value, rtol=1e-5)
    for found, wanted in zip(jax.tree.leaves(part_gradients), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max() + 1e-7)
    moved = [line for line in on_four.as_text().splitlines() if "u8[" in line and any(word in line for word in ("all-", "collective"))]
    assert not moved


def test_a_part_takes_less_memory_than_the_batch():
    for name in ("contrastive", "views"):
        objective, batch = objective_of(name), batch_of()
        params = objective.init(jax.random.key(0))
        whole, parts = (compiled(objective, params, batch, size).memory_analysis().temp_size_in_bytes for size in (16, 2))
        assert parts < 0.5 * whole, name


def test_evaluation_in_parts_gives_the_same_loss():
    objective, batch = objective_of("contrastive"), batch_of()
    params = objective.init(jax.random.key(0))
    state = State(jnp.zeros((), jnp.int32), params, {}, ())
    whole, parts = (jax.jit(make_evaluate_step(objective, prepare_for(objective), 0, size))(state, batch, None) for size in (16, 4))
    assert int(whole[1]) == int(parts[1]) == 13
    for metric in whole[0]:
        np.testing.assert_allclose(parts[0][metric], whole[0][metric], rtol=1e-4)


def test_every_device_has_rows_in_every_part():
    rows = jnp.arange(12)
    parts = split({"row": rows}, 4)["row"]
    assert parts.shape == (3, 4)
    assert all(sorted(part // 3) == [0, 1, 2, 3] for part in np.asarray(parts))  # four devices, three rows each
    np.testing.assert_array_equal(joined(parts), rows)


@pytest.mark.parametrize(
    ("wanted", "additive", "platform", "devices", "size"),
    [
        (8, False, "gpu", 4, 8),
        (0, True, "gpu", 1, 64),
        (0, False, "cpu", 1, 64),
        (0, True, "cpu", 1, 2),
        (0, True, "cpu", 8, 8),
    ],
)
def test_how_many_patients_go_at_a_time(wanted, additive, platform, devices, size):
    assert part_size(wanted, 64, 394, additive, platform, devices) == size


@pytest.mark.parametrize(("wanted", "devices"), [(48, 1), (128, 1), (4, 8)])
def test_parts_that_do_not_make_up_the_batch_are_refused(wanted, devices):
    with pytest.raises(InputError, match=f"microbatch={wanted} must divide"):
        part_size(wanted, 64, 394, True, "cpu", devices)
