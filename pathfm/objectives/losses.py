"""The losses, as pure functions of embeddings; float32 throughout, exact under any sharding of the batch."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.settings import terms

LEARNED_NOTHING = 0.98  # of the loss at which nothing has been learned
ROUNDING = 1e-10  # the share of a column's squares below which what its mean leaves is rounding
LOWEST = -1e30  # stands for -inf where a row may hold nothing else


def unit_rows(x: jax.Array) -> jax.Array:
    """Rows of unit length; a zero row stays zero, with a finite gradient."""
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), 1e-12))


def info_nce(a: jax.Array, b: jax.Array, logit_scale: jax.Array, identity: jax.Array) -> jax.Array:
    """Symmetric InfoNCE (Radford et al. 2021, CLIP) between paired rows.

    Args:
      a, b: unit rows [batch, width]; row i of `a` belongs to row i of `b`.
      logit_scale: scalar factor on the cosines, one over the temperature.
      identity: int [batch], who a row belongs to; -1 marks padding. Other rows of the same identity are never negatives.

    Returns:
      The mean over the rows that are not padding, of the two cross-entropies' average.
    """
    logits = logit_scale * (a.astype(jnp.float32) @ b.astype(jnp.float32).T)
    valid = identity >= 0
    same = identity[:, None] == identity[None, :]
    candidate = (~same & valid[None, :] & valid[:, None]) | jnp.eye(len(identity), dtype=bool)
    logits = jnp.where(candidate, logits, LOWEST)
    diagonal = jnp.diagonal(logits)
    losses = 0.5 * (jax.nn.logsumexp(logits, axis=1) + jax.nn.logsumexp(logits, axis=0)) - diagonal
    return mean_where(losses, valid)


def logit_scale(params: Any, settings: terms.Contrastive | terms.Views) -> jax.Array:
    """The learned factor on the cosines, one over the temperature; `bounded_scale` holds it within its bounds."""
    return jnp.exp(params["logit_scale"])


def first_logit_scale(settings: terms.Contrastive | terms.Views) -> jax.Array:
    """The parameter at the start: the log of one over the temperature, within its bounds."""
    return _within(jnp.asarray(-math.log(settings.temperature), jnp.float32), settings)


def bounded_scale(params: dict[str, Any], settings: terms.Contrastive | terms.Views) -> dict[str, Any]:
    """The parameters after an update, the log of the factor clamped to [0, ln(max_logit_scale)], as open_clip does.

    A bound inside the loss would have no gradient: a factor that has reached it could not come down again. Where the parameter is
    frozen, and so not among these, nothing changes.
    """
    return params | {"logit_scale": _within(params["logit_scale"], settings)} if "logit_scale" in params else params


def _within(log_scale: jax.Array, settings: terms.Contrastive | terms.Views) -> jax.Array:
    return jnp.clip(log_scale, 0.0, math.log(settings.max_logit_scale))


def nothing_learned(validation: Mapping[str, float], max_logit_scale: float, stayed_at: str = "ln(batch)") -> list[str]:
    """Sentences for the user where a contrastive loss shows on validation patients that nothing was learned."""
    found = []
    if validation.get("loss_share", 0.0) > LEARNED_NOTHING:
        found.append(
            f"the loss on validation patients stayed at {stayed_at}: contrastive training has learned nothing that holds for other patients"
        )
    if validation.get("logit_scale", 0.0) >= max_logit_scale * (1 - 1e-5):
        found.append(f"the logit scale reached its bound of {max_logit_scale:g}")
    return found


def no_better_than_the_mean(validation: Mapping[str, float], modality: str) -> list[str]:
    """A sentence for the user where the loss of a regression shows on validation patients that nothing was learned."""
    if validation.get("loss_share", 0.0) > 1.0:
        return [f"on validation patients the predicted {modality} is no better than the mean profile"]
    return []


def normal(rng: jax.Array, rows: int, columns: int) -> jax.Array:
    """The kernel of a linear head, with unit gain."""
    return jax.random.normal(rng, (rows, columns), jnp.float32) * rows**-0.5


def huber(prediction: jax.Array, truth: jax.Array, delta: float) -> jax.Array:
    """Huber's loss per row, averaged over columns: [batch, columns] to [batch]."""
    error = jnp.abs(prediction.astype(jnp.float32) - truth)
    inner = jnp.minimum(error, delta)
    return jnp.mean(0.5 * inner * inner + delta * (error - inner), axis=-1)


def squares(prediction: jax.Array, truth: jax.Array) -> jax.Array:
    """Half the squared error per row, averaged over columns: [batch, columns] to [batch]."""
    error = prediction.astype(jnp.float32) - truth
    return 0.5 * jnp.mean(error * error, axis=-1)


def correlations(prediction: jax.Array, truth: jax.Array, mask: jax.Array) -> jax.Array:
    """Pearson's r of each column of [batch, columns] over the rows that `mask` [batch] keeps; of a constant one 0, without a gradient."""
    weight = mask.astype(jnp.float32)[:, None]
    count = jnp.maximum(jnp.sum(weight), 1.0)

    def standard(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The columns less their means at unit length, and which of them vary by more than rounding."""
        rows = rows.astype(jnp.float32) * weight
        centred = (rows - jnp.sum(rows, axis=0, keepdims=True) / count) * weight
        squares = jnp.sum(centred * centred, axis=0, keepdims=True)
        varies = squares > ROUNDING * jnp.sum(rows * rows, axis=0, keepdims=True)
        return centred * jax.lax.rsqrt(jnp.where(varies, squares, 1.0)), varies[0]

    (ours, we_vary), (theirs, they_vary) = standard(prediction), standard(truth)
    return jnp.where(we_vary & they_vary, jnp.sum(ours * theirs, axis=0), 0.0)


def mean_where(values: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean of the entries [batch] where `mask` holds; 0 where none does."""
    weight = mask.astype(jnp.float32)
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1.0)


def effective_rank(embeddings: jax.Array, mask: jax.Array) -> jax.Array:
    """exp of the entropy of the unit_rows singular values of the centred rows (Roy and Vetterli 2007)."""
    weight = mask.astype(jnp.float32)[:, None]
    centred = (embeddings - jnp.sum(embeddings * weight, axis=0, keepdims=True) / jnp.maximum(jnp.sum(weight), 1.0)) * weight
    singular = jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(centred.T @ centred), 0.0))
    share = singular / jnp.maximum(jnp.sum(singular), 1e-12)
    return jnp.exp(-jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.maximum(share, 1e-30)), 0.0)))
