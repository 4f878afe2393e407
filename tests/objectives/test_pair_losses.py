"""InfoNCE and SigLIP over pairs against formulas in float64: every kind of target, in chunks and whole, on one device and several."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from scipy.optimize import minimize_scalar

from pathfm.objectives import losses, pairs
from pathfm.objectives.pair_losses import best_bias, info_nce_of_pairs, siglip
from pathfm.objectives.pairs import Rows, Rule, retrieved
from tests.objectives import pair_formulas
from tests.objectives.pair_formulas import drawn_rows, pairs_of

DEVICES = int(os.environ["JAX_NUM_CPU_DEVICES"])
BATCH, FURTHER, WIDTH, SCALE, BIAS = 24, 11, 12, 8.0, -3.0
UNIQUE = np.where(np.arange(BATCH) < BATCH - 3, np.arange(BATCH), -1)  # padding at the end of the last shard
REPEATED = np.where(UNIQUE < 0, -1, UNIQUE // 2)  # every patient twice
TYPES = np.arange(BATCH + FURTHER) % 3 - 1


def rows_of(unit, patient, first=0):
    place = np.arange(len(patient)) if first == 0 else np.full(len(patient), -1)
    return Rows(unit, *(jnp.asarray(codes, jnp.int32) for codes in (patient, place, TYPES[first : first + len(patient)])))


def sides(image, text, further, patients):
    images, vectors = (rows_of(unit, patients) for unit in (image, text))
    if not len(further):
        return images, vectors, vectors
    more = rows_of(further, np.where(np.arange(len(further)) == 2, -1, 1000), first=BATCH)  # one of them lacks a profile
    return images, vectors, jax.tree.map(lambda *both: jnp.concatenate(both), vectors, more)


def drawn(further):
    rng = np.random.default_rng(0)
    return [drawn_rows(rng, n, WIDTH) for n in (BATCH, BATCH, further)]


def compared(loss, arrays, patients, rule, devices):
    """(loss, gradients) of a loss of rows on so many devices."""
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    split, whole = (NamedSharding(mesh, PartitionSpec(*spec)) for spec in (["data"], []))
    units = [
        jax.device_put(jnp.asarray(array, jnp.float32), sharding) for array, sharding in zip(arrays, (split, split, whole), strict=True)
    ]

    def of(image, text, further, scale, bias):
        images, vectors, others = sides(image, text, further, patients)
        if loss == "siglip":
            return siglip(images, others, scale, bias, rule)[0]
        return info_nce_of_pairs(images, vectors, others, scale, rule)[0]

    return jax.jit(jax.value_and_grad(of, argnums=(0, 1, 2, 3, 4)))(*units, jnp.float32(SCALE), jnp.float32(BIAS))


def expected(loss, arrays, patients, rule):
    more = np.where(np.arange(len(arrays[2])) == 2, -1, 1000)
    types = (TYPES[:BATCH], TYPES[: BATCH + len(more)]) if rule.same_cancer else (None, None)
    forward = pairs_of(rule.targets, patients, np.concatenate([patients, more]), *types)
    if loss == "siglip":
        return pair_formulas.siglip(*arrays, SCALE, BIAS, forward)
    backward = pairs_of(rule.targets, patients, patients, types[0], types[0])
    return (*pair_formulas.info_nce(*arrays, SCALE, forward, backward), 0.0)


CASES = [
    ("infonce", "masked", False, 0, UNIQUE),
    ("infonce", "masked", True, FURTHER, REPEATED),
    ("infonce", "diagonal", False, FURTHER, REPEATED),
    ("infonce", "multi", True, 0, REPEATED),
    ("infonce", "multi", False, FURTHER, REPEATED),
    ("siglip", "diagonal", False, 0, UNIQUE),
    ("siglip", "masked", True, FURTHER, REPEATED),
    ("siglip", "multi", False, FURTHER, REPEATED),
]
WHOLE, IN_CHUNKS, ON_TWO, ON_ALL = (1024, 1), (5, 1), (8, 2), (8, DEVICES)


@pytest.mark.parametrize(
    ("number", "chunk", "devices"),
    [(number, *WHOLE) for number in range(8)]
    + [(0, *ON_ALL), (1, *ON_TWO), (2, *IN_CHUNKS), (4, *ON_ALL), (5, *ON_ALL), (6, *IN_CHUNKS), (7, *ON_TWO)],
)
def test_equals_the_formula_with_its_gradients(number, chunk, devices, monkeypatch):
    loss, targets, same_cancer, further, patients = CASES[number]
    monkeypatch.setattr(pairs, "CHUNK", chunk)
    rule, arrays = Rule(targets, same_cancer), drawn(further)
    value, gradients = compared(loss, arrays, patients, rule, devices)
    wanted, *wanted_gradients = expected(loss, arrays, patients, rule)
    assert abs(float(value) - wanted) < 2e-6 * max(1.0, wanted)
    for gradient, formula in zip(gradients, wanted_gradients, strict=True):
        assert np.linalg.norm(gradient - formula) <= 1e-5 * np.linalg.norm(formula)


def test_the_usual_loss_is_computed_as_before_and_in_chunks_the_same(monkeypatch):
    images, vectors, others = sides(*(jnp.asarray(rows, jnp.float32) for rows in drawn(0)), UNIQUE)
    usual = losses.info_nce(images.unit, vectors.unit, jnp.float32(SCALE), images.patient)
    whole, chance = info_nce_of_pairs(images, vectors, others, jnp.float32(SCALE), Rule())
    assert float(whole) == float(usual) and float(chance) == pytest.approx(np.log(BATCH - 3), rel=1e-6)
    monkeypatch.setattr(pairs, "CHUNK", 7)
    in_chunks, same_chance = info_nce_of_pairs(images, vectors, others, jnp.float32(SCALE), Rule())
    np.testing.assert_allclose([in_chunks, same_chance], [whole, chance], rtol=1e-6)


@pytest.mark.parametrize(("loss", "devices"), [("infonce", 1), ("infonce", DEVICES), ("siglip", 1)])
def test_memory_grows_with_the_batch_times_a_chunk(loss, devices, monkeypatch):
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    split, copied = (NamedSharding(mesh, PartitionSpec(*spec)) for spec in (["data"], []))

    def of(image, text, patients, scale):
        images, vectors = (Rows(unit, patients, jnp.arange(len(patients)), None) for unit in (image, text))
        if loss == "siglip":
            return siglip(images, vectors, scale, scale, Rule("multi"))[0]
        return info_nce_of_pairs(images, vectors, vectors, scale, Rule("multi"))[0]

    def memory(batch, chunk):
        monkeypatch.setattr(pairs, "CHUNK", chunk)
        rows, codes = (jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in (((batch, 8), "float32"), ((batch,), "int32")))
        step = jax.jit(jax.value_and_grad(of, argnums=(0, 1, 3)), in_shardings=(split, split, split, copied))
        return step.lower(rows, rows, codes, jax.ShapeDtypeStruct((), "float32")).compile().memory_analysis().temp_size_in_bytes

    small, large, whole = memory(2048, 64), memory(4096, 64), memory(4096, 4096)
    pairs_on_a_device = 4 * 4096 * 4096 / devices
    assert whole > pairs_on_a_device
    assert large < 0.15 * pairs_on_a_device and large < 2.2 * small


@pytest.mark.parametrize(("patients", "rule"), [(UNIQUE, Rule()), (REPEATED, Rule("multi", True)), (REPEATED, Rule("masked"))])
def test_chance_is_the_loss_of_equal_rows_under_the_bias_that_suits_them(patients, rule):
    rows = jnp.ones((BATCH, WIDTH), jnp.float32) * WIDTH**-0.5

    @jax.jit
    def both(rows, scale):
        images, vectors, others = sides(rows, rows, rows[:FURTHER], patients)
        bias = best_bias(images, others, scale, rule)
        low = siglip(images, others, scale, bias - 1, rule)[0]
        return info_nce_of_pairs(images, vectors, others, scale, rule), siglip(images, others, scale, bias, rule), low

    (loss, chance), (sigmoid_loss, sigmoid_chance), low = both(rows, jnp.float32(SCALE))
    assert float(loss) == pytest.approx(float(chance), rel=1e-5)
    assert float(sigmoid_loss) == pytest.approx(float(sigmoid_chance), rel=1e-5)
    assert float(low) > float(sigmoid_loss)


def test_the_best_bias_is_scipys():
    arrays = drawn(FURTHER)
    rule, patients = Rule("multi"), REPEATED
    images, _, others = sides(*(jnp.asarray(rows, jnp.float32) for rows in arrays), patients)
    found = best_bias(images, others, jnp.float32(SCALE), rule)
    mask = pairs_of("multi", patients, np.concatenate([patients, np.where(np.arange(FURTHER) == 2, -1, 1000)]))
    best = minimize_scalar(lambda bias: pair_formulas.siglip(*arrays, SCALE, bias, mask)[0], bounds=(-50, 50), method="bounded").x
    assert float(found) == pytest.approx(best, abs=1e-3)


def test_retrieval_in_chunks_asks_for_the_patient(monkeypatch):
    monkeypatch.setattr(pairs, "CHUNK", 5)
    image, text, _ = (jnp.asarray(rows, jnp.float32) for rows in drawn(0))
    near = text.at[:9].set(image[:9])
    images, vectors, _ = sides(image, near, image[:0], UNIQUE)
    cosines = np.where(UNIQUE >= 0, np.asarray(image) @ np.asarray(near).T, -2.0)
    np.testing.assert_array_equal(np.asarray(retrieved(images, vectors))[UNIQUE >= 0], (cosines.argmax(1) == np.arange(BATCH))[UNIQUE >= 0])
