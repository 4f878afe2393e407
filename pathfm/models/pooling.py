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


class TransformerPooling(nn.Module):
    """The mean of a bag and what a small transformer adds to it, in float32: learned tokens attend to the tiles, then to each other.

    Attention goes from a few tokens to the tiles (Set Transformer, Lee et al. 2019, https://arxiv.org/abs/1810.00825; as in PRISM,
    Shaikovski et al. 2024, https://arxiv.org/abs/2405.10254), so that a bag of all the tiles of a patient costs by their number and not by
    its square. The last layer is zero at the start, where the result is the mean. Features [batch, tiles, width] and mask [batch, tiles]
    → [batch, width]; an empty bag gives 0.
    """

    hidden: int = 256
    tokens: int = 8
    heads: int = 4

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array) -> jax.Array:
        features = features.astype(jnp.float32)
        tiles = _norm("tiles_norm")(nn.Dense(self.hidden, name="tiles")(_norm("features_norm")(features)))
        learned = self.param("class_token", nn.initializers.normal(1.0), (1, self.tokens, self.hidden))
        tokens = jnp.broadcast_to(learned, (len(features), self.tokens, self.hidden))
        tokens += self._attention("read")(_norm("read_norm")(tokens), tiles, mask=mask[:, None, None, :])
        normal = _norm("mix_norm")(tokens)
        tokens += self._attention("mix")(normal, normal)
        inner = nn.gelu(nn.Dense(2 * self.hidden, name="mlp_in")(_norm("mlp_norm")(tokens)), approximate=False)
        tokens += nn.Dense(self.hidden, name="mlp_out")(inner)
        added = nn.Dense(features.shape[-1], kernel_init=nn.initializers.zeros, name="out")(_norm("norm")(tokens).mean(axis=1))
        return masked_mean(features, mask) + jnp.where(mask.any(axis=1, keepdims=True), added, 0.0)

    def _attention(self, name: str) -> nn.MultiHeadDotProductAttention:
        return nn.MultiHeadDotProductAttention(self.heads, dtype=jnp.float32, name=name)


def _norm(name: str) -> nn.LayerNorm:
    return nn.LayerNorm(epsilon=1e-6, dtype=jnp.float32, use_fast_variance=False, name=name)


# Poolings with parameters, by the name that a recipe and a card give them; "mean" has none.
TRAINED: dict[str, type[nn.Module]] = {"attention": GatedAttentionPooling, "transformer": TransformerPooling}
