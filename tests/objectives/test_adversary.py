"""The adversary: its head learns the hospital, what it reads from learns the opposite, at a strength that the share of the run gives."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

from pathfm.errors import InputError
from pathfm.models.mlp import VectorTower
from pathfm.objectives.bank import Bank
from pathfm.objectives.objective import Widths
from pathfm.objectives.terms.adversary import Adversary, reversed_gradient
from pathfm.settings import terms

SITES, WIDTH, PATIENTS = 4, 6, 32
SITE = np.arange(PATIENTS, dtype=np.int32) % (SITES + 2) - 1  # -1 is unknown, SITES a hospital that trains nobody
CANCER = np.where(np.arange(PATIENTS) % 7 == 0, -1, np.arange(PATIENTS) // 2 % 3).astype(np.int32)
COUNTED = (SITE >= 0) & (SITE < SITES)
COUNTED[-3:] = False
BANK_SITE, BANK_CANCER = np.array([0, 1, 1, 2, 3, -1], np.int32), np.array([0, 0, 1, 1, 2, 2], np.int32)


def term(sites=SITES, **settings):
    return Adversary(terms.Adversary(hidden=16, **settings), Widths(WIDTH, {}, sites=sites))


def batch(progress=1.0):
    patient = np.where(np.arange(PATIENTS) < PATIENTS - 3, np.arange(PATIENTS), -1).astype(np.int32)
    given = {"patient": patient, "site": SITE, "cancer": CANCER, "progress": np.full(PATIENTS, progress, np.float32)}
    return {name: jnp.asarray(values) for name, values in given.items()}


def bank():
    patients = jnp.arange(len(BANK_SITE), dtype=jnp.int32)
    return Bank({}, {}, patients, jnp.asarray(BANK_CANCER), jnp.asarray(BANK_SITE))


def bags():
    return jnp.asarray(np.random.default_rng(0).normal(size=(PATIENTS, WIDTH)).astype(np.float32))


def loss(one, params, features, given, train=True):
    """(the mean over the patients counted, metrics) of what the term gives each of them."""

    @jax.jit
    def of(params, features):
        losses, metrics = one.loss(params, {"bag": features}, given, bank(), jax.random.key(0), train=train)
        return jnp.sum(losses) / int(COUNTED.sum()), metrics

    return of(params, features)


def plain(params, features):
    """Cross-entropy of the same head over all hospitals, without any reversal."""
    logits = VectorTower(16, SITES, 0.0).apply({"params": params["head"]}, features)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits[COUNTED], jnp.asarray(SITE[COUNTED]))
    return jnp.mean(losses)


def test_the_gradient_is_turned_round_row_by_row_and_nothing_else_changes():
    x, strength = bags(), jnp.linspace(0.0, 2.0, PATIENTS)
    np.testing.assert_array_equal(reversed_gradient(x, strength), x)
    slope = jax.grad(lambda x: jnp.sum(jnp.sin(reversed_gradient(x, strength))))(x)
    np.testing.assert_allclose(slope, -strength[:, None] * jnp.cos(x), rtol=1e-6)
    assert (jax.grad(lambda strength: jnp.sum(reversed_gradient(x, strength)))(strength) == 0).all()


def test_the_head_descends_the_cross_entropy_that_the_feature_climbs():
    one, features = term(strength=0.7), bags()
    params, given = one.init(jax.random.key(1)), batch(progress=0.1)
    value, (of_params, of_features) = jax.value_and_grad(lambda *both: loss(one, *both, given)[0], argnums=(0, 1))(params, features)
    wanted, (head, tower) = jax.jit(jax.value_and_grad(plain, argnums=(0, 1)))(params, features)
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    for ours, theirs in zip(jax.tree.leaves(of_params), jax.tree.leaves(head), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(of_features, -0.7 * (2 / (1 + np.exp(-1.0)) - 1) * tower, rtol=1e-4, atol=1e-8)
    assert np.abs(tower).max() > 1e-3


def test_the_strength_is_ganins_schedule():
    one = term(strength=1.5, ramp=10.0)
    found = one.strength(jnp.array([0.0, 0.1, 0.5, 1.0]))
    np.testing.assert_allclose(found, 1.5 * np.array([0.0, 0.46211716, 0.98661430, 0.99990920]), rtol=1e-5)
    _, metrics = loss(one, one.init(jax.random.key(0)), bags(), batch(progress=0.1))
    assert metrics["strength"] == pytest.approx(1.5 * 0.46211716, rel=1e-5)


def test_within_cancer_the_head_chooses_among_the_hospitals_that_train_with_the_patients_type():
    one, features = term(within_cancer=True), bags()
    params = one.init(jax.random.key(1))
    value, metrics = loss(one, params, features, batch())
    logits = np.asarray(VectorTower(16, SITES, 0.0).apply({"params": params["head"]}, features), np.float64)
    losses, of_nothing, right = [], [], []
    for number in np.flatnonzero(COUNTED):
        same = BANK_SITE[(BANK_CANCER == CANCER[number]) & (BANK_SITE >= 0)] if CANCER[number] >= 0 else range(SITES)
        choice = sorted({*same, SITE[number]})
        losses.append(-log_softmax(logits[number, choice])[choice.index(SITE[number])])
        of_nothing.append(np.log(len(choice)))
        right.append(choice[int(np.argmax(logits[number, choice]))] == SITE[number])
    assert value == pytest.approx(np.mean(losses), rel=1e-5) and min(losses) == 0.0
    assert metrics["loss_share"] == pytest.approx(np.mean(losses) / np.mean(of_nothing), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(np.mean(right))
    assert value < loss(term(), params, features, batch())[0]


def test_it_does_not_choose_the_weights():
    one = term()
    value, metrics = loss(one, one.init(jax.random.key(1)), bags(), {**batch(), "progress": None}, train=False)
    assert value == 0 and metrics == {} and one.predict({}, bags()) == {}
    np.testing.assert_array_equal(one.counted(batch()), COUNTED)


@pytest.mark.parametrize(("sites", "known"), [(0, "no training patient's is known"), (1, "are of one")])
def test_fewer_than_two_hospitals_are_one_sentence(sites, known):
    with pytest.raises(InputError, match=f"adversary tells hospitals apart, and .*{known}.*--slides-table"):
        term(sites=sites).init(jax.random.key(0))
    with pytest.raises(ValueError, match="ramp above 0"):
        terms.Adversary(ramp=0.0)


def told(matrix, sites):
    """How well a line that is fitted to one half of the patients tells the hospital of the other half."""
    known = np.arange(len(sites)) % 4 < 2
    design = np.column_stack([matrix, np.ones(len(matrix))])
    weights = np.linalg.lstsq(design[known], 2.0 * sites[known] - 1.0, rcond=None)[0]
    return ((design[~known] @ weights > 0) == sites[~known]).mean()


def learned(strength, steps=600):
    """A linear tower that learns to predict a number beside a stain: how well its feature then tells the hospital, and the number."""
    rng, patients = np.random.default_rng(0), 256
    sites, number = (np.arange(patients) % 2).astype(np.int32), rng.normal(size=patients)
    x = jnp.asarray(np.column_stack([number, 2.0 * sites - 1.0, 0.5 * rng.normal(size=(patients, 3))]), jnp.float32)
    one = Adversary(terms.Adversary(hidden=16, strength=strength), Widths(4, {}, sites=2))
    params = {"tower": 0.5 * jax.random.normal(jax.random.key(0), (5, 4)), "out": jnp.ones((4,)) / 4, **one.init(jax.random.key(1))}
    given = {"patient": jnp.arange(patients), "site": jnp.asarray(sites)}
    optimizer = optax.adam(0.01)

    def total(params, progress):
        bag = x @ params["tower"]
        task = jnp.mean((bag @ params["out"] - jnp.asarray(number, jnp.float32)) ** 2)
        return task + jnp.mean(one.loss(params, {"bag": bag}, {**given, "progress": progress}, None, jax.random.key(0), train=True)[0])

    def step(carry, progress):
        params, state = carry
        slopes = jax.grad(total)(params, jnp.full((patients,), progress))
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(slopes, state)
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda params: jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(steps, dtype=jnp.float32) / steps)[0][0])
    params = run(params)
    feature = np.asarray(x @ params["tower"], np.float64)
    return told(feature, sites), np.corrcoef(feature @ np.asarray(params["out"]), number)[0, 1]


def test_a_tower_that_is_trained_against_it_forgets_the_stain_and_keeps_the_task():
    without, with_it = learned(0.0), learned(1.0)
    assert without[0] > 0.95 > 0.75 > with_it[0]
    assert min(without[1], with_it[1]) > 0.95
