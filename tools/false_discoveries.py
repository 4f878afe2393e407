"""How many genes better than chance are found, and how many of them falsely, by the product's own test, in simulated predictions.

    python tools/false_discoveries.py [--repeats N]

A row is a world: patients, hospitals, genes, how many of them are predicted and how well (r), and how alike genes are. It prints the mean
share of false ones among the found (the false discovery rate; at most 5 %), its standard error, and the mean share of the predicted found.
"""

import argparse

import numpy as np
from scipy.stats import false_discovery_control

from pathfm.statistics.correlation import LEVEL, chance

WORLDS = (  # patients, hospitals, genes, predicted, r, share of variance that genes share
    (60, 6, 500, 0, 0.0, 0.0),
    (60, 6, 500, 0, 0.0, 0.5),
    (60, 6, 500, 5, 0.8, 0.5),
    (60, 6, 500, 9, 0.99, 0.0),
    (60, 6, 500, 50, 0.6, 0.5),
    (60, 6, 500, 250, 0.4, 0.5),
    (200, 20, 5000, 90, 0.99, 0.3),
)


def world(rng: np.random.Generator, patients: int, genes: int, predicted: int, r: float, alike: float) -> tuple[np.ndarray, np.ndarray]:
    """(prediction, truth) [patients, genes], of which the first `predicted` genes correlate by r."""

    def correlated() -> np.ndarray:
        loadings = rng.normal(size=(5, genes))
        loadings /= np.linalg.norm(loadings, axis=0)
        return np.sqrt(alike) * rng.normal(size=(patients, 5)) @ loadings + np.sqrt(1 - alike) * rng.normal(size=(patients, genes))

    truth, prediction = correlated(), correlated()
    prediction[:, :predicted] = r * truth[:, :predicted] + np.sqrt(1 - r * r) * prediction[:, :predicted]
    return prediction.astype(np.float32), truth.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--permutations", type=int, default=1000)
    arguments = parser.parse_args()
    print("| patients, hospitals | genes | predicted, r | alike | false of the found | predicted that are found |")
    print("| --- | --- | --- | --- | --- | --- |")
    for patients, hospitals, genes, predicted, r, alike in WORLDS:
        false, power = [], []
        for seed in range(arguments.repeats if genes < 1000 else max(1, arguments.repeats // 20)):
            rng = np.random.default_rng([seed, genes, predicted])
            prediction, truth = world(rng, patients, genes, predicted, r, alike)
            sites = rng.integers(hospitals, size=patients)
            p = chance(prediction, truth, np.zeros(patients, int), sites, arguments.permutations, seed)
            found = false_discovery_control(p) < LEVEL
            false.append(found[predicted:].sum() / max(found.sum(), 1))
            power.append(found[:predicted].mean() if predicted else np.nan)
        rate = f"{100 * np.mean(false):.1f} ± {100 * np.std(false) / np.sqrt(len(false)):.1f} %"
        found = f"{100 * np.mean(power):.0f} %" if predicted else "–"
        print(f"| {patients}, {hospitals} | {genes:,} | {predicted}, {r} | {alike} | {rate} | {found} |", flush=True)


if __name__ == "__main__":
    main()
