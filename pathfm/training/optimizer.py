"""AdamW by rules over parameter names; a frozen parameter has no part in it."""

import re
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pathfm.errors import InputError
from pathfm.objectives.image_tower import BASE_IMAGE
from pathfm.settings.training import TRAINABLE, OptimizerConfig
from pathfm.training.rules import divided, matched, names, parsed

UNRULED = -1.0
NOT_DECAYED = re.compile(r".*(bias|scale|class_token|registers|position)")
BLOCK = re.compile(r"image/blocks_(\d+)/.*")
OF_BLOCK = re.compile(r"(?:image|lora)/blocks_(\d+)/.*")
BEFORE_BLOCKS = re.compile(r"image/(patch_embedding/.*|class_token|registers|position)")


def trained(config: OptimizerConfig, params: Any, tower: bool = True, inputs: Collection[str] = ()) -> Any:
    """For each parameter of the names and shapes given whether it is trained: frozen by no rule, not beneath the blocks that `trainable`
    names, none of the `inputs` and, without `tower`, not of the ViT.
    """
    frozen = matched(params, [(pattern, True) for pattern in config.freeze], False)
    if BASE_IMAGE in params:
        frozen = frozen | {BASE_IMAGE: jax.tree.map(lambda _: True, params[BASE_IMAGE])}
    first = first_trained(config.trainable, params)

    def of(is_frozen: bool, name: str) -> bool:
        return not (is_frozen or name in inputs or beneath(name, first)) and (tower or not name.startswith("image/"))

    chosen = jax.tree.map(of, frozen, names(params))
    if not any(jax.tree.leaves(chosen)):
        raise InputError(f"the rules {', '.join(config.freeze)} freeze every parameter; nothing is left to train")
    return chosen


def first_trained(trainable: str, params: Any) -> int:
    """The number of the first block that is trained; -1 where what lies before the blocks is trained, too.

    InputError where the tower has fewer blocks than are asked for.
    """
    asked, blocks = TRAINABLE.fullmatch(trainable), depth(params)
    if asked is None or asked.group(1) is None:
        return -1
    if int(asked.group(1)) > blocks:
        raise InputError(f"optimizer.trainable is {trainable}, but the tower has {blocks} blocks; give a number up to that, or all")
    return blocks - int(asked.group(1))


def beneath(name: str, first: int) -> bool:
    """Whether a parameter lies beneath the block of the number `first`: in an earlier one, or before all where `first` is not -1."""
    match = OF_BLOCK.fullmatch(name)
    return int(match.group(1)) < first if match else first >= 0 and BEFORE_BLOCKS.fullmatch(name) is not None


def depth(params: Any) -> int:
    """How many blocks the image tower has."""
    return 1 + max((int(match.group(1)) for name in jax.tree.leaves(names(params)) if (match := BLOCK.fullmatch(name))), default=-1)


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
    blocks = depth(params)

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
