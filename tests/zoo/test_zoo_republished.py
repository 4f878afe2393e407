"""What others publish in timm's words is the same model: random weights of timm's class, imported, give timm's features, and go back."""

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from pathfm.models.vit import ViT
from pathfm.weights import importing
from pathfm.weights.export import export_weights
from pathfm.weights.folder import open_weights
from pathfm.weights.importing import import_checkpoint, open_checkpoint, recognised
from pathfm.zoo.known import ZOO, known
from tests.parity import import_timm, timm_features, torch_loader
from tests.zoo.publishers import HUB, REPUBLISHED, TIMM, grids, republished

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def as_bytes(tensors):
    return {name: (tensor.dtype.name, tensor.shape, tensor.tobytes()) for name, tensor in tensors.items()}


def test_every_published_model_is_in_timms_words_or_tested_in_them():
    assert {*TIMM, *REPUBLISHED, "demo", "tiny", "small"} == set(ZOO)


@pytest.mark.parametrize("name", REPUBLISHED)
def test_a_copy_in_timms_words_gives_timms_features_and_goes_out_bit_for_bit(name, tmp_path):
    model, theirs = republished(name, tmp_path)
    checkpoint = open_checkpoint(tmp_path / "model.safetensors")
    assert checkpoint.naming.name == ("timm" if model.spec.rope is None else "timm-eva")
    import_checkpoint(checkpoint, tmp_path / "w", model)
    weights = open_weights(tmp_path / "w")
    assert weights.spec.interpolation == "antialias" and weights.spec.image_size == model.spec.image_size
    assert weights.spec.slots == ("patches" if weights.spec.registers else "class")
    side = weights.spec.image_size // weights.spec.patch
    for rows, columns in grids(name, side):
        shape = (1, rows * weights.spec.patch, columns * weights.spec.patch, 3)
        images = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        ours = np.asarray(jax.jit(ViT(weights.spec).apply)({"params": weights.params["image"]}, images))
        features, _ = timm_features(theirs, weights.spec, images)
        assert np.abs(ours - features).max() <= 2e-5 * np.abs(features).max()
    export_weights(weights, tmp_path / "out.safetensors", "original")
    assert as_bytes(load_file(tmp_path / "out.safetensors")) == as_bytes(load_file(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("name", [name for name in HUB if known(name).spec.width < 1536])
def test_from_timms_words_to_the_hubs_and_back_through_timms_own_filter_no_bit_changes(name, tmp_path):
    timm = import_timm()
    model, theirs = republished(name, tmp_path)
    import_checkpoint(open_checkpoint(tmp_path / "model.safetensors"), tmp_path / "w", model)
    export_weights(open_weights(tmp_path / "w"), tmp_path / "hub.safetensors", "hub")
    state = timm.models.vision_transformer.checkpoint_filter_fn(torch_loader()(tmp_path / "hub.safetensors"), theirs)
    assert as_bytes({name: tensor.numpy() for name, tensor in state.items()}) == as_bytes(load_file(tmp_path / "model.safetensors"))


ENTRIES = {
    "vit_small_patch14_dinov2": "dinov2_vits14",
    "vit_base_patch14_dinov2": "dinov2_vitb14",
    "vit_large_patch14_dinov2": "dinov2_vitl14",
    "vit_giant_patch14_dinov2": "dinov2_vitg14",
    "vit_small_patch14_reg4_dinov2": "dinov2_vits14_reg",
    "vit_base_patch14_reg4_dinov2": "dinov2_vitb14_reg",
    "vit_giant_patch14_reg4_dinov2": "dinov2_vitg14_reg",
    "vit_large_patch14_reg4_dinov2": "fit kaiko_vitl14, dinov2_vitl14_reg,",
    "vit_small_patch16_224": "fit small, kaiko_vits16, lunit_vits16,",
    "vit_small_patch8_224": "fit kaiko_vits8, lunit_vits8,",
    "vit_base_patch16_224": "fit kaiko_vitb16, phikon,",
    "vit_tiny_patch16_224": "fit no published model, but tiny",
    "deit3_large_patch16_224": "position embeddings of other tokens",
    "flexivit_base": "position embeddings of other tokens",
    "vit_intern300m_patch14_448": "missing: norm.bias, norm.weight; no model of the zoo fits",
    "vit_base_patch16_gap_224": "missing: cls_token; no model of the zoo fits",
    "samvit_base_patch16_224": "a ViT with relative positions",
    "vit_base_patch16_clip_224": "the ViT of a CLIP",
    "vit_base_patch16_clip_quickgelu_224": "the ViT of a CLIP",
    "vit_base_patch16_siglip_224": "ends in attention pooling",
    "vit_small_patch16_dinov3": "dinov3_vits16",
    "vit_small_patch16_dinov3_qkvb": "dinov3_vits16",
    "vit_small_plus_patch16_dinov3": "dinov3_vits16plus",
    "vit_base_patch16_dinov3": "dinov3_vitb16",
    "vit_huge_plus_patch16_dinov3_qkvb": "dinov3_vith16plus",
    "vit_7b_patch16_dinov3": "no model of the zoo has 40 blocks of width 4096",
    "vit_base_patch16_rope_ape_224": "BEiT, CaiT or EVA",
    "eva02_base_patch14_224": "of the kind of EVA",
    "beit3_base_patch16_224": "EVA or BEiT-3",
    "beit_base_patch16_224": "BEiT, CaiT or EVA",
    "cait_xxs24_224": "BEiT, CaiT or EVA",
    "deit_base_distilled_patch16_224": "a distilled ViT",
    "vit_base_r50_s16_224": "a ViT on top of a convolutional network",
    "swin_tiny_patch4_window7_224": "a Swin transformer",
    "swinv2_tiny_window8_256": "a Swin transformer",
    "convnext_tiny": "a ConvNeXt",
    "convnext_tiny_hnf": "a ConvNeXt",
    "resnet18": "a ResNet",
    "resnet50": "a ResNet",
    "densenet121": "a DenseNet",
    "efficientnet_b0": "an EfficientNet",
    "mixer_s16_224": "there is no patch embedding of a ViT",
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_of_timms_registry_is_known_for_what_it_is_and_offered_as_nothing_else(entry, tmp_path, monkeypatch):
    """Names and shapes alone: the tensors have no values here."""
    timm = import_timm()
    import torch

    from pathfm.weights.tensors import TensorFile

    with torch.device("meta"):
        state = timm.create_model(entry).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    types = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in state.items()}
    monkeypatch.setattr(importing, "open_tensors", lambda path: TensorFile(tmp_path / "theirs", None, shapes, types))
    try:
        told = recognised(open_checkpoint(tmp_path)).name
    except importing.InputError as error:
        told = str(error)
    assert told == ENTRIES[entry] or (ENTRIES[entry] not in ZOO and ENTRIES[entry] in told)
