"""Prediction of RNA reads, negative binomial with the library size as offset (Robinson and Smyth 2008, Love et al. 2014)."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betaln

from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import effective_rank, mean_where
from pathfm.objectives.objective import Batch, Features, Metrics
from pathfm.objectives.terms.regression import Regression
from pathfm.settings import regression_terms
from pathfm.settings.regression_terms import COUNTS, LIBRARY

LEAST, MOST = 1e-3, 1e2  # dispersions


@dataclass(frozen=True)
class NegativeBinomial(Regression):
    """Reads y of a gene are negative binomial: mean μ = L exp(η), L all reads of the patient, variance μ + α μ².

    η is the head on the bag's feature, α the gene's dispersion, trained with it. Both start where training patients have them
    (`widths.starts`): η at the log of the gene's `rate`, its share of all reads, α at its `dispersion`.
    """

    settings: regression_terms.NegativeBinomial

    def init(self, rng: jax.Array) -> dict[str, Any]:
        params = super().init(rng)
        head = params["head"] | {"bias": jnp.log(self._start("rate"))}
        return params | {"head": head, "dispersion": {"bias": jnp.log(jnp.clip(self._start("dispersion"), LEAST, MOST))}}

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        counts, valid = batch["vectors"][COUNTS], self.counted(batch)
        log_library, dispersion = jnp.log(jnp.maximum(batch["vectors"][LIBRARY], 1.0)), jnp.exp(params["dispersion"]["bias"])
        log_mean = self.head(params, features["bag"]) + log_library
        of_training = jnp.log(self._start("rate"))[None] + log_library
        ours, theirs = (mean_where(deviance(counts, one, dispersion), valid) for one in (log_mean, of_training))
        metrics = {"loss_share": ours / jnp.maximum(theirs, 1e-12), "dispersion": jnp.exp(jnp.mean(params["dispersion"]["bias"]))}
        if not train:
            metrics["effective_rank"] = effective_rank(features["bag"], valid)
        return negative_log_likelihood(counts, log_mean, dispersion), metrics

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """The natural logarithm of each gene's share of all reads [b, genes]."""
        return {"log_rate": self.head(params, bag)}

    def bounded(self, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters after an update, with dispersions between LEAST and MOST."""
        if "dispersion" not in params:
            return params
        return params | {"dispersion": {"bias": jnp.clip(params["dispersion"]["bias"], math.log(LEAST), math.log(MOST))}}

    def _start(self, name: str) -> jax.Array:
        """What training patients gave each gene [genes]; 1 where nobody looked."""
        genes = self.widths.vectors[self.modality]
        return jnp.asarray(self.widths.starts.get(name, np.ones(genes)), jnp.float32)


def negative_log_likelihood(counts: jax.Array, log_mean: jax.Array, dispersion: jax.Array) -> jax.Array:
    """−log p of counts [b, genes] given the log of their means and the genes' dispersions [genes]; the mean over genes [b].

    With r = 1 / α and z = ln αμ it is ln B(y + 1, r) + ln(y + r) + r softplus(z) + y softplus(−z): no term is large where the sum is small,
    as differences of log-gamma functions of many reads would be, in float32.
    """
    r, z = 1.0 / dispersion[None], jnp.log(dispersion)[None] + log_mean
    return jnp.mean(betaln(counts + 1.0, r) + jnp.log(counts + r) + _of_mean(counts, r, z), axis=-1)


def deviance(counts: jax.Array, log_mean: jax.Array, dispersion: jax.Array) -> jax.Array:
    """Twice the log-likelihood that these means lack to those that are the counts themselves; the mean over genes [b]."""
    r, log_dispersion = 1.0 / dispersion[None], jnp.log(dispersion)[None]
    exact = _of_mean(counts, r, log_dispersion + jnp.log(jnp.maximum(counts, 1e-6)))
    return 2.0 * jnp.mean(_of_mean(counts, r, log_dispersion + log_mean) - jnp.where(counts > 0, exact, 0.0), axis=-1)


def _of_mean(counts: jax.Array, r: jax.Array, z: jax.Array) -> jax.Array:
    """What of −log p hangs on the mean, whose log times the dispersion is z."""
    return r * jax.nn.softplus(z) + counts * jax.nn.softplus(-z)
