"""The logistic probe against scikit-learn's at equal strength."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pathfm.probes import logistic
from pathfm.probes.logistic import fit_path
from pathfm.probes.strength import STRENGTHS

SOME = (0, 7, 14, 20)


def planted(rows: int, features: int, classes: int, separation: float):
    """Classes of unequal size, features that are correlated and of very unequal scale and offset; a second set of 2,000 rows to predict."""
    rng = np.random.default_rng(rows + features + classes)
    share = np.linspace(1, 3, classes)
    targets = rng.choice(classes, rows + 2000, p=share / share.sum())
    mixing = rng.normal(size=(features, features)) * np.logspace(0, -1.5, features)[:, None]
    values = (rng.normal(size=(rows + 2000, features)) + separation * rng.normal(size=(classes, features))[targets]) @ mixing
    values = (values * np.exp(2 * rng.normal(size=features)) + 5 * rng.normal(size=features)).astype(np.float32)
    return values[:rows], targets[:rows], values[rows:]


def losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    odds = logits - logits[np.arange(len(targets)), targets][:, None]
    return np.logaddexp.reduce(odds, axis=1)


@pytest.mark.parametrize("balanced", [True, False], ids=["weighted", "unweighted"])
@pytest.mark.parametrize(
    ("rows", "features", "classes", "separation"),
    [(200, 20, 2, 0.3), (200, 20, 4, 0.3), (50, 90, 2, 1.0), (50, 90, 3, 1.0)],
    ids=["binary", "multiclass", "binary, separable", "multiclass, separable"],
)
def test_loss_and_predictions_are_scikit_learns(rows, features, classes, separation, balanced):
    values, targets, unseen = planted(rows, features, classes, separation)
    path = fit_path(values, targets, np.ones((1, rows)), classes, STRENGTHS, balanced)
    assert path.converged.all()
    scaler = StandardScaler().fit(values.astype(np.float64))
    standard = scaler.transform(values.astype(np.float64))
    weights = (rows / (classes * np.bincount(targets)))[targets] if balanced else np.ones(rows)
    for index in SOME:
        reference = LogisticRegression(
            C=1 / STRENGTHS[index], class_weight="balanced" if balanced else None, solver="newton-cholesky", tol=1e-10, max_iter=1000
        ).fit(standard, targets)
        theirs = reference.decision_function(standard)
        theirs = np.stack([np.zeros(rows), theirs], axis=1) if classes == 2 else theirs
        ours = path.logits(values, 0, index)
        difference = np.average(losses(ours, targets), weights=weights) - np.average(losses(theirs, targets), weights=weights)
        assert abs(difference) < 1e-3
        ours_in_all, theirs_in_all = (
            weights @ losses(logits, targets) + STRENGTHS[index] / 2 * (coefficients**2).sum()
            for logits, coefficients in ((ours, path.coefficients[0, index]), (theirs, reference.coef_))
        )
        assert ours_in_all <= (1 + 1e-6) * theirs_in_all
        agreement = path.logits(unseen, 0, index).argmax(axis=1) == reference.predict(scaler.transform(unseen.astype(np.float64)))
        assert agreement.mean() >= 0.995


def test_default_scikit_learn_agrees_where_it_converges():
    values, targets, unseen = planted(300, 12, 3, 0.4)
    path = fit_path(values, targets, np.ones((1, 300)), 3, STRENGTHS, balanced=False)
    scaler = StandardScaler().fit(values.astype(np.float64))
    values, unseen_values = scaler.transform(values.astype(np.float64)), scaler.transform(unseen.astype(np.float64))
    reference = LogisticRegression(C=1 / STRENGTHS[12], tol=1e-6, max_iter=1000).fit(values, targets)
    np.testing.assert_allclose(path.probabilities(unseen, 0, 12), reference.predict_proba(unseen_values), atol=1e-3)


def test_a_training_set_as_weights_is_the_fit_on_those_rows():
    values, targets, unseen = planted(150, 10, 3, 0.5)
    times = np.random.default_rng(0).integers(0, 3, 150)
    path = fit_path(values, targets, np.stack([np.ones(150), times]), 3, STRENGTHS)
    repeated = np.repeat(np.arange(150), times)
    alone = fit_path(values[repeated], targets[repeated], np.ones((1, len(repeated))), 3, STRENGTHS)
    np.testing.assert_allclose(path.mean[1], alone.mean[0], rtol=1e-9)
    np.testing.assert_allclose(path.logits(unseen, 1)[8:], alone.logits(unseen, 0)[8:], rtol=1e-3, atol=1e-3)


def test_a_constant_feature_has_no_say():
    values, targets, unseen = planted(120, 6, 2, 0.5)
    without = fit_path(values, targets, np.ones((1, 120)), 2, STRENGTHS)
    constant = np.concatenate([values, np.full((120, 1), 0.1, np.float32)], axis=1)
    path = fit_path(constant, targets, np.ones((1, 120)), 2, STRENGTHS)
    assert (path.scale[0, -1] == 0) and np.isfinite(path.coefficients).all()
    other = np.concatenate([unseen, np.full((len(unseen), 1), 1e6, np.float32)], axis=1)
    np.testing.assert_allclose(path.logits(other), without.logits(unseen), rtol=1e-3, atol=1e-3)


def objective(path, values, targets, index, strength):
    return losses(path.logits(values, 0, index), targets).sum() + strength / 2 * (path.coefficients[0, index] ** 2).sum()


@pytest.mark.parametrize("separation", [0.3, 1.5], ids=["overlapping", "separable"])
def test_a_fit_that_was_stopped_is_at_its_optimum_or_says_that_it_is_not(separation):
    values, targets, _ = planted(200, 20, 3, separation)
    given = (np.ones((1, 200)), 3, STRENGTHS, False)
    whole = fit_path(values, targets, *given)
    assert whole.converged.all()
    flags = []
    for steps in (1, 2, 4, 6):
        stopped = fit_path(values, targets, *given, steps)
        assert (stopped.iterations <= steps).all()
        flags.append(stopped.converged[0])
        for index, strength in enumerate(STRENGTHS):
            above = objective(stopped, values, targets, index, strength) / objective(whole, values, targets, index, strength) - 1
            assert not stopped.converged[0, index] or above < 1e-6
    assert not flags[0][-1] and not np.all(flags) and np.any(flags)


def test_training_sets_side_by_side_are_those_fitted_alone(monkeypatch):
    values, targets, _ = planted(150, 10, 3, 0.5)
    sets = np.random.default_rng(1).multinomial(150, np.full(150, 1 / 150), 5).astype(float)
    together = fit_path(values, targets, sets, 3, STRENGTHS)
    monkeypatch.setattr(logistic, "TOGETHER", 2)
    for other in (fit_path(values, targets, sets, 3, STRENGTHS), fit_path(values, targets, sets[3:4], 3, STRENGTHS)):
        member = 3 if len(other.mean) == 5 else 0
        np.testing.assert_allclose(together.logits(values, 3)[6:], other.logits(values, member)[6:], rtol=1e-3, atol=1e-3)


def test_strengths_may_come_in_any_order_and_twice():
    values, targets, unseen = planted(120, 8, 3, 0.5)
    ones = np.ones((1, 120))
    path = fit_path(values, targets, ones, 3, np.array([1.0, 100.0, 0.01, 1.0]))
    np.testing.assert_array_equal(path.coefficients[0, 0], path.coefficients[0, 3])
    for index, strength in enumerate([1.0, 100.0, 0.01]):
        alone = fit_path(values, targets, ones, 3, np.array([strength]))
        np.testing.assert_allclose(path.logits(unseen, 0, index), alone.logits(unseen, 0, 0), rtol=1e-4, atol=1e-4)


def test_a_feature_that_is_constant_in_one_training_set_has_no_say_in_it_alone():
    values, targets, _ = planted(120, 6, 2, 0.5)
    values = np.concatenate([values, np.where(np.arange(120) < 60, 0.5, targets)[:, None].astype(np.float32)], axis=1)
    first = (np.arange(120) < 60).astype(float)
    path = fit_path(values, targets, np.stack([first, 1 - first]), 2, STRENGTHS)
    assert path.converged.all()
    assert path.scale[0, -1] == 0 and path.scale[1, -1] > 0
    without = fit_path(values[:60, :-1], targets[:60], np.ones((1, 60)), 2, STRENGTHS)
    np.testing.assert_allclose(path.logits(values, 0)[8:], without.logits(values[:, :-1])[8:], rtol=1e-3, atol=1e-3)
    assert (path.logits(values, 1, 12).argmax(axis=-1) == targets)[60:].all()
