"""Measures of what a representation owes to the hospital: equal to croma's and scikit-learn's, and known where the truth is known."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from pathfm.statistics.confounds import (
    adjusted_rand,
    clustering_score,
    expected_balanced_accuracy,
    guess_from_group,
    knn_accuracy,
    linear_cka,
    neighbour_overlap,
    neighbours,
    neighbours_in_common,
    performance_drop,
    robustness_by_chance,
    robustness_index,
    squares,
)


def world(of_class=1.0, of_site=1.0, count=160, seed=0):
    """Features [n, 12] that hold class and site with these strengths, and the two labels, two by two alike."""
    rng = np.random.default_rng(seed)
    classes, sites = np.array(["BRCA", "LUAD"])[np.arange(count) % 2], np.array(["h1", "h2"])[np.arange(count) // 2 % 2]
    features = rng.normal(size=(count, 12))
    features[:, 0] += 3 * of_class * np.where(classes == "BRCA", 1, -1)
    features[:, 1] += 3 * of_site * np.where(sites == "h1", 1, -1)
    return features, classes, sites


@pytest.mark.filterwarnings("ignore:.*support is:RuntimeWarning")  # many a patient has neighbours of its own type and hospital alone
def test_the_robustness_index_and_its_number_of_neighbours_are_cromas():
    metrics = pytest.importorskip("croma.metrics.ri")
    for strengths in ((1.0, 0.4), (0.4, 1.0)):
        features, classes, sites = world(*strengths)
        names = [f"patient{number}" for number in range(len(sites))]
        manifest = pd.DataFrame({"sample_id": names, "image_path": names, "group_id": names, "label": classes, "medical_center": sites})
        candidates = list(range(1, 32, 2))
        theirs = metrics.RobustnessIndex.compute(
            features, manifest, confounder_column="medical_center", k_candidates=candidates, evaluation_design="all"
        )
        near = neighbours(features, 31)
        k = candidates[int(knn_accuracy(near, classes)[np.array(candidates) - 1].argmax())]
        assert k == theirs.k
        assert robustness_index(near, classes, sites)[k - 1] == pytest.approx(theirs.value)


def test_the_index_is_near_one_for_biology_near_zero_for_stain_and_chance_for_noise():
    values = {}
    for name, strengths in {"biology": (1, 0), "stain": (0, 1), "noise": (0, 0)}.items():
        features, classes, sites = world(*strengths)
        values[name] = robustness_index(neighbours(features, 11), classes, sites)[-1]
    assert values["biology"] > 0.95 and values["stain"] < 0.05
    assert robustness_by_chance(classes, sites) == 0.5
    assert abs(values["noise"] - 0.5) < 0.1


def test_where_each_hospital_has_one_cancer_type_and_each_type_one_hospital_there_is_no_index():
    features, classes, _ = world()
    assert np.isnan(robustness_index(neighbours(features, 5), classes, classes)).all()
    assert np.isnan(robustness_by_chance(classes, classes))
    codes = np.char.add(classes, (np.arange(len(classes)) // 2 % 2).astype(str))  # several codes a type, one type a code
    assert robustness_index(neighbours(features, 60), classes, codes)[-1] == 1 and np.isnan(robustness_by_chance(classes, codes))


def test_neighbours_and_their_votes_are_scikit_learns():
    features, classes, _ = world(0.5, 0.5)
    theirs = NearestNeighbors(n_neighbors=9, metric="cosine").fit(features).kneighbors(return_distance=False)
    near = neighbours(features, 9)
    np.testing.assert_array_equal(near, theirs)
    for k in (1, 4, 9):
        votes = KNeighborsClassifier(k, metric="cosine").fit(features, classes)
        assert knn_accuracy(near, classes)[k - 1] == pytest.approx(balanced_accuracy_score(classes, votes.predict(None)))


def test_rand_indices_and_the_clustering_score_are_scikit_learns():
    rng = np.random.default_rng(0)
    clusters, classes, sites = rng.integers(0, 4, 90), rng.integers(0, 3, 90), rng.integers(0, 5, 90)
    clusters[:50] = classes[:50]
    assert adjusted_rand(clusters, classes) == pytest.approx(adjusted_rand_score(clusters, classes))
    expected = adjusted_rand_score(classes, clusters) - adjusted_rand_score(sites, clusters)
    assert clustering_score(clusters, classes, sites) == pytest.approx(expected)
    assert adjusted_rand(classes, classes) == 1 and clustering_score(sites, classes, sites) < -0.9


def four_tuples(one, other):
    """HSIC as the mean over all four different rows, as Song et al. define it: no formula in common with ours."""
    grams = [part @ part.T for part in (one, other)]
    terms = [grams[0][i, j] * (grams[1][i, j] + grams[1][q, r] - 2 * grams[1][i, q]) for i, j, q, r in permutations(range(len(one)), 4)]
    return np.mean(terms)


def test_cka_is_that_of_the_unbiased_hsic_and_one_up_to_rotation_and_scale():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(40, 12))
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    assert linear_cka(one, 3 * one @ rotation + 5) == pytest.approx(1)
    few, other = one[:8, :4] + 3, one[:8, :3] + rng.normal(size=(8, 3))
    expected = four_tuples(few, other) / np.sqrt(four_tuples(few, few) * four_tuples(other, other))
    assert linear_cka(few, other) == pytest.approx(expected)
    assert np.isnan(linear_cka(one, np.ones((40, 3)))) and np.isnan(linear_cka(one[:3], one[:3]))


def test_unrelated_features_are_not_alike_though_there_are_more_of_them_than_rows():
    rng = np.random.default_rng(0)
    values = [linear_cka(*rng.normal(size=(2, 30, 300))) for _ in range(20)]
    assert abs(np.mean(values)) < 0.02


def test_with_many_rows_cka_is_the_one_of_2019():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(600, 6))
    other = one[:, :3] + rng.normal(size=(600, 3))
    one, other = (part - part.mean(axis=0) for part in (one, other))
    first = ((other.T @ one) ** 2).sum() / (np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other))
    assert linear_cka(one, other) == pytest.approx(first, abs=0.02)


def test_neighbours_outside_of_a_rows_group_are_scikit_learns():
    features = np.random.default_rng(4).normal(size=(90, 7))
    groups = np.array([f"p{number % 13}" for number in range(90)])
    near = neighbours(features, 9, groups)
    for row in range(90):
        others = np.flatnonzero(groups != groups[row])
        theirs = NearestNeighbors(n_neighbors=9, metric="cosine").fit(features[others]).kneighbors(features[[row]], return_distance=False)
        assert near[row].tolist() == others[theirs[0]].tolist()
    alone = np.arange(90)
    np.testing.assert_array_equal(neighbours(features, 9, alone), neighbours(features, 9))


def test_neighbours_in_common_are_counted_row_by_row():
    one, other = np.array([[1, 2, 3], [0, 2, 3]]), np.array([[3, 1, 4], [5, 6, 7]])
    assert neighbours_in_common(one, other).tolist() == [2, 0] and neighbour_overlap(one, other) == 1 / 3


def test_overlap_of_neighbours_is_one_for_the_same_features_and_chance_for_others():
    rng = np.random.default_rng(0)
    near, far = (neighbours(rng.normal(size=(200, 30)), 20) for _ in range(2))
    assert neighbour_overlap(near, near) == 1
    assert neighbour_overlap(near, far) == pytest.approx(20 / 199, abs=0.02)


def test_a_guess_from_the_group_is_the_groups_most_common_class_and_knows_nothing_of_a_new_group():
    classes = np.array(["IDC", "ILC"])
    groups, labels = np.array(["a"] * 6 + ["b"] * 4), np.array(["IDC"] * 5 + ["ILC"] + ["ILC"] * 3 + ["IDC"])
    asked = np.array(["a", "b", "new"])
    guess = guess_from_group(groups, labels, asked, classes, balanced=False)
    np.testing.assert_array_equal(guess, [[1, 0], [0, 1], [0.5, 0.5]])
    for group in ("a", "b"):
        theirs = DummyClassifier().fit(np.zeros((10, 1))[groups == group], labels[groups == group]).predict([[0]])
        assert classes[guess[asked == group].argmax()] == theirs


def test_a_group_that_tells_nothing_of_the_label_scores_chance_and_one_that_is_the_label_scores_all():
    rng = np.random.default_rng(0)
    labels, classes = rng.choice(["IDC", "ILC"], 2000, p=[0.9, 0.1]), np.array(["IDC", "ILC"])
    none = guess_from_group(np.repeat("x", 2000), labels, np.repeat("x", 2000), classes)
    assert expected_balanced_accuracy(labels, none, classes) == 0.5
    assert expected_balanced_accuracy(labels, guess_from_group(labels, labels, labels, classes), classes) == 1


def test_squares_are_two_classes_by_two_sites_the_largest_smallest_cell_first():
    classes, sites = np.repeat(["a", "b", "c"], [9, 9, 4]), np.array([*"xxyyyyzzz", *"xxxyyyzzz", *"xxxx"])
    found = squares(classes, sites, 2, 9)
    assert [[len(cell) for cell in one] for one in found] == [[4, 3, 3, 3], [2, 4, 3, 3], [2, 3, 3, 3]]
    for cell, expected in zip(found[0], ("ay", "az", "by", "bz"), strict=True):
        assert set(np.char.add(classes[cell], sites[cell])) == {expected}
    assert len(squares(classes, sites, 2, 1)) == len(squares(classes, sites, 3, 9)) == 1 and squares(classes, sites, 4, 9) == []


def test_the_drop_from_accuracies_is_cromas():
    theirs = pytest.importorskip("croma.downstream.apd").apd
    accuracies = np.random.default_rng(0).uniform(0.4, 1, (4, 20))
    assert performance_drop(accuracies).mean() == pytest.approx(theirs(accuracies))


def test_the_performance_drop_is_relative_to_the_unconfounded_training_set():
    np.testing.assert_allclose(performance_drop([[0.8, 0.9], [0.8, 0.9], [0.4, 0.45]]), [-0.25, -0.25])
