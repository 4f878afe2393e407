"""The tower for a modality that is one vector per patient: gene expression first of all."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


class VectorTower(nn.Module):
    """Vectors [batch, inputs] (z-scored, so that 0 is the mean) → embeddings [batch, out] in float32.

    inputs → hidden → out with LayerNorm, GELU and dropout after the first layer. In training each input is masked, that is set
    to 0, with probability `masking`, drawn anew for every patient and step; needs the random streams "dropout" and "masking".
    """

    hidden: int = 1024
    out: int = 512
    dropout: float = 0.2
    masking: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, vectors: jax.Array, deterministic: bool = True) -> jax.Array:
        if self.masking and not deterministic:
            kept = jax.random.bernoulli(self.make_rng("masking"), 1.0 - self.masking, vectors.shape)
            vectors = jnp.where(kept, vectors, jnp.zeros_like(vectors))
        hidden = nn.Dense(self.hidden, dtype=self.dtype, name="in")(vectors.astype(self.dtype))
        hidden = nn.LayerNorm(epsilon=1e-6, dtype=jnp.float32, use_fast_variance=False, name="norm")(hidden.astype(jnp.float32))
        hidden = nn.gelu(hidden, approximate=False)
        hidden = nn.Dropout(self.dropout, deterministic=deterministic)(hidden)
        return nn.Dense(self.out, dtype=self.dtype, name="out")(hidden.astype(self.dtype)).astype(jnp.float32)
