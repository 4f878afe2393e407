"""An adversary that reads the hospital from a patient's feature, behind a reversed gradient (Ganin et al. 2016,
https://arxiv.org/abs/1505.07818).

The head descends its loss and the tower climbs it, so that what is left in the feature does not tell the hospital. With `within_cancer`
the head chooses among the hospitals that have the patient's cancer type in training: it then gains nothing by reading the type, and the
tower is not asked to hide it (the condition of Long et al. 2018, https://arxiv.org/abs/1705.10667, as a mask).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.errors import InputError
from pathfm.models.applied import applied
from pathfm.models.mlp import VectorTower
from pathfm.objectives.bank import Bank
from pathfm.objectives.losses import LOWEST, mean_where
from pathfm.objectives.objective import Batch, Features, Metrics, Widths
from pathfm.settings import terms


@jax.custom_vjp
def reversed_gradient(x: jax.Array, strength: jax.Array) -> jax.Array:
    """x [batch, width] as it is; its gradient is turned round and multiplied by `strength` [batch], which has none."""
    return x


def _forward(x, strength):
    return x, strength


def _backward(strength, slope):
    return -strength[:, None] * slope, jnp.zeros_like(strength)


reversed_gradient.defvjp(_forward, _backward)


@dataclass(frozen=True)
class Adversary:
    """Cross-entropy of the hospital of the patients whose hospital trains. It has no part in the loss on validation patients: the better
    the head reads the hospital the less it is, so the weights would be chosen for what the tower is to lose.
    """

    settings: terms.Adversary
    widths: Widths
    views: int = 1
    reads: str = "bag"
    additive: bool = True

    @property
    def needs_bank(self) -> bool:
        return self.settings.within_cancer

    def init(self, rng: jax.Array) -> dict[str, Any]:
        """InputError where the training patients are not of two known hospitals or more."""
        if self.widths.sites < 2:
            known = "all training patients whose hospital is known are of one" if self.widths.sites else "no training patient's is known"
            raise InputError(
                f"the term {self.settings.name} tells hospitals apart, and {known}; name hospitals with `pathfm tile --slides-table` or "
                "`pathfm cohort --sites`, or leave the term out"
            )
        return {"head": self._head.init(rng, jnp.zeros((1, self.widths.features), jnp.float32))["params"]}

    def loss(
        self, params: Any, features: Features, batch: Batch, bank: Bank | None, rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, Metrics]:
        counted = self.counted(batch)
        if not train:
            return jnp.zeros(counted.shape, jnp.float32), {}
        strength = self.strength(batch["progress"])
        logits = applied(self._head, params["head"], reversed_gradient(features["bag"], strength))
        of_site = jax.nn.one_hot(batch["site"], self.widths.sites, dtype=bool)
        choice = self._choice(of_site, batch, bank)
        logits = jnp.where(choice, logits, LOWEST)
        losses = jax.nn.logsumexp(logits, axis=-1) - jnp.sum(jnp.where(of_site, logits, 0.0), axis=-1)
        losses = jnp.where(counted, losses, 0.0)
        of_nothing = mean_where(jnp.log(jnp.sum(choice, axis=-1).astype(jnp.float32)), counted)
        right = jnp.argmax(logits, axis=-1) == batch["site"]
        return losses, {
            "loss_share": mean_where(losses, counted) / jnp.maximum(of_nothing, 1e-12),
            "accuracy": mean_where(right.astype(jnp.float32), counted),
            "strength": jnp.mean(strength),
        }

    def strength(self, progress: jax.Array) -> jax.Array:
        """Of the reversed gradient at the share `progress` of the run, Ganin's schedule: from 0 to nearly `settings.strength`."""
        return self.settings.strength * (2.0 / (1.0 + jnp.exp(-self.settings.ramp * progress)) - 1.0)

    def counted(self, batch: Batch) -> jax.Array:
        return (batch["patient"] >= 0) & (batch["site"] >= 0) & (batch["site"] < self.widths.sites)

    def predict(self, params: Any, bag: jax.Array) -> dict[str, jax.Array]:
        """Nothing: what the head says of the hospital is of use in training alone."""
        return {}

    def warnings(self, validation: Mapping[str, float]) -> list[str]:
        return []

    def flops(self, batch: int, tiles: int) -> float:
        return 6.0 * batch * self.settings.hidden * (self.widths.features + self.widths.sites)

    @property
    def _head(self) -> VectorTower:
        return VectorTower(self.settings.hidden, self.widths.sites, dropout=0.0, dtype=self.widths.dtype)

    def _choice(self, of_site: jax.Array, batch: Batch, bank: Bank | None) -> jax.Array:
        """The hospitals [b, sites] among which the head chooses; always the patient's own, and all where its cancer type is not known."""
        if not self.settings.within_cancer:
            return jnp.ones(of_site.shape, bool)
        assert bank is not None
        same = (batch["cancer"][:, None] == bank.cancer[None, :]).astype(jnp.float32)
        has_type = same @ jax.nn.one_hot(bank.site, self.widths.sites, dtype=jnp.float32) > 0
        return has_type | of_site | (batch["cancer"] < 0)[:, None]
