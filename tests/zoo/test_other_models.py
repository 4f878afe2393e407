"""A checkpoint of no model of the zoo is said to be what it is; state that is not yet weights, how it becomes them."""

import pytest

from pathfm.errors import InputError
from pathfm.zoo.checkpoint import contents
from tests.parity import import_transformers
from tests.zoo.test_checkpoint_names import TOWER, under

BY_NAME = {
    "a plain Swin": (["layers.0.blocks.0.attn.relative_position_bias_table", "patch_embed.proj.weight"], "a Swin transformer"),
    "CTransPath": (
        ["layers.0.blocks.0.attn.relative_position_bias_table", "patch_embed.proj.0.weight"],
        "of ctranspath, which is out of scope",
    ),
    "CONCH": (under("visual.trunk.") + ["visual.attn_pool_contrast.query", "text.ln_final.bias"], "of conch, which is out of scope"),
    "CONCH's trunk alone": (under("visual.trunk."), "of conch, which is out of scope"),
    "CONCH 1.5": (under("trunk.") + ["attn_pool_contrast.query", "ln_contrast.bias"], "of conch, which is out of scope"),
    "TITAN": (under("vision_encoder.") + ["vision_encoder.attn_pool_contrast.query", "text_encoder.x"], "of TITAN, an image–text model"),
    "TITAN, other names": (["vision_encoder.blocks.0.norm1.weight", "text_encoder.cls_emb"], "an image–text model, such as TITAN"),
    "MUSK": (["beit3.encoder.layers.0.self_attn.q_proj.A.weight", "beit3.vision_embed.proj.weight"], "BEiT-3, such as MUSK"),
    "a slide encoder": (
        ["patch_embed.proj.weight", "encoder.layers.0.ffn.fc1.weight"],
        "a slide encoder, such as the LongNet of Prov-GigaPath",
    ),
    "SAM": (under("image_encoder.") + ["image_encoder.blocks.0.attn.rel_pos_h", "mask_decoder.x.weight"], "the image encoder of SAM"),
    "EVA-02": ([*TOWER, "blocks.0.attn.q_proj.weight"], "of the kind of EVA"),
    "OpenAI's CLIP": (["visual.conv1.weight", "visual.transformer.resblocks.0.ln_1.weight"], "a CLIP in the words of OpenAI"),
    "torchvision's ViT": (["conv_proj.weight", "encoder.layers.encoder_layer_0.ln_1.weight"], "a ViT in the words of torchvision"),
    "MoCo v3's ViT": (["patch_embed.proj.0.weight", "blocks.0.norm1.weight"], "a transformer with a convolutional stem"),
    "ResNet": (["conv1.weight", "layer1.0.conv1.weight"], "a ResNet"),
    "ResNet as a sequence": (["backbone.0.weight", "backbone.4.0.conv1.weight"], "a ResNet"),
    "ConvNeXt": (["downsample_layers.0.0.weight", "stages.0.0.dwconv.weight"], "a ConvNeXt"),
    "another network": (["stem.conv.weight", "stem.bn.running_mean"], "a network with BatchNorm"),
    "peft, not merged": (
        under("base_model.model.") + ["base_model.model.blocks.0.attn.qkv.lora_A.default.weight"],
        "model.merge_and_unload()",
    ),
    "peft, the factors alone": (["base_model.model.blocks.0.attn.qkv.lora_B.weight"], "1 of the 1 tensors, such as .*, are LoRA factors"),
    "loralib": ([*TOWER, "blocks.0.attn.qkv.lora_A"], "are LoRA factors"),
    "FSDP": (["_fsdp_wrapped_module._flat_param", "_fsdp_wrapped_module.blocks.0._flat_param"], "are FSDP's flat parameters"),
    "FSDP, its blocks alone": ([*TOWER, "blocks.0._fsdp_wrapped_module.flat_param_0"], "are FSDP's flat parameters"),
    "DeepSpeed's optimizer": (["optimizer_state_dict.fp32_flat_groups.0"], "run the zero_to_fp32.py"),
    "bitsandbytes": ([*TOWER, "blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.weight.absmax"], "are quantised weights"),
    "torch's dynamic quantisation": ([*TOWER, "blocks.0.attn.qkv._packed_params._packed_params"], "are quantised weights"),
}


@pytest.mark.parametrize("case", BY_NAME)
def test_it_is_said_what_the_tensors_are(case):
    names, said = BY_NAME[case]
    with pytest.raises(InputError, match=said.replace("(", r"\(").replace(")", r"\)")):
        contents(names)


IN_TRANSFORMERS = {
    "DINOv3ConvNext": "a ConvNeXt",
    "ConvNext": "a ConvNeXt",
    "Swin": "a Swin transformer",
    "Swinv2": "a Swin transformer",
    "Beit": "BEiT, CaiT or EVA",
    "CLIPVision": "the ViT of a CLIP",
    "SiglipVision": "a CLIP or SigLIP in the words of transformers",
    "ResNet": "a ResNet",
    "DeiT": "a distilled ViT",
    "SamVision": "the image encoder of SAM",
    "Bert": "a language model",
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", IN_TRANSFORMERS)
def test_transformers_classes_are_known_by_their_names(name):
    transformers = import_transformers()
    import torch

    with torch.device("meta"):
        model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")())
    with pytest.raises(InputError, match=IN_TRANSFORMERS[name]):
        contents(model.state_dict())
