"""What the probes cost, beside scikit-learn's at equal loss: processor time, wall time and memory, every side in a process of its own.

    python tools/bench_probe.py --threads 1            # all three parts, in turns
    python tools/bench_probe.py --parts small --turns 5

large: 20,000 rows, 384 features, nine classes, 21 strengths, five resampled training sets. scikit-learn fits each STRIDE-th strength of the
first set, and is charged only for the loosest of its tolerances at which the loss is pathfm's to a millionth. small: 300 rows, 64 features,
four classes, all strengths, the first and the second time in a new process. ridge: 8,000 patients, 1,024 features, 20,000 genes, scored on
1,000 more patients at every strength and predicted for 1,000 at the best.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

STRENGTHS = np.logspace(-6, 4, 21)
STRIDE = 4
UNSEEN = 5_000
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
EQUAL = 1e-6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of linear algebra, for each side")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        part, folder = arguments.side
        print(json.dumps(PARTS[part](Path(folder))))
        return 0
    for _ in range(arguments.turns):
        with tempfile.TemporaryDirectory() as folder:
            for part in arguments.parts:
                print(f"{part}: {in_own_process(part, folder, arguments.threads)}", flush=True)
    return 0


def in_own_process(part: str, folder: str, threads: int) -> str:
    """Runs a side of a part by itself and says what it found."""
    limits = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, __file__, "--side", part, folder]
    start = time.monotonic()
    done = subprocess.run(command, env=os.environ | limits, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1]) | {"whole process, s": time.monotonic() - start}
    return ", ".join(f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in found.items())


def planted(rows: int, features: int, classes: int, separation: float) -> tuple[np.ndarray, np.ndarray]:
    """Classes of unequal size; features that are correlated, their variances along the axes two decades apart."""
    rng = np.random.default_rng(0)
    share = np.linspace(1, 3, classes)
    targets = rng.choice(classes, rows, p=share / share.sum())
    axes = np.linalg.qr(rng.normal(size=(features, features)))[0] * np.logspace(0, -1, features)[:, None]
    values = (rng.normal(size=(rows, features)) + separation * rng.normal(size=(classes, features))[targets]) @ axes
    return (values + 0.3 * rng.normal(size=features)).astype(np.float32), targets


class Clock:
    """Processor and wall time since it was made."""

    def __init__(self):
        self.start, self.wall = time.process_time(), time.monotonic()

    def read(self, fits: int = 1, what: str = "a fit") -> dict[str, float]:
        spent, wall = time.process_time() - self.start, time.monotonic() - self.wall
        return {f"CPU-s {what}": spent / fits, f"s {what}": wall / fits}


def large_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    values, targets = planted(20_000 + UNSEEN, 384, 9, 0.15)
    draws = np.random.default_rng(1).integers(0, 20_000, (5, 20_000))
    times = np.stack([np.bincount(one, minlength=20_000) for one in draws]).astype(np.float64)
    return values[:20_000], targets[:20_000], values[20_000:], targets[20_000:], times


def weighed_loss(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray, coefficients: np.ndarray, strength: float) -> float:
    odds = logits - logits[np.arange(len(targets)), targets][:, None]
    return float(weights @ np.logaddexp.reduce(odds, axis=1) + strength / 2 * (coefficients**2).sum())


def balanced_weights(targets: np.ndarray, times: np.ndarray) -> np.ndarray:
    counts = np.bincount(targets, times)
    return times * (times.sum() / (len(counts) * counts))[targets]


def large_pathfm(folder: Path) -> dict:
    from pathfm.probes.logistic import fit_path
    from pathfm.statistics.scores import balanced_accuracy

    values, targets, unseen, truth, times = large_data()
    clock = Clock()
    path = fit_path(values, targets, times, 9, STRENGTHS)
    spent = clock.read(path.converged.size)
    weights = balanced_weights(targets, times[0])
    losses = [
        weighed_loss(path.logits(values, 0, index), targets, weights, path.coefficients[0, index], strength)
        for index, strength in enumerate(STRENGTHS)
    ]
    scores = [balanced_accuracy(truth, guess) for guess in path.logits(unseen).argmax(axis=-1)]
    np.savez(folder / "large.npz", losses=losses, scores=scores)
    return spent | {"fits": path.converged.size, "converged": int(path.converged.sum()), "peak, MiB": peak()}


def large_sklearn(folder: Path) -> dict:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    from pathfm.statistics.scores import balanced_accuracy

    warnings.simplefilter("ignore", ConvergenceWarning)
    values, targets, unseen, truth, times = large_data()
    used = np.flatnonzero(times[0])
    values, targets, times = values[used], targets[used], times[0][used]
    mean = np.average(values.astype(np.float64), axis=0, weights=times)
    scale = 1 / np.sqrt(np.average((values - mean) ** 2, axis=0, weights=times))
    standard, weights = (values - mean) * scale, balanced_weights(targets, times)
    ours, spent, worst, apart, fits = np.load(folder / "large.npz"), [], 0.0, 0.0, 0
    for index in range(0, len(STRENGTHS), STRIDE):
        for tolerance in TOLERANCES:
            clock = Clock()
            model = LogisticRegression(C=1 / STRENGTHS[index], tol=tolerance, max_iter=20_000)
            model.fit(standard, targets, sample_weight=weights)
            cost = clock.read()
            loss = weighed_loss(model.decision_function(standard), targets, weights, model.coef_, STRENGTHS[index])
            difference = loss / ours["losses"][index] - 1
            if difference < EQUAL:
                break
        guess = model.predict((unseen - mean) * scale)
        spent.append(list(cost.values()))
        worst = max(worst, abs(difference))
        apart = max(apart, abs(balanced_accuracy(truth, guess) - ours["scores"][index]))
        fits += 1
    cpu, wall = np.mean(spent, axis=0)
    return {"CPU-s a fit": cpu, "s a fit": wall, "fits": fits, "loss apart": worst, "balanced accuracy apart": apart, "peak, MiB": peak()}


def small(fit) -> dict:
    values, targets = planted(300, 64, 4, 0.3)
    found = {}
    for what in ("the first time", "the second time"):
        clock = Clock()
        fit(values, targets)
        found |= clock.read(what=what)
    return found


def small_pathfm(folder: Path) -> dict:
    clock = Clock()
    from pathfm.probes.logistic import fit_path

    imports = clock.read(what="to import")
    return imports | small(lambda values, targets: fit_path(values, targets, np.ones((1, len(values))), 4, STRENGTHS))


def small_sklearn(folder: Path) -> dict:
    clock = Clock()
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    imports = clock.read(what="to import")

    def fit(values: np.ndarray, targets: np.ndarray) -> None:
        standard = StandardScaler().fit_transform(values.astype(np.float64))
        for strength in STRENGTHS:
            LogisticRegression(C=1 / strength, class_weight="balanced", tol=1e-6, max_iter=20_000).fit(standard, targets)

    return imports | small(fit)


def ridge_pathfm(folder: Path) -> dict:
    from pathfm.probes.ridge import fit_ridge_path

    rng = np.random.default_rng(0)
    features = rng.normal(size=(10_000, 1_024)).astype(np.float32) * np.logspace(0, -1, 1_024, dtype=np.float32)
    truth = rng.standard_normal((10_000, 20_000), np.float32)
    truth += features[:, :64] @ rng.standard_normal((64, 20_000), np.float32)
    train, val, test = (slice(first, last) for first, last in ((0, 8_000), (8_000, 9_000), (9_000, 10_000)))
    bare, clock = peak(), Clock()
    path = fit_ridge_path(features[train], truth[train])
    fitted = clock.read(what="to fit")
    scores = path.mean_pearson(features[val], truth[val], STRENGTHS)
    path.predict(features[test], STRENGTHS[int(scores.argmax())])
    return {"best mean r": float(scores.max())} | fitted | clock.read(what="in all") | {"peak, MiB": peak(), "of it before, MiB": bare}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10


PARTS = {
    "large pathfm": large_pathfm,
    "large scikit-learn": large_sklearn,
    "small pathfm": small_pathfm,
    "small scikit-learn": small_sklearn,
    "ridge pathfm": ridge_pathfm,
}

if __name__ == "__main__":
    sys.exit(main())
