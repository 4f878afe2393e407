"""The tower's own facts: shapes, work counted, precision, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.models.vit import ViT, ViTSpec, by_name, from_names, parameter_shapes
from pathfm.training.step import compiler_options
from tests.parity import VARIANTS, random_params, variant


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def images_for(spec: ViTSpec, side: int | None = None) -> jax.Array:
    side = side or spec.image_size
    return jax.random.normal(jax.random.key(1), (2, side, side, 3))


@pytest.mark.parametrize("name", VARIANTS)
def test_features_have_the_promised_width_at_any_size_that_the_patch_divides(name):
    spec = variant(name)
    model = ViT(spec)
    params = jax.eval_shape(model.init, jax.random.key(0), images_for(spec))
    for side in (spec.image_size, 2 * spec.image_size + spec.patch):
        features = jax.eval_shape(model.apply, params, images_for(spec, side))
        assert features.shape == (2, spec.features)
        assert features.dtype == jnp.float32


def test_bfloat16_stays_near_float32_and_gradients_are_float32():
    spec = variant("SwiGLU packed")
    params, images = random_params(spec), images_for(spec)
    wide = jax.jit(ViT(spec).apply)({"params": params}, images)
    narrow = jax.jit(ViT(spec, jnp.bfloat16).apply)({"params": params}, images)
    assert np.abs(wide - narrow).max() < 0.05 * np.abs(wide).max()
    gradient = jax.eval_shape(jax.grad(lambda params: ViT(spec, jnp.bfloat16).apply({"params": params}, images).sum()), params)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} | {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("remat", ["cheap", "blocks"])
@pytest.mark.parametrize("name", ["plain", "SwiGLU packed"])
def test_recomputing_changes_neither_names_nor_features_nor_gradient(name, remat):
    spec = variant(name)
    params, images = random_params(spec), images_for(spec)

    def scalar(params, remat):
        return ViT(spec, remat=remat).apply({"params": params}, images)[:, 0].sum()

    kept, again = (jax.jit(jax.value_and_grad(scalar), static_argnums=1)(params, which) for which in ("none", remat))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), kept, again)


def test_recomputing_needs_less_memory():
    spec = ViTSpec(width=64, depth=6, heads=4, mlp_width=256, image_size=64, patch=8)
    params = jax.eval_shape(ViT(spec).init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))["params"]
    images = jax.ShapeDtypeStruct((32, 64, 64, 3), jnp.float32)

    def bytes_of_gradient(remat: str) -> int:
        gradient = jax.grad(lambda params, images: ViT(spec, remat=remat).apply({"params": params}, images).sum())
        options = compiler_options(jax.default_backend(), remat)
        return jax.jit(gradient, compiler_options=options).lower(params, images).compile().memory_analysis().temp_size_in_bytes

    nothing, cheap, blocks = (bytes_of_gradient(remat) for remat in ("none", "cheap", "blocks"))
    assert cheap < 0.6 * nothing
    assert blocks < 0.6 * cheap


def test_features_do_not_depend_on_the_place_of_an_image_in_the_batch():
    spec = variant("registers with a slot")
    params, images = random_params(spec), images_for(spec)
    apply = jax.jit(lambda images: ViT(spec).apply({"params": params}, images))
    np.testing.assert_allclose(apply(images)[::-1], apply(images[::-1]), atol=1e-6)


@pytest.mark.parametrize("mlp", ["gelu", "swiglu_packed"])
def test_counted_operations_are_those_that_xla_counts(mlp):
    spec = ViTSpec(width=384, depth=2, heads=6, mlp_width=1024, image_size=224, mlp=mlp, registers=4, slots="all")
    model = ViT(spec)
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    for side in (224, 96):
        counted = jax.jit(model.apply).lower(params, jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)).cost_analysis()["flops"]
        assert spec.flops(side) <= counted <= 1.05 * spec.flops(side)


def test_names_are_paths_and_turn_back_into_the_tree():
    spec = variant("LayerScale")
    params = jax.eval_shape(ViT(spec).init, jax.random.key(0), images_for(spec))["params"]
    names = by_name(params)
    assert {"class_token", "position", "patch_embedding/kernel", "blocks_0/attention/qkv/kernel", "blocks_1/mlp_scale", "norm/bias"} <= set(
        names
    )
    assert jax.tree.structure(from_names(names)) == jax.tree.structure(params)
    assert parameter_shapes(variant("LayerScale")) == {name: leaf.shape for name, leaf in sorted(names.items())}


def test_a_spec_survives_its_card():
    for name in VARIANTS:
        assert ViTSpec.from_dict(variant(name).to_dict()) == variant(name)
    assert ViTSpec.from_dict({"width": 8, "depth": 1, "heads": 2, "mlp_width": 16}).patch == 16


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 100}, "heads must divide width"),
        ({"patch": 14}, "patch must divide image_size"),
        ({"depth": "two"}, "depth is 'two'; it must be a whole number above 0"),
        ({"mlp": "relu"}, "mlp is 'relu'; it must be one of gelu, swiglu, swiglu_packed"),
        ({"windows": 7}, "unknown field 'windows'"),
    ],
)
def test_a_wrong_architecture_is_named(fields, message):
    with pytest.raises(InputError, match=message):
        ViTSpec.from_dict(variant("plain").to_dict() | fields)


def test_a_missing_field_is_named():
    with pytest.raises(InputError, match="lacks the field 'heads'"):
        ViTSpec.from_dict({"width": 8, "depth": 1, "mlp_width": 16})


def test_an_image_that_the_patch_does_not_divide_is_refused():
    with pytest.raises(InputError, match="100 x 96 px has no whole patches of 16 px"):
        variant("plain").grid(100, 96)
