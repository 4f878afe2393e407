"""Multi-output ridge regression: one factorisation serves every strength."""

from dataclasses import dataclass

import numpy as np

from pathfm.evaluation.standard import standardisation


@dataclass(frozen=True)
class RidgePath:
    """Ridge models of every strength, on features standardised by the training rows' mean and sd."""

    mean: np.ndarray  # [features]
    scale: np.ndarray  # [features]: 1 / sd, 0 where the feature is constant
    axes: np.ndarray  # [features, rank]: principal axes of the training features
    spread: np.ndarray  # [rank]: squared singular values
    cross: np.ndarray  # [rank, outputs]: axesᵀ Xᵀ Y, Y centred
    intercept: np.ndarray  # [outputs]

    def predict(self, features: np.ndarray, strength: float) -> np.ndarray:
        """[n, outputs] in float64 from features [n, features]."""
        return self._scores(features) @ (self.cross / (self.spread + strength)[:, None]) + self.intercept

    def predict_all(self, features: np.ndarray, strengths: np.ndarray):
        """Yields `predict(features, strength)` for each strength; the features are rotated once."""
        scores = self._scores(features)
        for strength in strengths:
            yield scores @ (self.cross / (self.spread + strength)[:, None]) + self.intercept

    def _scores(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) * self.scale) @ self.axes


def fit_ridge_path(features: np.ndarray, truth: np.ndarray) -> RidgePath:
    """Minimises ‖Y − XW − b‖² + strength · ‖W‖² for any strength, X standardised, b free: scikit-learn's Ridge(alpha=strength).

    features [n, d], truth [n, outputs]. In float64: eigenvalues of the smaller Gram matrix are then exact far below the weakest strength.
    """
    features, truth = np.asarray(features, np.float64), np.asarray(truth, np.float64)
    mean, scale = standardisation(features)
    standard = (features - mean) * scale
    intercept = truth.mean(axis=0)
    centred = truth - intercept
    rows, columns = standard.shape
    if columns <= rows:
        spread, axes = np.linalg.eigh(standard.T @ standard)
        cross = axes.T @ (standard.T @ centred)
    else:
        spread, left = np.linalg.eigh(standard @ standard.T)
        kept = spread > rows * np.finfo(np.float64).eps * max(spread[-1], 1)
        spread, left = spread[kept], left[:, kept]
        root = np.sqrt(spread)
        axes = (standard.T @ left) / root
        cross = root[:, None] * (left.T @ centred)
    return RidgePath(mean, scale, axes, np.maximum(spread, 0), cross, intercept)
