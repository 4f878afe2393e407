"""uint8 images as the towers take them."""

import jax
import jax.numpy as jnp


def normalised(images: jax.Array, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    """uint8 [..., height, width, 3] to float32: (value / 255 - mean) / std."""
    return standardised(images.astype(jnp.float32) / 255.0, mean, std)


def standardised(images: jax.Array, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    """float32 [..., 3] in [0, 1] to (value - mean) / std by channel."""
    shape = (1,) * (images.ndim - 1) + (3,)
    return (images - jnp.asarray(mean, jnp.float32).reshape(shape)) / jnp.asarray(std, jnp.float32).reshape(shape)
