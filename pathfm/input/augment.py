"""uint8 tiles → normalised float images, on the device, inside the jitted step; each tile has its own key."""

from typing import Protocol

import jax
import jax.numpy as jnp

# Optical densities of haematoxylin, eosin and the residual as rows (Ruifrok and Johnston 2001).
STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))


class Strengths(Protocol):
    """What `augmented` reads; `pathfm.training.config.AugmentConfig` documents the fields."""

    flip: bool
    turn: bool
    stain: float
    brightness: float
    crop: float
    blur: float


def normalised(tiles: jax.Array, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    """uint8 [..., height, width, 3] to float32: (value / 255 - mean) / std."""
    return _standardised(tiles.astype(jnp.float32) / 255.0, mean, std)


def augmented(tiles: jax.Array, keys: jax.Array, strengths: Strengths, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    """uint8 [batch, tiles, edge, edge, 3] and one key per batch row, to augmented normalised float32 of the same shape."""

    def bag(images: jax.Array, key: jax.Array) -> jax.Array:
        return jax.vmap(lambda image, number: _one(image, jax.random.fold_in(key, number), strengths))(images, jnp.arange(images.shape[0]))

    return _standardised(jax.vmap(bag)(tiles, keys), mean, std)


def patient_keys(key: jax.Array, patients: jax.Array) -> jax.Array:
    """A key for each patient [batch], whatever its place in the batch."""
    return jax.vmap(lambda patient: jax.random.fold_in(key, patient))(patients.astype(jnp.uint32))


def _standardised(images: jax.Array, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    shape = (1,) * (images.ndim - 1) + (3,)
    return (images - jnp.asarray(mean, jnp.float32).reshape(shape)) / jnp.asarray(std, jnp.float32).reshape(shape)


def _one(image: jax.Array, key: jax.Array, strengths: Strengths) -> jax.Array:
    """One tile, uint8 [edge, edge, 3] to float32 in [0, 1]."""
    geometry, colour, light, crop, blur = jax.random.split(key, 5)
    x = image.astype(jnp.float32) / 255.0
    if strengths.crop:
        x = _crop(x, crop, strengths.crop)
    x = _turn_and_flip(x, geometry, strengths.turn, strengths.flip)
    if strengths.stain:
        x = _stain(x, colour, strengths.stain)
    if strengths.brightness:
        gain, shift = jax.random.normal(light, (2,)) * strengths.brightness
        x = x * jnp.exp(gain) + 0.5 * shift
    if strengths.blur:
        x = jnp.where(jax.random.bernoulli(blur, strengths.blur), _smooth(x), x)
    return jnp.clip(x, 0.0, 1.0)


def _turn_and_flip(x: jax.Array, key: jax.Array, turn: bool, flip: bool) -> jax.Array:
    quarter, mirror = jax.random.split(key)
    if turn:
        choice = jax.random.bits(quarter, dtype=jnp.uint8)
        x = jnp.where((choice & 1) == 1, jnp.swapaxes(x, 0, 1), x)
        x = jnp.where((choice & 2) == 2, x[::-1], x)
    if flip:
        x = jnp.where(jax.random.bernoulli(mirror), x[:, ::-1], x)
    return x


def _stain(x: jax.Array, key: jax.Array, strength: float) -> jax.Array:
    """Gain and shift of each stain's optical density (Tellez et al. 2019)."""
    stains = jnp.asarray(STAINS, jnp.float32)
    density = -jnp.log(jnp.maximum(x, 1.0 / 255.0)) @ jnp.linalg.inv(stains)
    gain, shift = jax.random.normal(key, (2, 1, 1, 3)) * strength
    return jnp.exp(-(density * jnp.exp(gain) + 0.2 * shift) @ stains)


def _crop(x: jax.Array, key: jax.Array, most: float) -> jax.Array:
    """A random square of the tile, its edge between 1 - most and 1 of the tile's, resampled to the tile's size."""
    size, place = jax.random.split(key)
    edge = x.shape[0]
    share = 1.0 - most * jax.random.uniform(size)
    corner = jax.random.uniform(place, (2,)) * (1.0 - share) * edge
    scale = jnp.full((2,), 1.0) / share
    return jax.image.scale_and_translate(x, x.shape, (0, 1), scale, -corner * scale, method="linear", antialias=False)


def _smooth(x: jax.Array) -> jax.Array:
    """The 3 × 3 binomial kernel, with the edge repeated."""
    for axis in (0, 1):
        pad = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        padded = jnp.pad(x, pad, mode="edge")
        edge = x.shape[axis]
        parts = [jax.lax.slice_in_dim(padded, start, start + edge, axis=axis) for start in range(3)]
        x = 0.25 * parts[0] + 0.5 * parts[1] + 0.25 * parts[2]
    return x
