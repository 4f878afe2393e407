"""One driver for every probe: who is fitted on, who chooses, who is scored, and what is told of the fits."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as TheirRidge
from sklearn.preprocessing import StandardScaler

from pathfm.probes import driver
from pathfm.probes.divisions import Division, resampled
from pathfm.probes.held_out import held_out_parts
from pathfm.probes.logistic import Logistic
from pathfm.probes.protocol import Fitted
from pathfm.probes.ridge import Ridge
from pathfm.probes.target import Classes, Values

RNG = np.random.default_rng(0)
ROLES = np.repeat(["train", "val", "test"], [40, 20, 30])
LABELS = np.arange(90) % 2
FEATURES = RNG.normal(size=(90, 5)).astype(np.float32)
FEATURES[:, 0] += LABELS
VALUES = (FEATURES[:, :3] @ RNG.normal(size=(3, 4)) + RNG.normal(size=(90, 4))).astype(np.float32)
CLASSES = Classes(LABELS, 2)


class Constant(Fitted):
    """Predicts the setting's number, whatever it is fitted to; the last setting never converges."""

    def __init__(self, width):
        self.width, self.converged = width, np.array([True, True, False])

    def predict(self, features, setting):
        return np.full((len(features), self.width), float(setting))


class Recorded:
    """A probe that keeps the weights it was given."""

    name, setting, takes, grid = "recorded", "number", (Classes, Values), np.array([10.0, 20.0, 30.0])

    def fit(self, features, target, weights):
        self.weights = weights
        return (Constant(target.unpredicted().shape[1]) for _ in weights)


def test_the_split_is_one_fit_and_cross_validation_five_of_which_each_row_is_scored_once():
    probe = Recorded()
    probed = driver.run(probe, FEATURES, Values(VALUES), Division.by_roles(ROLES))
    assert probed.prediction.shape == (30, 4) and probed.parts == 1
    np.testing.assert_array_equal(probe.weights, [ROLES == "train"])
    parts = held_out_parts(np.arange(90).astype(str), LABELS.astype(str), None)
    probed = driver.run(probe, FEATURES, Values(VALUES), Division.by_parts(parts))
    assert probed.prediction.shape == (90, 4) and probed.parts == 5 and probe.weights.sum(axis=0).tolist() == [3] * 90


def test_what_is_told_of_the_fits_counts_those_that_stopped_short_and_those_at_the_edge():
    parts = held_out_parts(np.arange(90).astype(str), LABELS.astype(str), None)
    probed = driver.run(Recorded(), FEATURES, Values(VALUES), Division.by_parts(parts))
    assert (probed.chosen, probed.edge, probed.unconverged) == (30.0, 0, 5)  # all score 0, so the last setting wins

    class Rising(Constant):
        def scores(self, features, target):
            return np.arange(3.0)

    class Probe(Recorded):
        def fit(self, features, target, weights):
            return [Rising(4) for _ in weights]

    assert driver.run(Probe(), FEATURES, Values(VALUES), Division.by_parts(parts)).edge == 5


def test_a_fit_that_is_stopped_before_its_optimum_says_so():
    for steps, unconverged in ((40, 0), (0, 1)):
        assert driver.run(Logistic(steps=steps), FEATURES, CLASSES, Division.by_roles(ROLES)).unconverged == unconverged


@pytest.mark.parametrize("probe", [Logistic(), Ridge()], ids=["logistic", "ridge"])
def test_a_quicker_score_of_settings_is_the_targets_own_measure(probe):
    target = CLASSES if Classes in probe.takes else Values(VALUES)
    fitted = next(iter(probe.fit(FEATURES, target, (ROLES == "train")[None].astype(float))))
    val = ROLES == "val"
    own = fitted.scores(FEATURES[val], target.take(val))
    np.testing.assert_allclose(own, Fitted.scores(fitted, FEATURES[val], target.take(val)), atol=1e-6)


def test_the_chosen_models_are_scikit_learns():
    train, test = ROLES == "train", ROLES == "test"
    scaler = StandardScaler().fit(FEATURES[train].astype(np.float64))
    standard = scaler.transform(FEATURES.astype(np.float64))
    probed = driver.run(Logistic(), FEATURES, CLASSES, Division.by_roles(ROLES))
    reference = LogisticRegression(C=1 / probed.chosen, class_weight="balanced", tol=1e-10, max_iter=1000).fit(
        standard[train], LABELS[train]
    )
    np.testing.assert_allclose(probed.prediction, reference.predict_proba(standard[test]), atol=1e-4)
    probed = driver.run(Ridge(), FEATURES, Values(VALUES), Division.by_roles(ROLES))
    np.testing.assert_allclose(
        probed.prediction, TheirRidge(alpha=probed.chosen).fit(standard[train], VALUES[train]).predict(standard[test]), atol=1e-4
    )


def test_resampled_sets_keep_the_patients_of_each_stratum_whole():
    train, patients = ROLES == "train", np.array([f"p{number // 2}" for number in range(90)])
    strata = np.array(["a", "b"])[np.arange(90) // 2 % 2]
    sets = resampled(train, strata, patients, 50, seed=3)
    assert sets.shape == (50, 90) and not sets[:, ~train].any()
    np.testing.assert_array_equal(sets[:, ::2], sets[:, 1::2])
    for stratum in "ab":
        members = train & (strata == stratum)
        assert (sets[:, members].sum(axis=1) == members.sum()).all()
    assert sets.std() > 0.5
    further = driver.run(Recorded(), FEATURES, Values(VALUES), Division.by_roles(ROLES), sets).resampled
    assert len(further) == 50 and further[0].shape == (30, 4)


def test_a_class_that_no_training_row_has_gets_probability_0():
    labels = np.where(ROLES == "test", 2, LABELS)
    probed = driver.run(Logistic(), FEATURES, Classes(labels, 3), Division.by_roles(ROLES))
    assert probed.prediction.shape == (30, 3) and not probed.prediction[:, 2].any()


def test_a_prediction_that_is_no_number_counts_as_not_converged():
    class Diverged(Constant):
        def predict(self, features, setting):
            return np.full((len(features), self.width), np.nan if setting == 1 else 0.0)

        def scores(self, features, target):
            return np.array([0.0, 1.0, np.nan])

    class Probe(Recorded):
        def fit(self, features, target, weights):
            return [Diverged(4) for _ in weights]

    probed = driver.run(Probe(), FEATURES, Values(VALUES), Division.by_roles(ROLES))
    assert (probed.chosen, probed.unconverged) == (20.0, 1)


def test_a_probe_that_leaves_out_a_training_set_is_refused():
    class Lazy(Recorded):
        def fit(self, features, target, weights):
            return [Constant(4)]

    parts = held_out_parts(np.arange(90).astype(str), LABELS.astype(str), None)
    with pytest.raises(ValueError, match="zip"):
        driver.run(Lazy(), FEATURES, Values(VALUES), Division.by_parts(parts))
