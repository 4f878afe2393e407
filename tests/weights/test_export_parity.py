"""What pathfm exports, timm loads as its own, and gives the same features."""

import jax
import numpy as np
import pytest

from pathfm.files import read_json
from pathfm.models.vit import ViT, ViTSpec
from pathfm.weights.export import export_timm
from pathfm.weights.folder import open_weights, save_weights
from tests.parity import import_timm, random_params, timm_features, timm_model, torch_loader, variant
from tests.weights.test_folder import CARD


@pytest.mark.parametrize("name", ["plain", "SwiGLU packed", "registers without a slot"])
def test_timm_reads_an_export_and_gives_our_features(name, tmp_path):
    import_timm()
    spec = variant(name)
    images = np.random.default_rng(0).standard_normal((2, spec.image_size, spec.image_size, 3)).astype(np.float32)
    params = random_params(spec)
    save_weights(tmp_path / "w", {"image": params}, CARD | {"architecture": spec.to_dict()})
    export_timm(open_weights(tmp_path / "w"), tmp_path / "w.safetensors")
    model = timm_model(read_json(tmp_path / "w.json")["timm"])
    model.load_state_dict(torch_loader()(tmp_path / "w.safetensors"), strict=True)
    theirs, _ = timm_features(model, spec, images)
    ours = jax.jit(ViT(spec).apply)({"params": params}, images)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_timm_creates_the_model_by_its_name_with_an_export_as_its_checkpoint(tmp_path):
    timm = import_timm()
    spec = ViTSpec(width=192, depth=12, heads=3, mlp_width=768)
    params = random_params(spec)
    save_weights(tmp_path / "w", {"image": params}, CARD | {"architecture": spec.to_dict()})
    export_timm(open_weights(tmp_path / "w"), tmp_path / "w.safetensors")
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, checkpoint_path=str(tmp_path / "w.safetensors")).eval()
    images = np.random.default_rng(0).standard_normal((1, 224, 224, 3)).astype(np.float32)
    theirs, _ = timm_features(model, spec, images)
    ours = jax.jit(ViT(spec).apply)({"params": params}, images)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
