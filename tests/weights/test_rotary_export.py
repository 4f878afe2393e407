"""Weights of a tower with rotary positions go out to the stock classes of timm, transformers and DINOv3's hub code, and to StableHLO."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from pathfm.errors import InputError
from pathfm.files import read_json
from pathfm.models.images import normalised
from pathfm.models.vit import ViT
from pathfm.weights.export import export_weights
from pathfm.weights.exported import exported
from pathfm.weights.folder import open_weights
from pathfm.weights.importing import import_checkpoint, open_checkpoint
from pathfm.weights.model_card import model_card
from pathfm.weights.stablehlo import export_stablehlo
from pathfm.zoo.known import HALF, Known
from pathfm.zoo.timm import timm_entry
from tests.parity import ROTARY, import_timm, import_transformers, timm_classes, timm_features, torch_features, torch_loader, variant
from tests.weights.test_export_parity import saved

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def tower(name):
    return replace(variant(name), depth=1)


def assert_near(features, theirs):
    assert np.abs(features - theirs).max() <= 2e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("name", ROTARY)
def test_timm_creates_eva_by_name_with_an_export_as_its_checkpoint(name, tmp_path):
    timm = import_timm()
    weights, images, features = saved(tower(name), tmp_path / "w")
    result = export_weights(weights, tmp_path / "w.safetensors", "timm")
    arguments = timm_classes(read_json(tmp_path / "w.json")["timm-eva"])
    model = timm.create_model(timm_entry(result.spec), checkpoint_path=str(tmp_path / "w.safetensors"), **arguments)
    assert_near(features, timm_features(model.eval(), weights.spec, images)[0])


def test_timm_creates_eva_from_an_exported_folder_alone_where_json_can_say_it(tmp_path):
    timm = import_timm()
    weights, images, features = saved(tower("rotary, SwiGLU"), tmp_path / "w")
    export_weights(weights, tmp_path / "out", "timm")
    model = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    assert_near(features, timm_features(model, weights.spec, images)[0])
    weights, _, _ = saved(tower("rotary, no qkv bias, channel by channel"), tmp_path / "other")
    export_weights(weights, tmp_path / "without", "timm")
    assert not (tmp_path / "without" / "config.json").exists()


@pytest.mark.parametrize("name", ROTARY)
def test_transformers_loads_an_exported_folder_alone_and_its_state_comes_in_again(name, tmp_path):
    transformers = import_transformers()
    import torch

    weights, images, features = saved(tower(name), tmp_path / "w")
    export_weights(weights, tmp_path / "out", "hf")
    model, report = transformers.AutoModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["unexpected_keys"] and not report["missing_keys"]
    theirs, _ = torch_features(lambda pixels: model.eval()(pixel_values=pixels).last_hidden_state, weights.spec, images)
    assert_near(features, theirs)
    torch.save(model.state_dict(), tmp_path / "state.pth")
    checkpoint = open_checkpoint(tmp_path / "state.pth")
    assert checkpoint.naming.name in ("hf-dinov3", "hf-dinov3-5")
    import_checkpoint(
        checkpoint, tmp_path / "again", Known("demo", weights.spec, *HALF, 64, None, "none", "nowhere", checkpoint.naming.name)
    )
    again = open_weights(tmp_path / "again")
    assert (np.asarray(jax.jit(ViT(again.spec).apply)({"params": again.params["image"]}, images)) == features).all()
    export_weights(again, tmp_path / "back", "original")
    _, report = transformers.AutoModel.from_pretrained(tmp_path / "back", output_loading_info=True)
    assert not report["unexpected_keys"] and not report["missing_keys"]


@pytest.mark.parametrize("name", ROTARY)
def test_the_hubs_naming_goes_through_timms_own_filter_and_has_all_that_its_class_wants(name, tmp_path):
    timm = import_timm()
    weights, images, features = saved(tower(name), tmp_path / "w")
    result = export_weights(weights, tmp_path / "w.safetensors", "hub")
    state = torch_loader()(tmp_path / "w.safetensors")
    wanted = {"mask_token", "rope_embed.periods"} | ({"blocks.0.attn.qkv.bias_mask"} if weights.spec.qkv_bias else set())
    assert wanted <= set(state) and result.said["mask_k_bias"] is not weights.spec.key_bias
    theirs = exported(weights, "timm")
    model = timm.create_model(timm_entry(theirs.spec), **timm_classes(theirs.said))
    model.load_state_dict(timm.models.eva.checkpoint_filter_fn(state, model), strict=True)
    assert_near(features, timm_features(model.eval(), weights.spec, images)[0])


def test_what_a_class_cannot_say_is_named_or_noted(tmp_path):
    turned, _, _ = saved(replace(tower("rotary"), key_bias=True), tmp_path / "bias")
    with pytest.raises(InputError, match="timm's Eva cannot say a bias of the key"):
        exported(turned, "timm")
    assert exported(turned, "hf").said["key_bias"] is True
    odd, _, _ = saved(replace(tower("rotary"), epsilon=1e-4), tmp_path / "epsilon")
    with pytest.raises(InputError, match="DINOv3's class cannot say a LayerNorm epsilon of 0.0001; its own are 1e-05 and 1e-06"):
        exported(odd, "hub")
    rounded, _, _ = saved(replace(tower("rotary"), rope_type="bfloat16"), tmp_path / "type")
    assert exported(rounded, "hub").notes == [] and exported(rounded, "hub").said["pos_embed_rope_dtype"] == "bf16"
    assert "in float32, the publisher of these weights in bfloat16" in exported(rounded, "hf").notes[0]


@pytest.mark.parametrize("target", ["timm", "hub", "hf"])
def test_the_model_cards_code_is_the_librarys(target, tmp_path):
    weights, _, _ = saved(tower("rotary, no qkv bias, channel by channel"), tmp_path / "w")
    text = model_card(weights, exported(weights, target), "weights.safetensors")
    code = text.split("```python\n")[1].split("```")[0]
    compile(code, "the card's code", "exec")
    assert "images.flatten(0, 1).unsqueeze(1)" in code and "unflatten(0, (-1, 3)).flatten(1)" in code
    assert "positions are the patches' coordinates" in text


@pytest.mark.parametrize("name", ["rotary", "rotary, no qkv bias, channel by channel"])
def test_the_program_in_stablehlo_gives_the_features_for_any_batch_size(name, tmp_path):
    pytest.importorskip("flatbuffers", reason="the extra `stablehlo` (flatbuffers) is not installed")
    weights, _, _ = saved(tower(name), tmp_path / "w")
    export_stablehlo(weights, tmp_path / "out")
    program = jax.export.deserialize(bytearray((tmp_path / "out" / "tower.stablehlo").read_bytes()))
    params = load_file(tmp_path / "out" / "params.safetensors")
    for count in (1, 3):
        images = np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), np.uint8)
        pixels = normalised(jax.numpy.asarray(images), weights.card.mean, weights.card.std)
        wanted = jax.jit(ViT(weights.spec).apply)({"params": weights.params["image"]}, pixels)
        np.testing.assert_allclose(program.call(params, images), wanted, rtol=1e-4, atol=1e-5)
