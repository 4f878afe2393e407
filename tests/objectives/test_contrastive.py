"""The contrastive term with its choices: whom it compares, what its metrics and warnings say, what it refuses."""

import math
import os
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.input.repeats import refuse_repeats
from pathfm.input.schedule import Schedule
from pathfm.objectives import bank as banks
from pathfm.objectives import pairs
from pathfm.objectives.bank import Bank, encoded_in_chunks
from pathfm.objectives.objective import Widths
from pathfm.objectives.terms.contrastive import Contrastive
from pathfm.settings import terms
from pathfm.settings.schema import from_dict
from pathfm.settings.terms import Joint, TermSettings
from pathfm.settings.training import MeshConfig
from pathfm.training.mesh import batch_sharding, make_mesh, replicated
from tests.objectives import pair_formulas
from tests.objectives.pair_formulas import pairs_of

BATCH, PATIENTS, GENES, FEATURES = 8, 21, 10, 6
RNG = np.random.default_rng(0)
PROFILES = RNG.normal(size=(PATIENTS, GENES)).astype(np.float32)
CANCER = (np.arange(PATIENTS) % 3 - 1).astype(np.int32)  # -1: not known
PRESENT = np.arange(PATIENTS) != 4


def term_of(dtype=jnp.float32, **settings):
    plain = {"projection": 5, "hidden": 7, "dropout": 0.0, "mask_genes": 0.0} | settings
    return Contrastive(terms.Contrastive(**plain), Widths(FEATURES, {"expression": GENES}, dtype, BATCH, PATIENTS))


def batch_of(patients=(3, 17, 0, 9, 4, 12, 20, -1)):
    """Patients of the bank; one lacks a profile, the last is padding."""
    numbers = np.asarray(patients, np.int32)
    return {
        "patient": numbers,
        "cancer": CANCER[numbers],
        "vectors": {"expression": PROFILES[numbers]},
        "present": {"expression": PRESENT[numbers]},
    }


BANK = Bank({"expression": PROFILES}, {"expression": PRESENT}, np.arange(PATIENTS, dtype=np.int32), CANCER, CANCER)
BAG = RNG.normal(size=(BATCH, FEATURES)).astype(np.float32)


def loss_of(term, batch, bank, train, params=None):
    params = term.init(jax.random.key(0)) if params is None else params
    return params, *jax.jit(lambda *given: term.loss(*given, jax.random.key(1), train=train))(params, {"bag": BAG}, batch, bank)


@pytest.mark.parametrize(
    ("loss", "same_cancer", "train"),
    [("infonce", False, True), ("infonce", True, False), ("siglip", True, True), ("siglip", False, False)],
)
def test_with_the_bank_each_profile_is_there_once(loss, same_cancer, train, monkeypatch):
    monkeypatch.setattr(banks, "CHUNK", 6)
    term, batch = term_of(loss=loss, negatives="bank", same_cancer=same_cancer), batch_of()
    params, value, metrics = loss_of(term, batch, BANK, train)
    counted = np.where((batch["patient"] >= 0) & batch["present"]["expression"], batch["patient"], -1)
    # in training the batch is part of the bank; the validation patients who bear the same numbers are others
    others = [patient for patient in range(PATIENTS) if PRESENT[patient] and not (train and patient in counted)]
    image = BAG.astype(np.float64) @ np.asarray(params["projection"]["kernel"], np.float64)
    image /= np.linalg.norm(image, axis=1, keepdims=True)
    text, further = (
        np.asarray(term.embed(params, jnp.asarray(rows)), np.float64) for rows in (batch["vectors"]["expression"], PROFILES[others])
    )
    types = (batch["cancer"], np.concatenate([batch["cancer"], CANCER[others]])) if same_cancer else (None, None)
    forward = pairs_of("masked", counted, np.concatenate([counted, np.arange(1000, 1000 + len(others))]), *types)
    scale = math.exp(float(params["logit_scale"]))
    if loss == "siglip":
        wanted = pair_formulas.siglip(image, text, further, scale, float(params["logit_bias"]), forward)[0]
    else:
        backward = pairs_of("masked", counted, counted, types[0], types[0])
        wanted = pair_formulas.info_nce(image, text, further, scale, forward, backward)[0]
    assert float(value) == pytest.approx(wanted, rel=1e-5)
    assert ("retrieval_at_1" in metrics) == (not train)


@pytest.mark.parametrize("settings", [{"loss": "siglip", "targets": "multi"}, {"same_cancer": True}], ids=str)
def test_any_number_of_devices_gives_the_same_loss_and_gradients(settings, monkeypatch):
    monkeypatch.setattr(pairs, "CHUNK", 4)
    monkeypatch.setattr(banks, "CHUNK", 6)
    settings = settings | {"negatives": "bank", "dropout": 0.2, "mask_genes": 0.2, "noise": 0.1}
    params = term_of(**settings).init(jax.random.key(0))

    def on(devices):
        mesh = make_mesh(MeshConfig(), jax.devices()[:devices])
        whole, term = replicated(mesh), term_of(**settings)
        term = replace(term, widths=replace(term.widths, everywhere=whole))

        def loss(params, bag, batch, bank):
            return term.loss(params, {"bag": bag}, batch, bank, jax.random.key(1), train=True)[0]

        shardings = (whole, batch_sharding(mesh), batch_sharding(mesh), whole)
        step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)), in_shardings=shardings)
        return jax.tree.map(np.asarray, step(params, BAG, batch_of(), BANK))

    value, gradients = on(1)
    for devices in (2, int(os.environ["JAX_NUM_CPU_DEVICES"])):
        found, others = on(devices)
        np.testing.assert_allclose(found, value, rtol=1e-6)
        for ours, theirs in zip(jax.tree.leaves(others), jax.tree.leaves(gradients), strict=True):
            assert np.linalg.norm(ours - theirs) <= 1e-5 * np.linalg.norm(theirs)


