"""AdamW by rules over parameter names; a frozen parameter has no part in it."""

import re
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pathfm.errors import InputError
from pathfm.objectives.image_tower import BASE_IMAGE
from pathfm.settings.training import OptimizerConfig
from pathfm.training.rules import divided, matched, names, parsed

UNRULED = -1.0
NOT_DECAYED = re.compile(r".*(bias|scale|class_token|registers|position)")
BLOCK = re.compile(r"image/blocks_(\d+)/.*")
BEFORE_BLOCKS = re.compile(r"image/(patch_embedding/.*|class_token|registers|position)")


def trained(config: OptimizerConfig, params: Any, tower: bool = True, inputs: Collection[str] = ()) -> Any:
    """For each parameter of the names and shapes given whether it is trained: frozen by no rule, none of the `inputs` and, without `tower`,
    not of the ViT.
    """
    frozen = matched(params, [(pattern, True) for pattern in config.freeze], False)
    if BASE_IMAGE in params:
        frozen = frozen | {BASE_IMAGE: jax.tree.map(lambda _: True, params[BASE_IMAGE])}
    chosen = jax.tree.map(
        lambda is_frozen, name: not is_frozen and name not in inputs and (tower or not name.startswith("image/")), frozen, names(params)
    )
    if not any(jax.tree.leaves(chosen)):
        raise InputError(f"the rules {', '.join(config.freeze)} freeze every parameter; nothing is left to train")
    return chosen


def make_optimizer(config: OptimizerConfig, params: Any, chosen: Any, steps: int, warmup: int) -> optax.GradientTransformation:
    """Clipped AdamW with linear warm-up and cosine decay to zero, for the `chosen` of the parameters given (names and shapes of all)."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warmup, max(steps, warmup + 1))
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.scale_by_adam(b2=config.b2),
        optax.add_decayed_weights(config.weight_decay, mask=is_decayed),
        optax.scale_by_learning_rate(schedule),
        _multiplied(divided(learning_rate_factors(config, params), chosen)[0]),
    )


def is_decayed(params: Any) -> Any:
    """Whether weight decay applies: to kernels alone."""
    return jax.tree.map(lambda name: not NOT_DECAYED.fullmatch(name), names(params))


def learning_rate_factors(config: OptimizerConfig, params: Any) -> Any:
    """A factor on the learning rate for every parameter: the user's rules first, then the layer decay of the image tower.

    Layer decay as in BEiT and timm: block i of L has decay ** (L - 1 - i), what lies before the blocks has decay ** L.
    """
    all_names = jax.tree.leaves(names(params))
    blocks = 1 + max((int(match.group(1)) for name in all_names if (match := BLOCK.fullmatch(name))), default=-1)

    def of_depth(name: str) -> float:
        if match := BLOCK.fullmatch(name):
            return config.layer_decay ** (blocks - 1 - int(match.group(1)))
        return config.layer_decay**blocks if BEFORE_BLOCKS.fullmatch(name) else 1.0

    ruled = matched(params, parsed(config.multipliers), UNRULED)
    return jax.tree.map(lambda name, factor: of_depth(name) if factor == UNRULED else factor, names(params), ruled)


def _multiplied(factors: Any) -> optax.GradientTransformation:
    """Each update times its constant factor."""

    def update(updates, state, params=None):
        del params
        return jax.tree.map(lambda u, f: u * jnp.asarray(f, u.dtype), updates, factors), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
