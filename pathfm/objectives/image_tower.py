"""From the tiles of a bag to the patient's feature: the part that all objectives share."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pathfm.models.applied import applied
from pathfm.models.lora import init_lora, merged
from pathfm.models.pooling import TRAINED, masked_mean
from pathfm.models.precision import float32_products
from pathfm.models.vit import Remat, ViT, ViTSpec
from pathfm.settings.training import LoraConfig

BASE_IMAGE = "base_image"  # of the parameters: the ViT that training starts from, where a term needs it as it was


@dataclass(frozen=True)
class ImageTower:
    """The ViT under `image` of the parameters, pooling that is trained under `pooling`, with LoRA its factors under `lora`."""

    spec: ViTSpec
    pooling: str = "mean"
    dtype: DTypeLike = jnp.float32
    remat: Remat = "none"
    edge: int | None = None  # of the tiles, in pixels; None: the size that the architecture names
    lora: LoraConfig | None = None

    def init(self, rng: jax.Array) -> dict[str, Any]:
        size = self.spec.image_size
        image_rng, pooling_rng, lora_rng = jax.random.split(rng, 3)
        params = {"image": self._vit.init(image_rng, jnp.zeros((1, size, size, 3), jnp.float32))["params"]}
        if self.pooling in TRAINED:
            bag = jnp.zeros((1, 1, self.spec.features), jnp.float32)
            params["pooling"] = TRAINED[self.pooling]().init(pooling_rng, bag, jnp.ones((1, 1), bool))["params"]
        if self.lora:
            params["lora"] = init_lora(lora_rng, params["image"], self.lora.modules, self.lora.rank)
        return params

    @float32_products
    def image(self, params: Any) -> Any:
        """The parameters of the ViT that is run: LoRA's products are merged into them."""
        if not self.lora:
            return params["image"]
        return merged(jax.lax.stop_gradient(params["image"]), params["lora"], self.lora.alpha)

    def tiles(self, params: Any, images: jax.Array) -> jax.Array:
        """Features [batch, tiles, features] of normalised images [batch, tiles, height, width, 3]."""
        flat = images.reshape(-1, *images.shape[2:])
        return applied(self._vit, self.image(params), flat).reshape(*images.shape[:2], -1)

    def base_tiles(self, params: Any, images: jax.Array) -> jax.Array:
        """Features as `tiles` gives them, by the ViT that training starts from and without a gradient; with LoRA that is `image`."""
        image = params["image"] if self.lora else params[BASE_IMAGE]
        flat = images.reshape(-1, *images.shape[2:])
        return jax.lax.stop_gradient(applied(self._vit, image, flat)).reshape(*images.shape[:2], -1)

    def bags(self, params: Any, images: jax.Array, tile_mask: jax.Array) -> jax.Array:
        """One feature [batch, features] a bag, over the tiles that `tile_mask` [batch, tiles] keeps."""
        return self.pooled(params, self.tiles(params, images), tile_mask)

    @float32_products
    def pooled(self, params: Any, features: jax.Array, tile_mask: jax.Array) -> jax.Array:
        """One feature [batch, features] a bag, of its tiles' features [batch, tiles, features]."""
        if self.pooling in TRAINED:
            return applied(TRAINED[self.pooling](), params["pooling"], features, tile_mask)
        return masked_mean(features, tile_mask)

    def flops(self, images: int) -> float:
        """Forward and backward: the backward pass costs twice the forward."""
        return 3.0 * images * self.spec.flops(self.edge)

    @property
    def _vit(self) -> ViT:
        return ViT(self.spec, self.dtype, self.remat)
