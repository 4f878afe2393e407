"""AdamW by rules, against optax's own and timm's layer decay."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pathfm.errors import InputError
from pathfm.models.vit import by_name
from pathfm.settings.training import OptimizerConfig
from pathfm.training.optimizer import learning_rate_factors, make_optimizer, trained
from pathfm.training.state import initial_state


def tower(blocks=3):
    rng = np.random.default_rng(0)
    image = {f"blocks_{i}": {"kernel": rng.normal(size=(4, 4)), "bias": rng.normal(size=(4,))} for i in range(blocks)}
    image |= {
        "patch_embedding": {"kernel": rng.normal(size=(4, 4))},
        "class_token": rng.normal(size=(1, 1, 4)),
        "norm": {"scale": np.ones(4)},
    }
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), {"image": image, "head": {"kernel": rng.normal(size=(4, 2))}})


def steps_of(optimizer, params, count=4):
    state = optimizer.init(params)
    for step in range(count):
        gradients = jax.tree.map(lambda p, s=step: jnp.sin(3.0 * p + s), params)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    return params


def test_equals_optax_adamw_with_its_schedule_and_mask():
    params = tower()
    config = OptimizerConfig(learning_rate=0.01, weight_decay=0.1, clip_norm=0.5)
    ours = steps_of(make_optimizer(config, params, trained(config, params), steps=20, warmup=2), params)
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.01, 2, 20)
    mask = jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
    theirs = steps_of(optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(schedule, weight_decay=0.1, mask=mask)), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), ours, theirs)


def test_layer_decay_is_timms():
    factors = learning_rate_factors(OptimizerConfig(layer_decay=0.5), tower(blocks=3))
    assert [factors["image"][f"blocks_{i}"]["kernel"] for i in range(3)] == [0.25, 0.5, 1.0]
    assert factors["image"]["patch_embedding"]["kernel"] == factors["image"]["class_token"] == 0.125
    assert factors["image"]["norm"]["scale"] == factors["head"]["kernel"] == 1.0


def test_a_rule_of_the_user_comes_before_layer_decay():
    factors = learning_rate_factors(OptimizerConfig(layer_decay=0.5, multipliers=("image/blocks_0/.*=0.01",)), tower())
    assert factors["image"]["blocks_0"]["kernel"] == 0.01
    assert factors["image"]["blocks_1"]["kernel"] == 0.5


def test_frozen_parameters_have_no_part_in_the_optimizer_and_layer_decay_still_counts_their_blocks():
    params = tower()
    config = OptimizerConfig(learning_rate=0.1, freeze=("image/blocks_2/.*", "head/.*"), layer_decay=0.5)
    chosen = trained(config, params)
    state = initial_state(params, chosen, make_optimizer(config, params, chosen, 10, 1))
    assert "head" not in state.params and set(state.fixed["image"]) == {"blocks_2"}
    moments = [leaf for leaf in jax.tree.leaves(state.optimizer) if leaf.ndim]
    assert sum(leaf.size for leaf in moments) == 2 * sum(leaf.size for leaf in jax.tree.leaves(state.params))
    assert learning_rate_factors(config, params)["image"]["blocks_1"]["kernel"] == 0.5
    jax.tree.map(np.testing.assert_array_equal, state.every, params)


def test_freezing_everything_is_refused():
    with pytest.raises(InputError, match="freeze every parameter"):
        trained(OptimizerConfig(freeze=(".*",)), tower())


@pytest.mark.parametrize(
    ("trainable", "frozen"),
    [
        ("all", set()),
        ("last:3", {"patch_embedding", "class_token"}),
        ("last:1", {"patch_embedding", "class_token", "blocks_0", "blocks_1"}),
    ],
)
def test_the_last_blocks_alone_are_trained_with_what_lies_behind_them(trainable, frozen):
    chosen = by_name(trained(OptimizerConfig(trainable=trainable), tower()))
    assert {name.split("/")[1] for name, is_trained in chosen.items() if not is_trained} == frozen
    assert chosen["image/norm/scale"] and chosen["head/kernel"]


def test_the_last_blocks_can_be_frozen_further_and_of_lora_their_factors_alone_are_trained():
    params = tower() | {"lora": {f"blocks_{i}": {"down": jnp.ones((4, 1)), "up": jnp.ones((1, 4))} for i in range(3)}}
    chosen = by_name(trained(OptimizerConfig(trainable="last:2", freeze=("image/norm/.*",)), params, tower=False))
    assert {name for name, is_trained in chosen.items() if is_trained} == {
        "head/kernel",
        *(f"lora/blocks_{i}/{factor}" for i in (1, 2) for factor in ("down", "up")),
    }


def test_more_blocks_than_there_are_and_words_that_are_none_are_refused():
    with pytest.raises(InputError, match="last:4, but the tower has 3 blocks"):
        trained(OptimizerConfig(trainable="last:4"), tower())
    for words in ("last", "last:0", "first:2", "last:-1"):
        with pytest.raises(ValueError, match="give all, or last:N"):
            OptimizerConfig(trainable=words)
