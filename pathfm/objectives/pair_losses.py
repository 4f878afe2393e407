"""The contrastive losses over pairs: InfoNCE and SigLIP, each beside its chance, the least that it costs to know nothing.

Float32 throughout, exact under any sharding of the rows, and in chunks: memory grows with rows times the size of a chunk.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import xlog1py, xlogy

from pathfm.objectives import pairs
from pathfm.objectives.losses import LOWEST, info_nce, mean_where
from pathfm.objectives.pairs import Rows, Rule, gathered, over_rows, related

WIDEST_BIAS = 128.0  # no bias beyond it could suit cosines times a scale of 100
HALVINGS = 30


def info_nce_of_pairs(images: Rows, vectors: Rows, others: Rows, logit_scale: jax.Array, rule: Rule) -> tuple[jax.Array, jax.Array]:
    """(loss, chance) of symmetric InfoNCE (Radford et al. 2021, https://arxiv.org/abs/2103.00020).

    An image looks for its vector among `others`, a vector for its image among `images`. Of several positives, each is one of equally
    likely answers (UniCL, Yang et al. 2022, https://arxiv.org/abs/2204.03610). Where all cosines are equal, the loss is the mean log of
    the number of candidates: `chance`.

    Args:
      images, vectors: the rows of the batch [b, width], paired.
      others: vectors, and further ones after them.
      logit_scale: scalar factor on the cosines, one over the temperature.
    """
    valid = images.patient >= 0
    if others is vectors and rule == Rule() and len(valid) <= pairs.CHUNK:  # one matrix of logits serves both directions
        loss = info_nce(images.unit, vectors.unit, logit_scale, images.patient)
        return loss, jnp.log(jnp.maximum(jnp.sum(valid), 2).astype(jnp.float32))

    def compared(rows: Rows, columns: Rows) -> tuple[jax.Array, jax.Array]:
        positive, candidate = related(rows, columns, rule)
        logits = logit_scale * (rows.unit @ columns.unit.T)
        wanted = jnp.sum(jnp.where(positive, logits, 0.0), axis=1) / jnp.maximum(jnp.sum(positive, axis=1), 1).astype(jnp.float32)
        total = jax.nn.logsumexp(jnp.where(candidate, logits, LOWEST), axis=1)
        return total - wanted, jnp.log(jnp.maximum(jnp.sum(candidate, axis=1), 1).astype(jnp.float32))

    found = [over_rows(compared, images, others, rule.everywhere), over_rows(compared, vectors, images, rule.everywhere)]
    loss, chance = (0.5 * (mean_where(one, valid) + mean_where(other, valid)) for one, other in zip(*found, strict=True))
    return loss, chance


def siglip(images: Rows, others: Rows, logit_scale: jax.Array, logit_bias: jax.Array, rule: Rule) -> tuple[jax.Array, jax.Array]:
    """(loss, chance) of the sigmoid loss (Zhai et al. 2023, https://arxiv.org/abs/2303.15343).

    Each pair of an image and a vector is a question of its own, whether they belong together. The loss is the sum over pairs by the number
    of images. `chance` is the same sum where all pairs have one probability, the share of positives among them.
    """

    def compared(rows: Rows, columns: Rows) -> tuple[jax.Array, ...]:
        positive, candidate = related(rows, columns, rule)
        logits = logit_scale * (rows.unit @ columns.unit.T) + logit_bias
        losses = jnp.where(candidate, jax.nn.softplus(jnp.where(positive, -logits, logits)), 0.0)
        return tuple(jnp.sum(one, axis=1, dtype=jnp.float32) for one in (losses, positive, candidate))

    losses, positives, candidates = (jnp.sum(one) for one in over_rows(compared, images, others, rule.everywhere))
    count = jnp.maximum(jnp.sum(images.patient >= 0), 1).astype(jnp.float32)
    negatives = candidates - positives
    share = positives / jnp.maximum(candidates, 1.0)
    return losses / count, -(xlogy(positives, share) + xlog1py(negatives, -share)) / count


def best_bias(images: Rows, others: Rows, logit_scale: jax.Array, rule: Rule) -> jax.Array:
    """The bias under which SigLIP's loss of these pairs is least: as many pairs are expected to belong together as do."""

    others = gathered(others, rule.everywhere)

    def compared(rows: Rows, columns: Rows, bias: jax.Array) -> jax.Array:
        positive, candidate = related(rows, columns, rule)
        expected = jnp.where(candidate, jax.nn.sigmoid(logit_scale * (rows.unit @ columns.unit.T) + bias), 0.0)
        return jnp.sum(expected - positive.astype(jnp.float32), axis=1)

    def halved(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = 0.5 * (low + high)
        too_many = jnp.sum(over_rows(lambda rows, columns: compared(rows, columns, middle), images, others)) > 0
        return jnp.where(too_many, low, middle), jnp.where(too_many, middle, high)

    low, high = jax.lax.fori_loop(0, HALVINGS, halved, (jnp.float32(-WIDEST_BIAS), jnp.float32(WIDEST_BIAS)))
    return 0.5 * (low + high)
