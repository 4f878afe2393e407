"""Which site goes to which part of a split: a mixed-integer program, so that no hospital stands on two sides.

Preserved-site cross-validation (Howard et al., Nature Communications 2021, doi:10.1038/s41467-021-24698-1) balances labels over
folds made of whole sites. Here it is solved by SciPy's HiGHS, which is free and, stopped by gap and nodes and never by time, gives
the same answer on a slow machine and on a fast one.
"""

import numpy as np
import scipy.sparse as sparse
from scipy.optimize import Bounds, LinearConstraint, milp

GAP = 0.01
NODES = 50
ABSENCE = 1.0


def assign_sites(counts: np.ndarray, weights: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """The part of each site, int [sites], so that every column is divided over the parts as `shares` say.

    `counts` [sites, columns] holds patients per site: in the first column all, in the others those of one class of one label.
    Minimised is the sum over columns and parts of `weights[column]` times the deviation from the column's share, as a fraction of
    the column's total, and a cost of one for each part that a column does not reach. `shares` [parts] sum to one. Every part gets
    at least one site. Raises ValueError when there are fewer sites than parts, or a column is empty.
    """
    sites, parts = len(counts), len(shares)
    if sites < parts or not (counts.sum(axis=0) > 0).all():
        raise ValueError(f"{sites} sites cannot fill {parts} parts in every column")
    random = np.random.default_rng(seed)
    order = random.permutation(sites)
    part = np.empty(sites, int)
    part[order] = _solve(np.asarray(counts, float)[order], np.asarray(weights, float), np.asarray(shares, float))
    return random.permutation(parts)[part] if np.ptp(shares) == 0 else part


def _solve(counts: np.ndarray, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Variables: x [sites, parts] in {0, 1}, then surplus, shortfall and absence, each [columns, parts], then the constant one.

    The constant keeps the relative gap meaningful where a perfect division has cost zero: a gap of 1 % is 1 % of all patients.
    """
    (sites, columns), parts = counts.shape, len(shares)
    cells = columns * parts
    one_part = _row(sparse.kron(sparse.eye(sites), np.ones((1, parts))), 3 * cells + 1)
    filled = _row(sparse.kron(np.ones((1, sites)), sparse.eye(parts)), 3 * cells + 1)
    eye, none = sparse.eye(cells), sparse.csr_array((cells, cells))
    last = sparse.csr_array((cells, 1))
    divided = sparse.hstack([sparse.kron((counts / counts.sum(axis=0)).T, sparse.eye(parts)), -eye, eye, none, last])
    present = sparse.hstack([sparse.kron((counts > 0).T.astype(float), sparse.eye(parts)), none, none, eye, last])

    deviation = np.repeat(weights, parts)
    cost = np.concatenate([np.zeros(sites * parts), deviation, deviation, np.full(cells, ABSENCE), [1.0]])
    upper = np.concatenate([np.ones(sites * parts), np.full(3 * cells, np.inf), [1.0]])
    lower = np.zeros_like(cost)
    lower[-1] = 1.0
    if np.ptp(shares) == 0:
        lower[counts[:, 0].argmax() * parts] = 1.0  # equal parts are interchangeable: the largest site breaks the symmetry
    result = None
    nodes = NODES
    while result is None or result.x is None:
        result = milp(
            cost,
            integrality=np.concatenate([np.ones(sites * parts), np.zeros(3 * cells + 1)]),
            bounds=Bounds(lower, upper),
            constraints=[
                LinearConstraint(one_part, 1, 1),
                LinearConstraint(filled, 1, np.inf),
                LinearConstraint(divided, np.tile(shares, columns), np.tile(shares, columns)),
                LinearConstraint(present, 1, np.inf),
            ],
            options={"mip_rel_gap": GAP, "node_limit": nodes},
        )
        nodes *= 10
    return result.x[: sites * parts].reshape(sites, parts).argmax(axis=1)


def _row(matrix, padding: int):
    return sparse.hstack([matrix, sparse.csr_array((matrix.shape[0], padding))])
