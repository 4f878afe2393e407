"""Rotary position embeddings: pairs are complex numbers that are turned, by coordinates that no size of image changes the range of."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.models.rotary import rotation, turned
from pathfm.models.vit import ViT, ViTSpec, parameter_shapes
from pathfm.objectives.image_tower import ImageTower
from pathfm.settings.training import LoraConfig, MeshConfig
from pathfm.training.mesh import make_mesh, state_shardings
from tests.parity import ROTARY, random_params, variant

DEPTH, GRID, PREFIX = 8, (3, 5), 2


def vectors(tokens: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((3, 2, 2, tokens, DEPTH)).astype(np.float32)


def angles(grid: tuple[int, int], base: float = 100.0) -> np.ndarray:
    """[patches, pairs] as the formula has them: half of the pairs turn with the row, half with the column."""
    found = []
    for row in range(grid[0]):
        for column in range(grid[1]):
            centre = (2 * (row + 0.5) / grid[0] - 1, 2 * (column + 0.5) / grid[1] - 1)
            found.append([2 * np.pi * side / base ** (4 * k / DEPTH) for side in centre for k in range(DEPTH // 4)])
    return np.array(found)


def test_query_and_key_of_patches_are_turned_as_complex_numbers_and_nothing_else():
    qkv = vectors(PREFIX + 15)
    found = np.asarray(turned(qkv, *rotation(100.0, DEPTH, PREFIX, GRID, "float32")))
    assert (found[2] == qkv[2]).all() and (found[:, :, :, :PREFIX] == qkv[:, :, :, :PREFIX]).all()
    pairs = (qkv[..., : DEPTH // 2] + 1j * qkv[..., DEPTH // 2 :])[:2, :, :, PREFIX:] * np.exp(1j * angles(GRID))
    np.testing.assert_allclose(found[:2, :, :, PREFIX:], np.concatenate([pairs.real, pairs.imag], axis=-1), atol=1e-5)


def test_the_product_of_query_and_key_depends_on_their_distance_alone():
    same = np.broadcast_to(vectors(1), (3, 2, 2, 16, DEPTH)).astype(np.float32)
    query, key, _ = np.asarray(turned(same, *rotation(100.0, DEPTH, 0, (4, 4), "float32")))
    products = np.einsum("bhqd,bhkd->bhqk", query, key)
    for one, other in (((0, 5), (10, 15)), ((1, 4), (11, 14)), ((3, 3), (12, 12))):
        np.testing.assert_allclose(products[:, :, *one], products[:, :, *other], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("grid", [(3, 3), (5, 7), (21, 9)])
def test_the_middle_of_an_image_of_any_size_does_not_turn_and_its_edges_turn_alike(grid):
    turn = rotation(100.0, DEPTH, 0, grid, "float32")[:, 0, 0, 0].reshape(2, *grid, DEPTH)
    middle = turn[:, grid[0] // 2, grid[1] // 2]
    np.testing.assert_allclose(middle, np.stack([np.ones(DEPTH), np.zeros(DEPTH)]), atol=1e-6)
    np.testing.assert_allclose(turn[0, 0], turn[0, -1], atol=1e-5)


def test_its_gradient_is_that_of_its_formula():
    qkv, slope = vectors(PREFIX + 15), vectors(PREFIX + 15, 1)
    turn = rotation(100.0, DEPTH, PREFIX, GRID, "float32")

    def formula(qkv):
        one, other = jnp.split(qkv, 2, axis=-1)
        cosine, sine = turn[0][..., : DEPTH // 2], turn[1][..., DEPTH // 2 :]
        return jnp.concatenate([one * cosine - other * sine, other * cosine + one * sine], axis=-1)

    (value, back), (wanted, wanted_back) = jax.vjp(lambda qkv: turned(qkv, *turn), qkv), jax.vjp(formula, qkv)
    np.testing.assert_allclose(value, wanted, atol=1e-6)
    np.testing.assert_allclose(back(slope)[0], wanted_back(slope)[0], atol=1e-6)


def test_angles_in_bfloat16_are_of_that_type_and_near():
    rounded, exact = (rotation(100.0, 64, 5, (14, 14), kind) for kind in ("bfloat16", "float32"))
    assert (rounded == rounded.astype(ml_dtypes.bfloat16).astype(np.float32)).all()
    assert 0.001 < np.abs(rounded - exact).max() < 0.1


def features(spec, params, images, **options):
    return jax.jit(ViT(spec, **options).apply)({"params": params}, images)


def images_of(spec: ViTSpec, side: int = 0) -> np.ndarray:
    side = side or spec.image_size
    return np.random.default_rng(3).standard_normal((2, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize("name", ROTARY)
def test_no_position_is_learned_and_features_of_any_size_have_the_promised_width(name):
    spec = variant(name)
    assert "position" not in parameter_shapes(spec)
    params = random_params(spec)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        for side in (spec.image_size, 5 * spec.patch):
            shape = jax.eval_shape(ViT(spec).apply, {"params": params}, images_of(spec, side))
            assert (shape.shape, shape.dtype) == ((2, spec.features), jnp.float32)
    assert ViTSpec.from_dict(spec.to_dict()) == spec and spec.to_dict()["rope"] == 100.0


def test_an_architecture_of_earlier_versions_is_written_as_they_wrote_it():
    assert not {"rope", "rope_type", "key_bias", "per_channel"} & set(variant("plain").to_dict())


@pytest.mark.parametrize("name", ROTARY)
def test_recomputing_and_bfloat16_change_no_more_than_they_do_without(name):
    spec = replace(variant(name), depth=1)
    params, images = random_params(spec), images_of(spec)

    def scalar(params, remat):
        return ViT(spec, remat=remat).apply({"params": params}, images)[:, 0].sum()

    kept, *again = (jax.jit(jax.value_and_grad(scalar), static_argnums=1)(params, which) for which in ("none", "cheap", "blocks"))
    for other in again:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), kept, other)
    wide, narrow = features(spec, params, images), features(spec, params, images, dtype=jnp.bfloat16)
    assert np.abs(wide - narrow).max() < 0.05 * np.abs(wide).max()


def test_the_keys_bias_counts_as_zero_and_is_not_trained():
    spec = replace(variant("rotary"), depth=1)
    params, images = random_params(spec), images_of(spec)
    gradient = jax.grad(lambda params: (features(spec, params, images) ** 2).sum())(params)
    query, key, value = np.split(np.asarray(gradient["blocks_0"]["attention"]["qkv"]["bias"]), 3)
    assert query.any() and value.any() and not key.any()
    free = jax.grad(lambda params: (features(replace(spec, key_bias=True), params, images) ** 2).sum())(params)
    assert np.split(np.asarray(free["blocks_0"]["attention"]["qkv"]["bias"]), 3)[1].any()


def test_channel_by_channel_each_is_seen_alone_and_the_features_stand_side_by_side():
    spec = variant("rotary, no qkv bias, channel by channel")
    params, images = random_params(spec), images_of(spec)
    found = np.asarray(features(spec, params, images)).reshape(2, 3, spec.width)
    turned_round = np.asarray(features(spec, params, images[..., ::-1])).reshape(2, 3, spec.width)
    np.testing.assert_allclose(turned_round, found[:, ::-1], atol=1e-5)
    assert spec.tokens() == 3 * (5 + 16) and spec.features == 3 * spec.width


@pytest.mark.parametrize("name", ["rotary", "rotary, no qkv bias, channel by channel"])
def test_counted_operations_are_nearly_those_that_xla_counts(name):
    spec = replace(variant(name), width=192, image_size=112)
    params = jax.eval_shape(ViT(spec).init, jax.random.key(0), jnp.zeros((1, 112, 112, 3)))
    counted = jax.jit(ViT(spec).apply).lower(params, jax.ShapeDtypeStruct((1, 112, 112, 3), jnp.float32)).cost_analysis()["flops"]
    assert spec.flops() <= counted <= 1.1 * spec.flops()


def test_low_rank_factors_learn_and_split_parameters_give_the_same_features():
    spec = replace(variant("rotary"), depth=1, mlp_width=768)
    tower = ImageTower(spec, lora=LoraConfig(rank=2))
    params, tiles = tower.init(jax.random.key(0)), images_of(spec)[:, None]
    slopes = jax.jit(jax.grad(lambda params: (tower.tiles(params, tiles) ** 2).sum()))(params)
    assert not any(leaf.any() for leaf in jax.tree.leaves(slopes["image"])) and any(leaf.any() for leaf in jax.tree.leaves(slopes["lora"]))
    mesh = make_mesh(MeshConfig(data=1, fsdp=4), jax.devices()[:4])
    image = params["image"]
    shardings = state_shardings(mesh, jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), image))
    split = jax.device_put(image, shardings)
    assert "fsdp" in split["blocks_0"]["mlp"]["in"]["kernel"].sharding.spec
    np.testing.assert_allclose(features(spec, split, images_of(spec)), features(spec, image, images_of(spec)), atol=1e-5)


@pytest.mark.parametrize("fields", [{"rope": -1.0}, {"slots": "class"}, {"heads": 16}])
def test_what_does_not_fit_rotary_positions_is_refused(fields):
    with pytest.raises(InputError, match="rotary position embeddings want a base above 0"):
        replace(variant("rotary"), **fields)
