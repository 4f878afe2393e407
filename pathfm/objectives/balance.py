"""Terms balanced by the size of their gradients at the embedding that they share, instead of by hand.

A term's loss is multiplied by the factor under which its gradient with respect to the embedding has the mean size of all terms, and then
by its weight. This is GradNorm's aim at α = 0 (Chen et al. 2018, https://arxiv.org/abs/1711.02257), reached in every step by the ratio of
sizes, as VQGAN weighs its adversary (Esser et al. 2021, https://arxiv.org/abs/2012.09841), instead of by learned weights; and at the
embedding in place of the last shared layer, as Sener and Koltun do (2018, https://arxiv.org/abs/1810.04650).
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

MOST = 100.0  # a gradient that is smaller than the mean by more is near its end, or rounding, and is not brought to full size


def balancing_factors(
    losses: Mapping[str, Callable[[jax.Array], jax.Array]], weights: Mapping[str, float], embedding: jax.Array
) -> dict[str, jax.Array]:
    """By term the factor on its loss, without a gradient of its own: the mean size of the gradients over the term's, at most `MOST`.

    Args:
      losses: each term's loss, a scalar, as a function of the embedding.
      weights: of the terms. In the mean each size counts by its weight, so that the weighted sizes sum to what they sum to without factors.
      embedding: float32, of any shape; the size of a gradient is the root of its sum of squares over all of it.
    """
    embedding = jax.lax.stop_gradient(embedding)
    sizes = {name: jnp.sqrt(jnp.sum(jnp.square(jax.grad(loss)(embedding)))) for name, loss in losses.items()}
    mean = sum(weights[name] * size for name, size in sizes.items()) / sum(weights.values())
    least = jnp.maximum(mean / MOST, jnp.finfo(jnp.float32).tiny)
    return {name: jax.lax.stop_gradient(jnp.where(mean > 0, mean / jnp.maximum(size, least), 1.0)) for name, size in sizes.items()}
