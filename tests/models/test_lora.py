"""LoRA against its own formula: a narrow branch beside each kernel, which merged parameters replace."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.models.lora import init_lora, merged
from pathfm.models.vit import ViT, ViTSpec, by_name
from pathfm.objectives.image_tower import ImageTower

SPEC = ViTSpec(width=24, depth=2, heads=2, mlp_width=48, patch=8, image_size=16)
MODULES = r"blocks_\d+/attention/(qkv|projection)"
LORA = SimpleNamespace(rank=3, alpha=6.0, modules=MODULES)


@pytest.fixture(scope="module")
def image():
    return ViT(SPEC).init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))["params"]


def moved(lora, seed=1):
    """The factors after training: `up` is no longer zero."""
    leaves, tree = jax.tree.flatten(lora)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(tree, [leaf + rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves])


def test_training_starts_at_the_base(image):
    lora = init_lora(jax.random.key(1), image, MODULES, 3)
    jax.tree.map(np.testing.assert_array_equal, merged(image, lora, 6.0), image)
    shapes = {name: leaf.shape for name, leaf in by_name(lora).items()}
    assert len(shapes) == 8
    assert shapes["blocks_1/attention/qkv/down"] == (24, 3) and shapes["blocks_1/attention/qkv/up"] == (3, 72)


def test_merged_kernels_do_what_kernel_and_branch_do(image):
    lora = moved(init_lora(jax.random.key(1), image, MODULES, 3))
    x = np.random.default_rng(2).normal(size=(5, 24))
    for name in ("blocks_0/attention/qkv", "blocks_1/attention/projection"):
        kernel, down, up = (
            np.asarray(by_name(tree)[f"{name}/{leaf}"], np.float64) for tree, leaf in ((image, "kernel"), (lora, "down"), (lora, "up"))
        )
        branched = x @ kernel + 6.0 / 3 * (x @ down) @ up
        np.testing.assert_allclose(x @ by_name(merged(image, lora, 6.0))[f"{name}/kernel"], branched, rtol=1e-5, atol=1e-5)


def test_only_the_chosen_kernels_change_and_the_tower_gets_no_gradient(image):
    tower = ImageTower(SPEC, lora=LORA)
    params = tower.init(jax.random.key(0))
    params["lora"] = moved(params["lora"])
    before, after = by_name(params["image"]), by_name(tower.image(params))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {f"blocks_{i}/attention/{part}/kernel" for i in range(2) for part in ("qkv", "projection")}
    assert all(np.linalg.matrix_rank(after[name] - before[name], tol=1e-4) == 3 for name in changed)

    images = jax.random.normal(jax.random.key(2), (2, 1, 16, 16, 3))
    slopes = jax.grad(lambda params: (tower.tiles(params, images) ** 2).sum())(params)
    assert all(not leaf.any() for leaf in jax.tree.leaves(slopes["image"]))
    assert all(leaf.any() for leaf in jax.tree.leaves(slopes["lora"]))


@pytest.mark.parametrize(("modules", "message"), [("blocks_9/.*", "matches no module"), ("(", "not a regular expression")])
def test_an_expression_that_chooses_nothing_is_refused(image, modules, message):
    with pytest.raises(InputError, match=message):
        init_lora(jax.random.key(0), image, modules, 2)
