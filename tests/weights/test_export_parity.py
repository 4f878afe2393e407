"""What pathfm exports, the stock classes of timm and transformers load as their own, and give the same features."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.files import read_json
from pathfm.models.vit import ViT, ViTSpec
from pathfm.weights.export import export_weights
from pathfm.weights.exported import exported
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.importing import import_checkpoint, open_checkpoint
from pathfm.zoo.known import HALF, Known
from pathfm.zoo.timm import timm_entry
from tests.parity import (
    VARIANTS,
    import_timm,
    import_transformers,
    random_params,
    timm_classes,
    timm_features,
    timm_model,
    torch_loader,
    variant,
)
from tests.weights.test_folder import CARD

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def saved(spec: ViTSpec, folder):
    """Weights of random parameters, an image for them, and our features of it."""
    params = random_params(spec)
    save_weights(folder, {"image": params}, replace(CARD, architecture=spec, tile=spec.image_size))
    images = np.random.default_rng(0).standard_normal((1, spec.image_size, spec.image_size, 3)).astype(np.float32)
    return open_weights(folder), images, np.asarray(jax.jit(ViT(spec).apply)({"params": params}, images))


def assert_features(model, weights, images, features):
    theirs, _ = timm_features(model, weights.spec, images)
    assert np.abs(features - theirs).max() <= 2e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("name", VARIANTS)
def test_timm_reads_an_export_of_any_architecture(name, tmp_path):
    import_timm()
    weights, images, features = saved(variant(name), tmp_path / "w")
    export_weights(weights, tmp_path / "w.safetensors", "timm")
    model = timm_model(read_json(tmp_path / "w.json")["timm"])
    model.load_state_dict(torch_loader()(tmp_path / "w.safetensors"), strict=True)
    assert_features(model, weights, images, features)


@pytest.mark.parametrize("name", ["plain", "SwiGLU packed", "class token and registers, slot for the class", "another epsilon"])
def test_timm_creates_the_model_by_name_with_an_export_as_its_checkpoint(name, tmp_path):
    timm = import_timm()
    weights, images, features = saved(variant(name), tmp_path / "w")
    result = export_weights(weights, tmp_path / "w.safetensors", "timm")
    arguments = timm_classes(read_json(tmp_path / "w.json")["timm"])
    model = timm.create_model(timm_entry(result.spec), checkpoint_path=str(tmp_path / "w.safetensors"), **arguments)
    assert_features(model.eval(), weights, images, features)


@pytest.mark.parametrize("name", ["plain", "SwiGLU packed", "registers with a slot"])
def test_timm_creates_the_model_from_an_exported_folder_alone(name, tmp_path):
    timm = import_timm()
    weights, images, features = saved(variant(name), tmp_path / "w")
    export_weights(weights, tmp_path / "out", "timm")
    model = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    assert model.pretrained_cfg["mean"] == tuple(CARD.mean) or list(model.pretrained_cfg["mean"]) == [0.5, 0.5, 0.5]
    assert_features(model, weights, images, features)


@pytest.mark.parametrize("name", VARIANTS)
def test_transformers_loads_an_exported_folder_alone_where_its_classes_can_say_the_architecture(name, tmp_path):
    transformers = import_transformers()
    import torch

    spec = variant(name)
    weights, images, features = saved(spec, tmp_path / "w")
    if spec.mlp_width % 8:
        with pytest.raises(InputError, match="Hugging Face's Dinov2Model cannot say a SwiGLU of width 172"):
            exported(weights, "hf")
        return
    result = export_weights(weights, tmp_path / "out", "hf")
    model, report = transformers.AutoModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["unexpected_keys"] and not [name for name in report["missing_keys"] if "pooler" not in name]
    with torch.no_grad():
        tokens = model.eval()(pixel_values=torch.from_numpy(images).permute(0, 3, 1, 2)).last_hidden_state
    theirs = tokens[:, 0]
    if spec.output == "class+mean":
        theirs = torch.cat([theirs, tokens[:, result.spec.prefix :].mean(1)], dim=-1)
    assert np.abs(features - theirs.numpy()).max() <= 2e-5 * np.abs(features).max()


@pytest.mark.parametrize("name", ["plain", "SwiGLU, a width that DINOv2 has"])
def test_a_state_dict_saved_past_transformers_comes_in_and_goes_back(name, tmp_path):
    transformers = import_transformers()
    import torch

    weights, images, features = saved(variant(name), tmp_path / "w")
    export_weights(weights, tmp_path / "out", "hf")
    model = transformers.AutoModel.from_pretrained(tmp_path / "out")
    torch.save(model.state_dict(), tmp_path / "state.pth")
    checkpoint = open_checkpoint(tmp_path / "state.pth")
    assert checkpoint.naming.name.endswith("-5")
    import_checkpoint(
        checkpoint, tmp_path / "again", Known("demo", weights.spec, *HALF, 64, None, "none", "nowhere", checkpoint.naming.name)
    )
    again = open_weights(tmp_path / "again")
    assert (np.asarray(jax.jit(ViT(again.spec).apply)({"params": again.params["image"]}, images)) == features).all()
    export_weights(again, tmp_path / "back", "original")
    model, report = transformers.AutoModel.from_pretrained(tmp_path / "back", output_loading_info=True)
    assert not report["unexpected_keys"] and not report["missing_keys"]
    with torch.no_grad():
        theirs = model.eval()(pixel_values=torch.from_numpy(images).permute(0, 3, 1, 2)).last_hidden_state[:, 0]
    assert np.abs(features - theirs.numpy()).max() <= 2e-5 * np.abs(features).max()


@pytest.mark.parametrize("name", ["LayerScale", "registers without a slot", "SwiGLU, a width that DINOv2 has"])
def test_dinov2s_naming_goes_through_timms_own_filter(name, tmp_path):
    timm = import_timm()
    weights, images, features = saved(variant(name), tmp_path / "w")
    export_weights(weights, tmp_path / "w.safetensors", "hub")
    theirs = exported(weights, "timm")
    model = timm.create_model(timm_entry(theirs.spec), **timm_classes(theirs.said))
    state = torch_loader()(tmp_path / "w.safetensors")
    model.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(state, model), strict=True)
    assert_features(model.eval(), weights, images, features)


def test_what_a_class_cannot_say_is_named(tmp_path):
    weights, _, _ = saved(variant("another epsilon"), tmp_path / "w")
    with pytest.raises(InputError, match="DINOv2's class cannot say a LayerNorm epsilon of 1e-12"):
        exported(weights, "hub")
    weights, _, _ = saved(variant("an MLP of odd width"), tmp_path / "odd")
    with pytest.raises(InputError, match="cannot say an MLP of width 200: its mlp_ratio is a whole number"):
        exported(weights, "hf")


def test_another_rule_of_interpolation_is_noted(tmp_path):
    weights, _, _ = saved(variant("resampled as DINOv2's hub"), tmp_path / "w")
    assert exported(weights, "hub").notes == []
    assert "resamples position embeddings by another rule" in exported(weights, "timm").notes[0]
