"""Which values show in features: exactly the planted ones, whatever tells cancer types or hospitals apart, and none by chance."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from pathfm.probes import cross_fitted
from pathfm.probes.cross_fitted import beyond, known_together, shown, shuffled
from pathfm.probes.held_out import held_out_parts, seed_of
from pathfm.probes.strength import WIDE_STRENGTHS
from pathfm.statistics.correlation import pearson

SHOWN, TYPES, HOSPITALS = (slice(start, start + 15) for start in (0, 15, 30))
VALUES = 300


@pytest.fixture(autouse=True)
def few_shuffled(monkeypatch):
    monkeypatch.setattr(cross_fitted, "SHUFFLED", 1500)


def world(patients=150, hospitals=6, types=3, seed=0):
    """Features tell the patient, the type and the hospital; of the values each block follows one of these, and most follow none."""
    rng = np.random.default_rng(seed)
    site, kind = rng.integers(hospitals, size=patients), rng.integers(types, size=patients)
    own = rng.normal(size=(patients, 20))
    of_kind, of_site = rng.normal(size=(types, 8))[kind], rng.normal(size=(hospitals, 8))[site]
    features = (
        own @ rng.normal(size=(20, 40)) / 4 + 2 * of_kind @ rng.normal(size=(8, 40)) + 2 * of_site @ rng.normal(size=(8, 40))
    ).astype(np.float32)
    values = rng.normal(size=(patients, VALUES))
    values[:, SHOWN] += own @ rng.normal(size=(20, 15)) / 3
    values[:, TYPES] += 3 * rng.normal(size=(types, 15))[kind]
    values[:, HOSPITALS] += 3 * rng.normal(size=(hospitals, 15))[site]
    names = np.array([f"P{number:03d}" for number in rng.permutation(patients)])
    return features, values.astype(np.float32), names, np.char.add("T", kind.astype(str)), np.char.add("S", site.astype(str))


@pytest.mark.parametrize("hospitals", [12, 6, 3], ids=["whole hospitals", "six of them", "too few for parts"])
def test_the_best_values_are_those_that_follow_the_patients_own_features(hospitals):
    features, values, *names = world(hospitals=hospitals)
    found = shown(features, values, *names)
    assert found.beyond_chance[SHOWN].all() and found.beyond_chance[15:].sum() <= 3  # 5 % of those found may be false
    assert not found.beyond_chance[TYPES].any() and not found.beyond_chance[HOSPITALS].any()
    assert found.r[SHOWN].min() > found.r[15:].max()


def test_without_types_and_hospitals_what_tells_them_apart_counts_as_shown():
    features, values, patients, _, _ = world()
    found = shown(features, values, patients, *2 * [np.full(len(patients), "")])
    assert found.beyond_chance[TYPES].mean() > 0.5 and found.beyond_chance[HOSPITALS].mean() > 0.5


def test_noise_is_rarely_shown_though_a_hidden_programme_drives_all_values():
    wrong = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        features, _, *names = world(patients=60, seed=seed)
        values = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 50)) + rng.normal(size=(60, 50))).astype(np.float32)
        wrong += bool(shown(features, values, *names).beyond_chance.any())
    assert wrong <= 3


def test_r_is_that_of_scikit_learns_ridge_and_least_squares_on_dummies(monkeypatch):
    monkeypatch.setattr(cross_fitted, "SHUFFLED", 50)
    features, values, patients, types, sites = world(patients=80)
    order = np.argsort(patients)
    features, values, patients, types, sites = (rows[order] for rows in (features, values, patients, types, sites))
    everything = np.hstack([values, shuffled(values, types, sites, 50, seed_of(patients.tolist()))]).astype(np.float64)
    parts = held_out_parts(patients, types, None, sites)
    prediction, truth = np.zeros_like(everything), np.zeros_like(everything)
    for part in range(5):
        test, val = parts == part, parts == (part + 1) % 5
        train = ~test & ~val
        x, y = (centred(rows.astype(np.float64), types, sites, train) for rows in (features, everything))
        scaler = StandardScaler().fit(x[train])
        models = [Ridge(alpha=strength, solver="svd").fit(scaler.transform(x[train]), y[train]) for strength in WIDE_STRENGTHS]
        scores = [np.nanmean(pearson(model.predict(scaler.transform(x[val])), y[val])) for model in models]
        prediction[test] = models[int(np.argmax(scores))].predict(scaler.transform(x[test]))
        truth[test] = y[test]
    theirs = [np.corrcoef(prediction[:, column], truth[:, column])[0, 1] for column in range(VALUES)]
    np.testing.assert_allclose(shown(features, values, patients, types, sites).r, theirs, atol=1e-4)


def centred(values, types, sites, train):
    """Least squares on dummies of the training rows; hospitals that have none of these lose their own mean."""
    dummies = pd.get_dummies(pd.DataFrame({"type": types, "site": sites}), dtype=float)
    known = dummies[train].sum() > 0
    effects = np.linalg.lstsq(dummies.loc[train, known], values[train], rcond=None)[0]
    residual = pd.DataFrame(values - dummies.loc[:, known].to_numpy() @ effects)
    other = ~np.isin(sites, sites[train])
    residual[other] -= residual[other].groupby(sites[other]).transform("mean")
    return residual.to_numpy()


def test_the_order_of_patients_changes_nothing():
    of_rows = world(patients=60)
    order = np.random.default_rng(1).permutation(60)
    expected, found = shown(*of_rows), shown(*(rows[order] for rows in of_rows))
    np.testing.assert_array_equal(found.r, expected.r)
    np.testing.assert_array_equal(found.beyond_chance, expected.beyond_chance)


def test_rows_that_are_fitted_know_nothing_of_the_others():
    _, values, _, types, sites = world(patients=60)
    fitted = np.arange(60) % 3 > 0
    other = np.where(fitted[:, None], values, 9 * values + 1)
    np.testing.assert_array_equal(beyond(values, types, sites, fitted)[fitted], beyond(other, types, sites, fitted)[fitted])


def test_a_hospital_of_one_patient_takes_nothing_from_it():
    assert known_together(np.array(["a", "b", "a", "c", ""])).tolist() == ["a", "", "a", "", ""]
    features, values, patients, types, _ = world()
    found = shown(features, values, patients, types, patients)
    np.testing.assert_array_equal(found.r, shown(features, values, patients, types, np.full(len(patients), "")).r)
    assert found.beyond_chance[SHOWN].all()


def test_a_constant_has_no_r_and_is_not_shown():
    features, values, *names = world(patients=60)
    values[:, 3] = 2.0
    found = shown(features, values, *names)
    assert np.flatnonzero(np.isnan(found.r)).tolist() == [3] and not found.beyond_chance[3]


def test_nine_patients_are_too_few():
    with pytest.raises(ValueError, match="9 patients are too few for 5 parts"):
        shown(*(rows[:9] for rows in world()))
