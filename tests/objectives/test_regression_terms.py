"""Losses of regression: what SciPy says, the patients that count, and starts of training patients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from pathfm.models.vit import ViTSpec
from pathfm.objectives import make_objective
from pathfm.objectives.image_tower import ImageTower
from pathfm.objectives.losses import correlations, huber, squares
from pathfm.objectives.objective import Widths
from pathfm.objectives.terms.negative_binomial import MOST, deviance, negative_log_likelihood
from pathfm.settings.regression_terms import COUNTS, LIBRARY, MeanSquares, NegativeBinomial, Pearson
from pathfm.settings.terms import Joint

SPEC = ViTSpec(width=32, depth=1, heads=2, mlp_width=32, patch=8, image_size=16)
RNG = np.random.default_rng(0)
PATIENTS, GENES = 24, 7


def rows(patients=PATIENTS, genes=GENES):
    return RNG.normal(size=(patients, genes)).astype(np.float32)


def term_of(settings, starts=None):
    widths = Widths(SPEC.features, {"expression": GENES})
    objective = make_objective(settings, ImageTower(SPEC), widths, starts and {settings.name: starts})
    return next(iter(objective.terms.values()))


def batch_of(vectors, counted):
    patient = np.where(counted, np.arange(len(counted)), -1).astype(np.int32)
    return {"patient": patient, "present": {"expression": np.ones(len(counted), bool)}, "vectors": vectors}


def test_squares_are_halves_and_what_huber_is_without_large_errors():
    prediction, truth = rows(), rows()
    np.testing.assert_allclose(squares(prediction, truth), 0.5 * ((prediction - truth) ** 2).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(squares(prediction, truth), huber(prediction, truth, 1e3), rtol=1e-5)


def test_correlations_are_scipys_over_the_patients_that_count():
    prediction, truth, counted = rows() * 1e3 + 50, rows(), np.arange(PATIENTS) % 3 > 0
    found = correlations(prediction, truth, counted)
    wanted = [stats.pearsonr(prediction[counted, gene], truth[counted, gene]).statistic for gene in range(GENES)]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.3, 1e4])
def test_a_constant_gene_has_neither_r_nor_a_gradient(value):
    prediction, truth = rows(), rows()
    truth[:, 2] = value
    counted = np.ones(PATIENTS, bool)
    r, gradient = jax.value_and_grad(lambda guess: jnp.sum(correlations(guess, truth, counted)))(prediction)
    assert np.isfinite(r) and not gradient[:, 2].any() and np.isfinite(gradient).all() and gradient[:, 1].any()
    flat = np.full_like(truth, value)
    assert not correlations(flat, truth, counted).any()
    assert not correlations(prediction, truth, np.zeros(PATIENTS, bool)).any()


def test_the_loss_of_pearson_is_one_less_the_mean_r_and_a_whole_batchs():
    term = term_of(Pearson())
    params, counted, features = term.init(jax.random.key(0)), np.arange(PATIENTS) < 20, rows(PATIENTS, SPEC.features)
    truth = rows()
    loss, metrics = term.loss(params, {"bag": features}, batch_of({"expression": truth}, counted), None, jax.random.key(1), train=False)
    said = np.asarray(term.predict(params, features)["unscaled"])
    wanted = 1 - np.mean([stats.pearsonr(said[:20, gene], truth[:20, gene]).statistic for gene in range(GENES)])
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss_share"], wanted, rtol=1e-5)
    assert make_objective(Joint(terms={"r": Pearson()}), ImageTower(SPEC), Widths(SPEC.features, {"expression": GENES})).inputs == {
        "head/bias"
    }
    assert not term.additive and term_of(MeanSquares()).additive
    assert term.warnings({"loss_share": 1.0}) and not term.warnings({"loss_share": 0.6})


@pytest.mark.parametrize("alpha", [0.01, 0.4, 5.0])
@pytest.mark.parametrize("size", [0.5, 40.0, 5e5])
def test_the_likelihood_is_scipys_in_float32_for_few_and_for_many_reads(alpha, size):
    mean = size * np.exp(RNG.normal(size=(PATIENTS, GENES)))
    counts = stats.nbinom.rvs(1 / alpha, 1 / (1 + alpha * mean), random_state=0).astype(np.float32)
    counts[0] = 0
    log_mean = np.log(mean).astype(np.float32)
    dispersion = np.full(GENES, alpha, np.float32)
    mean = np.exp(log_mean.astype(np.float64))
    wanted = -stats.nbinom.logpmf(counts, 1 / alpha, 1 / (1 + alpha * mean)).mean(axis=1)
    np.testing.assert_allclose(negative_log_likelihood(counts, log_mean, dispersion), wanted, rtol=2e-5, atol=2e-4)
    best = -stats.nbinom.logpmf(counts, 1 / alpha, 1 / (1 + alpha * np.maximum(counts, 1e-12))).mean(axis=1)
    np.testing.assert_allclose(deviance(counts, log_mean, dispersion), 2 * (wanted - best), rtol=1e-3, atol=1e-3)


def test_its_gradients_are_finite_differences_of_scipys():
    counts, log_mean, log_alpha = np.array([[0.0, 3.0, 9e5]]), np.log([[2.0, 5.0, 6e5]]), np.log([0.3, 1.0, 0.2])

    def scipys(log_mean, log_alpha):
        r = np.exp(-log_alpha)
        return -stats.nbinom.logpmf(counts, r, 1 / (1 + np.exp(log_mean) / r)).mean()

    def ours(log_mean, log_alpha):
        return jnp.sum(negative_log_likelihood(jnp.float32(counts), log_mean, jnp.exp(log_alpha)))

    by_mean, by_alpha = jax.grad(ours, argnums=(0, 1))(jnp.float32(log_mean), jnp.float32(log_alpha))
    for gene in range(3):
        step = 1e-4 * np.eye(3)[gene]
        wanted = (scipys(log_mean + step, log_alpha) - scipys(log_mean - step, log_alpha)) / 2e-4
        np.testing.assert_allclose(by_mean[0, gene], wanted, rtol=2e-3, atol=1e-4)
        wanted = (scipys(log_mean, log_alpha + step) - scipys(log_mean, log_alpha - step)) / 2e-4
        np.testing.assert_allclose(by_alpha[gene], wanted, rtol=2e-3, atol=1e-4)


def test_a_fit_by_the_terms_gradient_is_scipys_maximum_of_the_likelihood():
    """One gene, its rate and dispersion, with the library as offset: what the term's parameters come to without any image."""
    library = RNG.integers(1e6, 5e7, PATIENTS * 10).astype(np.float64)
    counts = stats.nbinom.rvs(1 / 0.3, 1 / (1 + 0.3 * 2e-5 * library), random_state=1)

    def scipys(point):
        r = np.exp(-point[1])
        return -stats.nbinom.logpmf(counts, r, 1 / (1 + np.exp(point[0]) * library / r)).mean()

    def ours(point):
        log_mean = (point[0] + jnp.log(jnp.float32(library)))[:, None]
        return jnp.mean(negative_log_likelihood(jnp.float32(counts)[:, None], log_mean, jnp.exp(point[1])[None]))

    best = minimize(scipys, [-11.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}).x
    gradient = jax.grad(ours)(jnp.float32(best))
    assert np.abs(gradient).max() < 1e-4
    assert np.abs(jax.grad(ours)(jnp.float32(best + [0.05, 0.0]))).max() > 1e-2


