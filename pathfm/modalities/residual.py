"""What expression says beyond the hospital, and where asked beyond the cancer type: the residual that training may see instead of it.

Stain tells an encoder the hospital, and so does the batch effect in expression: whoever matches the two has learned nothing about tissue.
So a hospital's mean is taken away whole, not shrunk as for an estimate of its effect: of what shrinking leaves, a thousand genes together
still tell the hospital.
"""

from collections.abc import Mapping

import numpy as np


def cancer_means(scaled: np.ndarray, cancers: np.ndarray) -> dict[str, np.ndarray]:
    """The mean [genes] of each cancer type over training patients, from scaled expression [patients, genes]; "" is unknown, no type."""
    return {cancer: scaled[cancers == cancer].mean(axis=0) for cancer in np.unique(cancers) if cancer}


def residual_of(scaled: np.ndarray, sites: np.ndarray, cancers: np.ndarray, means: Mapping[str, np.ndarray], choice: str) -> np.ndarray:
    """Scaled expression float32 [patients, genes] less what `choice` names: "none", "site", "cancer" or "cancer_and_site".

    `sites` and `cancers` [patients] hold "" where unknown. A cancer type's mean comes from `means` (training patients), zero for other
    types. A hospital's is the mean, over those of its patients that are given, of what they have beyond their cancer type: with "site"
    alone the difference of two types stays. The only patient of a hospital, and one of unknown hospital, keeps what it has.
    """
    if choice == "none":
        return scaled
    beyond = scaled.copy()
    for cancer in means.keys() & set(cancers):
        beyond[cancers == cancer] -= means[cancer]
    result = beyond.copy() if choice in ("cancer", "cancer_and_site") else scaled.copy()
    if choice in ("site", "cancer_and_site"):
        for site in np.setdiff1d(sites, [""]):
            members = np.flatnonzero(sites == site)
            if len(members) > 1:
                result[members] -= beyond[members].mean(axis=0)
    return result
