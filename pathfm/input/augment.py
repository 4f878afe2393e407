"""uint8 tiles → normalised float images, augmented on the device, inside the jitted step; each patient has its own random numbers."""

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri

from pathfm.models.images import standardised
from pathfm.models.precision import float32_products
from pathfm.settings.training import AugmentConfig

# Optical densities of haematoxylin, eosin and the residual as rows (Ruifrok and Johnston 2001).
STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))

# How many uniform numbers each step of the augmentation takes, in this order.
DRAWS = {"turn": 2, "flip": 1, "stain": 6, "brightness": 2, "crop": 3, "blur": 1}


def patient_keys(key: jax.Array, patients: jax.Array) -> jax.Array:
    """A key for each patient [batch], whatever its place in the batch."""
    return jax.vmap(lambda patient: jax.random.fold_in(key, patient))(patients.astype(jnp.uint32))


@float32_products
def augmented(tiles: jax.Array, keys: jax.Array, strengths: AugmentConfig, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    """uint8 [batch, tiles, edge, edge, 3] and one key per batch row, to augmented normalised float32 of the same shape."""
    uniform = jax.vmap(lambda key: jax.random.uniform(key, (tiles.shape[1], sum(DRAWS.values()))))(keys)
    x = tiles.astype(jnp.float32).reshape(-1, *tiles.shape[2:]) / 255.0
    draws, start = {}, 0
    for name, count in DRAWS.items():
        draws[name] = uniform[..., start : start + count].reshape(-1, count)
        start += count
    if strengths.crop:
        x = jax.vmap(lambda image, draw: _crop(image, draw, strengths.crop))(x, draws["crop"])
    if strengths.turn:
        x = jnp.where(_image(draws["turn"][:, 0] < 0.5), jnp.swapaxes(x, 1, 2), x)
        x = jnp.where(_image(draws["turn"][:, 1] < 0.5), x[:, ::-1], x)
    if strengths.flip:
        x = jnp.where(_image(draws["flip"][:, 0] < 0.5), x[:, :, ::-1], x)
    if strengths.stain:
        x = _stain(x, _normal(draws["stain"]) * strengths.stain)
    if strengths.brightness:
        gain, shift = (_normal(draws["brightness"]) * strengths.brightness).T
        x = x * _image(jnp.exp(gain)) + _image(0.5 * shift)
    if strengths.blur:
        x = jnp.where(_image(draws["blur"][:, 0] < strengths.blur), _smooth(x), x)
    return standardised(jnp.clip(x, 0.0, 1.0).reshape(tiles.shape), mean, std)


def _normal(uniform: jax.Array) -> jax.Array:
    return ndtri(jnp.clip(uniform, 1e-4, 1.0 - 1e-4))


def _image(values: jax.Array) -> jax.Array:
    """One value an image, to be broadcast over its pixels."""
    return values.reshape(-1, 1, 1, 1)


def _stain(x: jax.Array, normal: jax.Array) -> jax.Array:
    """Gain and shift of each stain's optical density (Tellez et al. 2019); `normal` [images, 6] is already scaled."""
    stains = jnp.asarray(STAINS, jnp.float32)
    density = -jnp.log(jnp.maximum(x, 1.0 / 255.0)) @ jnp.linalg.inv(stains)
    gain, shift = normal[:, None, None, :3], normal[:, None, None, 3:]
    return jnp.exp(-(density * jnp.exp(gain) + 0.2 * shift) @ stains)


def _crop(image: jax.Array, draw: jax.Array, most: float) -> jax.Array:
    """A random square of the tile, its edge between 1 - most and 1 of the tile's, resampled to the tile's size."""
    edge = image.shape[0]
    share = 1.0 - most * draw[0]
    corner = draw[1:] * (1.0 - share) * edge
    scale = jnp.broadcast_to(1.0 / share, (2,))
    return jax.image.scale_and_translate(image, image.shape, (0, 1), scale, -corner * scale, method="linear", antialias=False)


def _smooth(x: jax.Array) -> jax.Array:
    """The 3 × 3 binomial kernel on images [images, edge, edge, 3], with the edge repeated."""
    for axis in (1, 2):
        padded = jnp.pad(x, [(1, 1) if a == axis else (0, 0) for a in range(4)], mode="edge")
        left, centre, right = (jax.lax.slice_in_dim(padded, start, start + x.shape[axis], axis=axis) for start in range(3))
        x = 0.25 * left + 0.5 * centre + 0.25 * right
    return x