def test_it_starts_at_what_training_patients_have_and_dispersions_stay_within_bounds():
    rate, dispersion = np.geomspace(1e-7, 1e-4, GENES).astype(np.float32), np.full(GENES, 0.4, np.float32)
    term = term_of(NegativeBinomial(), {"rate": rate, "dispersion": dispersion})
    params = term.init(jax.random.key(0))
    said = term.predict(params, np.zeros((3, SPEC.features), np.float32))["log_rate"]
    np.testing.assert_allclose(np.exp(said), np.tile(rate, (3, 1)), rtol=1e-4)
    np.testing.assert_allclose(np.exp(params["dispersion"]["bias"]), 0.4, rtol=1e-5)
    library = np.full((PATIENTS, 1), 3e7, np.float32)
    counts = np.rint(rate * library).astype(np.float32)
    batch = batch_of({"expression": rows(), COUNTS: counts, LIBRARY: library}, np.arange(PATIENTS) < 20)
    features = {"bag": np.zeros((PATIENTS, SPEC.features), np.float32)}
    losses, metrics = term.loss(params, features, batch, None, jax.random.key(0), train=True)
    assert losses.shape == (PATIENTS,)
    np.testing.assert_allclose(metrics["loss_share"], 1.0, atol=1e-3)
    far = term.bounded(params | {"dispersion": {"bias": jnp.full((GENES,), 99.0)}})
    np.testing.assert_allclose(np.exp(far["dispersion"]["bias"]), MOST, rtol=1e-5)
    assert term.bounded({"image": 1}) == {"image": 1}


def test_terms_of_one_joint_objective_have_starts_of_their_own():
    objective = make_objective(
        Joint(terms={"reads": NegativeBinomial(), "mse": MeanSquares()}),
        ImageTower(SPEC),
        Widths(SPEC.features, {"expression": GENES}),
        {"reads": {"rate": np.full(GENES, 1e-5, np.float32), "dispersion": np.ones(GENES, np.float32)}},
    )
    params = objective.init(jax.random.key(0))
    np.testing.assert_allclose(params["reads"]["head"]["bias"], np.log(1e-5), rtol=1e-5)
    assert not params["mse"]["head"]["bias"].any()


def test_counts_of_another_modality_are_refused():
    with pytest.raises(ValueError, match="reads the counts of expression.h5ad; 'text' has none"):
        NegativeBinomial(modality="text")
