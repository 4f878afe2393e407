"""Contrastive learning with expression in place of text (Radford et al. 2021, https://arxiv.org/abs/2103.00020)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pathfm.models.mlp import VectorTower
from pathfm.objectives.image_tower import ImageTower, normal
from pathfm.objectives.losses import effective_rank, info_nce, masked_mean, normalised


@dataclass(frozen=True)
class Contrastive:
    """Image embedding and expression embedding of one patient find each other among all patients of the batch."""

    tower: ImageTower
    genes: int
    projection: int = 512
    hidden: int = 1024
    dropout: float = 0.2
    mask_genes: float = 0.2
    temperature: float = 0.07
    max_logit_scale: float = 100.0
    noise: float = 0.0
    views: int = 1
    needs_expression: bool = True
    additive: bool = False

    def init(self, rng: jax.Array) -> Any:
        image_rng, projection_rng, expression_rng = jax.random.split(rng, 3)
        return {
            **self.tower.init(image_rng),
            "projection": {"kernel": normal(projection_rng, self.tower.spec.features, self.projection)},
            "expression": self._expression.init(expression_rng, jnp.zeros((1, self.genes), jnp.float32))["params"],
            "logit_scale": jnp.asarray(math.log(1.0 / self.temperature), jnp.float32),
        }

    def encode(self, params: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        return self.tower.bags(params, batch["images"][0], batch["tile_mask"])

    def loss(
        self, params: Any, encoded: jax.Array, batch: Mapping[str, jax.Array], rng: jax.Array, *, train: bool
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        image = self._projected(params, encoded)
        expression = self.expression_embedding(params, batch["expression"], rng if train else None)
        scale = jnp.minimum(jnp.exp(params["logit_scale"]), self.max_logit_scale)
        loss = info_nce(image, expression, scale, batch["patient"])
        return loss, self._metrics(loss, image, expression, scale, batch["patient"], diagnose=not train)

    def image_embedding(self, params: Any, images: jax.Array, tile_mask: jax.Array) -> jax.Array:
        """Unit rows [batch, projection] of images [batch, tiles, height, width, 3]."""
        return self._projected(params, self.tower.bags(params, images, tile_mask))

    def expression_embedding(self, params: Any, expression: jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """Unit rows [batch, projection] of scaled expression [batch, genes]; with `rng`, dropout, masking and noise are on."""
        if rng is None:
            return normalised(self._expression.apply({"params": params["expression"]}, expression))
        dropout, masking, noise = jax.random.split(rng, 3)
        if self.noise:
            expression = expression + self.noise * jax.random.normal(noise, expression.shape)
        streams = {"dropout": dropout, "masking": masking}
        return normalised(self._expression.apply({"params": params["expression"]}, expression, deterministic=False, rngs=streams))

    @property
    def predict(self):
        return {"image": self.image_embedding, "expression": self.expression_embedding}

    def flops(self, batch: int, tiles: int) -> float:
        head = (
            self.tower.spec.features * self.projection + self.genes * self.hidden + self.hidden * self.projection + batch * self.projection
        )
        return self.tower.flops(batch * tiles) + 6.0 * batch * head

    @property
    def _expression(self) -> VectorTower:
        return VectorTower(self.hidden, self.projection, self.dropout, self.mask_genes, self.tower.dtype)

    def _projected(self, params: Any, features: jax.Array) -> jax.Array:
        return normalised(features @ params["projection"]["kernel"])

    def _metrics(self, loss, image, expression, scale, patient, diagnose: bool) -> dict[str, jax.Array]:
        """The loss against ln(B), at which nothing has been learned, and the signs of a collapse."""
        valid = patient >= 0
        count = jnp.maximum(jnp.sum(valid), 2).astype(jnp.float32)
        metrics = {"loss_over_ln_batch": loss / jnp.log(count), "logit_scale": scale}
        if diagnose:
            similarity = jnp.where(valid[None, :], image @ expression.T, -2.0)
            hit = jnp.argmax(similarity, axis=1) == jnp.arange(len(patient))
            gap = masked_rows(image, valid) - masked_rows(expression, valid)
            metrics |= {
                "retrieval_at_1": masked_mean(hit.astype(jnp.float32), valid),
                "effective_rank": effective_rank(image, valid),
                "modality_gap": jnp.sqrt(jnp.sum(gap * gap)),
            }
        return metrics


def masked_rows(rows: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean row [width] over the rows that the mask keeps."""
    weight = mask.astype(jnp.float32)
    return jnp.einsum("bw,b->w", rows, weight) / jnp.maximum(jnp.sum(weight), 1.0)
