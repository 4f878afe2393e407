"""kaiko-eva's schedule: against plain NumPy, against torch where it is there, and against the optimum, since the loss is convex."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from pathfm.probes import driver
from pathfm.probes.divisions import Division
from pathfm.probes.eva import BATCH, Eva, Head, train_heads
from pathfm.probes.rows import filled_up
from pathfm.probes.target import Classes

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [300, 200, 100])[RNG.permutation(600)]
FEATURES = (RNG.normal(size=(600, 8)) + np.eye(8)[LABELS]).astype(np.float32)
ROLES = np.where(np.arange(600) < 300, "train", np.where(np.arange(600) < 400, "val", "test"))
TRAIN, VAL, TEST = (ROLES == role for role in ("train", "val", "test"))
FEW = Eva(runs=3, most_steps=600)


def trained(settings, labels=LABELS, classes=3):
    return train_heads(FEATURES[TRAIN], labels[TRAIN], FEATURES[VAL], labels[VAL], classes, settings)


def test_the_score_is_the_mean_over_runs_of_different_seeds_and_the_same_each_time():
    division = Division.by_roles(ROLES)
    one, again = (driver.run(FEW, FEATURES, Classes(LABELS, 3), division) for _ in range(2))
    np.testing.assert_array_equal(one.prediction, again.prediction)
    assert (one.chosen, one.edge, one.unconverged) == (pytest.approx(3e-4), 0, 0) and list(one.ballots) == [""]
    assert one.ballots[""].shape == (3, TEST.sum()) and one.prediction.shape == (TEST.sum(), 3)
    np.testing.assert_allclose(one.prediction.sum(axis=1), 1, atol=1e-6)
    heads, _ = trained(FEW)
    assert len({head.tobytes() for head in np.asarray(heads.kernel)}) == 3


def test_the_head_kept_is_the_first_best_on_validation():
    heads, best = trained(FEW)
    for kernel, bias, score in zip(*map(np.asarray, heads), best, strict=True):
        guesses = (FEATURES[VAL] @ kernel + bias).argmax(axis=1)
        assert balanced_accuracy_score(LABELS[VAL], guesses) == pytest.approx(score, abs=1e-6)
    more = trained(Eva(runs=3, most_steps=1200))[1]
    assert (more >= best).all() and more.mean() > best.mean()


def test_it_comes_near_the_optimum_of_logistic_regression():
    labels = (LABELS > 0).astype(int)
    quick = Eva(grid=np.array([3e-3]), runs=2, most_steps=1500)
    done = driver.run(quick, FEATURES, Classes(labels, 2), Division.by_roles(ROLES))
    theirs = LogisticRegression(C=1e6, max_iter=1000).fit(FEATURES[TRAIN], labels[TRAIN]).predict_proba(FEATURES[TEST])
    assert np.corrcoef(done.prediction[:, 1], theirs[:, 1])[0, 1] > 0.98


def by_numpy(labels, classes, kernel, bias, orders, settings):
    """One run step by step in float64, with the signs of torch's AdamW: (kernel, bias, score) of the first best epoch."""
    rows, truth, val_truth = FEATURES[TRAIN].astype(float), np.eye(classes)[labels[TRAIN]], labels[VAL]
    steps, most_epochs = 0, -(-settings.most_steps // -(-len(rows) // BATCH))
    params, moments = [kernel.astype(float), bias.astype(float)], [(0.0, 0.0), (0.0, 0.0)]
    best, waited = (-1.0, params), 0
    for epoch, order in enumerate(orders):
        rate = 3e-4 / (3 if epoch < 5 else 1)
        for first in range(0, len(rows), BATCH):
            if steps == settings.most_steps:
                break
            steps += 1
            batch = order[first : first + BATCH]
            odds = np.exp(rows[batch] @ params[0] + params[1])
            wrong = (odds / odds.sum(axis=1, keepdims=True) - truth[batch]) / len(batch)
            for place, gradient in enumerate((rows[batch].T @ wrong, wrong.sum(axis=0))):
                mean, square = moments[place]
                mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
                moments[place] = mean, square
                step = mean / (1 - 0.9**steps) / (np.sqrt(square / (1 - 0.999**steps)) + 1e-8)
                params[place] = params[place] * (1 - rate * 0.01) - rate * step
        score = balanced_accuracy_score(val_truth, (FEATURES[VAL] @ params[0] + params[1]).argmax(axis=1))
        better = score > best[0] + 1e-6
        best, waited = ((score, list(params)), 0) if better else (best, waited + 1)
        if waited >= np.ceil(0.2 * most_epochs) or steps == settings.most_steps:
            break
    return *best[1], best[0], epoch + 1


@pytest.mark.parametrize("most_steps", [1, 300])
def test_every_run_is_that_of_plain_numpy_in_batches_of_unequal_size(most_steps):
    """300 rows are a batch of 256 and one of 44; one step ends within an epoch, and of 300 patience leaves some."""
    settings = Eva(runs=3, most_steps=most_steps)
    start, _ = trained(Eva(runs=3, most_steps=0))
    heads, scores = trained(settings)
    length, ends = len(filled_up(FEATURES[TRAIN], LABELS[TRAIN], BATCH)[1]), []
    for run, key in enumerate(jax.random.split(jax.random.key(0), 3)):
        places = [np.asarray(jax.random.uniform(jax.random.fold_in(key, epoch + 1), (length,)))[: TRAIN.sum()] for epoch in range(150)]
        given = np.asarray(start.kernel)[run], np.asarray(start.bias)[run]
        kernel, bias, score, epochs = by_numpy(LABELS, 3, *given, map(np.argsort, places), settings)
        np.testing.assert_allclose(np.asarray(heads.kernel)[run], kernel, atol=1e-5)
        np.testing.assert_allclose(np.asarray(heads.bias)[run], bias, atol=1e-5)
        assert scores[run] == pytest.approx(score, abs=1e-6)
        ends.append(epochs)
    assert max(ends) == 1 if most_steps == 1 else min(ends) < 150


def test_every_step_is_torchs():
    """Of batches that hold all rows, whose order then plays no part: AdamW at a third of the rate for five epochs, then the whole."""
    torch = pytest.importorskip("torch")
    rows = np.flatnonzero(TRAIN)[:BATCH]
    features, labels, settings = FEATURES[rows], LABELS[rows], Eva(runs=1, most_steps=40)
    start = train_heads(features, labels, features, labels, 3, Eva(runs=1, most_steps=0))[0]
    head = torch.nn.Linear(8, 3)
    with torch.no_grad():
        head.weight.copy_(torch.tensor(np.asarray(start.kernel)[0].T))
        head.bias.copy_(torch.tensor(np.asarray(start.bias)[0]))
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-4)
    scheduler, best = torch.optim.lr_scheduler.ConstantLR(optimizer), (-1.0, None)
    inputs, truth = torch.tensor(features), torch.tensor(labels)
    waited = 0
    while waited < 8:  # a fifth of the forty epochs
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(inputs), truth).backward()
        optimizer.step()
        scheduler.step()
        score = balanced_accuracy_score(labels, head(inputs).argmax(dim=1).numpy())
        waited += 1
        if score > best[0] + 1e-9:
            waited = 0
            best = score, Head(head.weight.detach().numpy().T.copy(), head.bias.detach().numpy().copy())
    ours, found = train_heads(features, labels, features, labels, 3, settings)
    assert found[0] == pytest.approx(best[0], abs=1e-6)
    np.testing.assert_allclose(np.asarray(ours.kernel)[0], best[1].kernel, atol=1e-5)
    np.testing.assert_allclose(np.asarray(ours.bias)[0], best[1].bias, atol=1e-5)


def test_rows_of_padding_play_no_part():
    """Three hundred rows and the same with others beyond them: the program is the same, and so is what it finds."""
    heads, _ = trained(FEW)
    shifted = FEATURES.copy()
    shifted[TEST] = 1e3
    again, _ = train_heads(shifted[TRAIN], LABELS[TRAIN], shifted[VAL], LABELS[VAL], 3, FEW)
    np.testing.assert_array_equal(np.asarray(heads.kernel), np.asarray(again.kernel))
    assert np.isfinite(np.asarray(heads.kernel)).all()