def test_rows_of_the_bank_are_masked_like_the_batchs():
    term = term_of(negatives="bank", mask_genes=0.5)
    params = term.init(jax.random.key(0))
    same = BANK._replace(vectors={"expression": jnp.ones_like(PROFILES)}, present={"expression": np.ones(PATIENTS, bool)})
    masked, plain = (term._rows_of_bank(params, same, np.arange(3), jax.random.key(2), train) for train in (True, False))
    assert len(np.unique(np.asarray(masked.unit).round(4), axis=0)) > PATIENTS / 2
    assert np.ptp(np.asarray(plain.unit), axis=0).max() < 1e-6
    np.testing.assert_array_equal(np.asarray(masked.patient) < 0, np.arange(PATIENTS) < 3)
    assert (np.asarray(plain.patient) > PATIENTS).all()


def test_the_bank_is_encoded_in_chunks_with_the_same_gradient(monkeypatch):
    kernel, vectors = jnp.asarray(RNG.normal(size=(GENES, 4)), jnp.float32), jnp.asarray(PROFILES)

    def total(kernel):
        return jnp.sum(jnp.sin(encoded_in_chunks(lambda rows, _: jnp.tanh(rows @ kernel), vectors)))

    whole = jax.value_and_grad(total)(kernel)
    for chunk in (5, 7, 20):
        monkeypatch.setattr(banks, "CHUNK", chunk)
        value, gradient = jax.value_and_grad(total)(kernel)
        np.testing.assert_allclose(value, whole[0], rtol=1e-5)
        np.testing.assert_allclose(gradient, whole[1], rtol=1e-4, atol=1e-5)


def test_losses_of_bfloat16_towers_are_float32():
    for settings in ({"loss": "siglip", "negatives": "bank"}, {"negatives": "bank", "targets": "multi"}):
        params, exact, _ = loss_of(term_of(**settings), batch_of(), BANK, train=True)
        _, value, metrics = loss_of(term_of(jnp.bfloat16, **settings), batch_of(), BANK, True, params)
        assert {value.dtype, *(metric.dtype for metric in metrics.values())} == {jnp.dtype("float32")}
        assert float(value) == pytest.approx(float(exact), rel=2e-2) and float(value) != float(exact)


def test_the_bias_starts_where_all_pairs_have_one_probability():
    for settings, bias in (({}, math.log(BATCH - 1)), ({"negatives": "bank"}, math.log(PATIENTS - 1)), ({"bias": -10}, 10.0)):
        assert float(term_of(loss="siglip", **settings).init(jax.random.key(0))["logit_bias"]) == pytest.approx(-bias)
    assert "logit_bias" not in term_of().init(jax.random.key(0))


def validated(term, bag, bias):
    """(metrics, warnings) where the image of a patient is `bag` and the temperature 0.1."""
    params = term.init(jax.random.key(0)) | {"logit_bias": jnp.float32(bias)}
    batch = batch_of((0, 1, 2, 3, 5, 6, 7, 8))
    params["projection"] = {"kernel": jnp.eye(5, dtype=jnp.float32)}
    metrics = term.loss(
        params, {"bag": bag(term.embed(params, batch["vectors"]["expression"]))}, batch, None, jax.random.key(1), train=False
    )[1]
    metrics = {name: float(value) for name, value in metrics.items()}
    return metrics, term.warnings(metrics)


def test_siglip_warns_when_nothing_is_learned_whatever_its_bias():
    term = term_of(loss="siglip", temperature=0.1)
    for bias in (-math.log(7), -10.0):  # the second is beyond what chance costs for the bias alone
        metrics, found = validated(term, lambda vectors: jnp.ones_like(vectors), bias)
        assert any("that of one probability for all pairs" in sentence for sentence in found)
    metrics, found = validated(term, lambda vectors: vectors, -8.0)  # all is learned
    assert metrics["retrieval_at_1"] == 1.0 and metrics["calibrated_share"] < 0.8 and found == []
    metrics, found = validated(term, lambda vectors: vectors, -30.0)
    assert metrics["loss_share"] > 1 and len(found) == 1 and "the bias of SigLIP is far" in found[0]


class Twice(Schedule):
    def patient(self, step, slot):
        return super().patient(step, slot // 2)


def test_siglip_with_diagonal_targets_refuses_a_patient_twice_in_a_batch():
    strict = terms.Contrastive(loss="siglip", targets="diagonal")
    refuse_repeats(strict, Schedule(20, 4, seed=0))
    for objective in (strict, Joint(terms={"mine": strict})):
        with pytest.raises(InputError, match="has a patient twice, and SigLIP with diagonal targets .* set objective.targets to masked"):
            refuse_repeats(objective, Twice(20, 4, seed=0))
    for other in (terms.Contrastive(), terms.Contrastive(loss="siglip", targets="multi"), terms.Contrastive(targets="diagonal")):
        refuse_repeats(other, Twice(20, 4, seed=0))


@pytest.mark.parametrize("wrong", [{"loss": "clip"}, {"targets": "all"}, {"negatives": "none"}])
def test_an_unknown_choice_is_refused_with_the_known_ones(wrong):
    (key,) = wrong
    with pytest.raises(InputError, match=f"{key} of contrastive is .*; known are {terms.CONTRASTS[key][0]}, "):
        from_dict(TermSettings, {"name": "contrastive"} | wrong)
    assert from_dict(TermSettings, {"name": "contrastive", "bias": -5}).bias == -5.0
