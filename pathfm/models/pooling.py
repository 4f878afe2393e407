"""From the tiles of a patient to one vector."""

import flax.linen as nn
import jax
import jax.numpy as jnp

FAR_BELOW = -1e9  # finite, so that an empty bag has no NaN in its gradient


def masked_mean(features: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean [batch, width] of features [batch, tiles, width] over the tiles that `mask` [batch, tiles] keeps; 0 for an empty bag."""
    kept = mask.astype(features.dtype)
    count = jnp.maximum(kept.sum(axis=1, keepdims=True), jnp.ones((), features.dtype))
    return (features * kept[..., None]).sum(axis=1) / count


class GatedAttentionPooling(nn.Module):
    """Gated attention over a bag of tiles (Ilse et al. 2018, https://arxiv.org/abs/1802.04712, equation 9), in float32.

    Features [batch, tiles, width] and mask [batch, tiles] → [batch, width]; an empty bag gives 0.
    """

    hidden: int = 128

    def setup(self):
        self.value = nn.Dense(self.hidden)
        self.gate = nn.Dense(self.hidden)
        self.score = nn.Dense(1, use_bias=False)

    def __call__(self, features: jax.Array, mask: jax.Array) -> jax.Array:
        return jnp.einsum("bt,btw->bw", self.attention(features, mask), features.astype(jnp.float32))

    def attention(self, features: jax.Array, mask: jax.Array) -> jax.Array:
        """The weight [batch, tiles] of each tile; they sum to one over the tiles kept."""
        features = features.astype(jnp.float32)
        scores = self.score(nn.tanh(self.value(features)) * nn.sigmoid(self.gate(features)))[..., 0]
        return jax.nn.softmax(jnp.where(mask, scores, FAR_BELOW), axis=-1) * mask.astype(jnp.float32)
