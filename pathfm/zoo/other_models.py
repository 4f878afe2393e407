"""What a checkpoint is when no model of the zoo can be made of it, told by names of tensors, so that it is offered as nothing else.

The names are those of each model's own code and files: timm, transformers, torchvision, open_clip, peft, and the publishers'.
"""

import re
from collections.abc import Collection, Iterable
from typing import NoReturn

from pathfm.errors import InputError
from pathfm.zoo.known import OUT_OF_SCOPE

UNREADY = (
    (
        r".*\.lora_(\w+)(\..+)?",
        "LoRA factors that are not added to their weights, which takes a scale that is not in the file; load them with peft on their base, "
        "save the state_dict of model.merge_and_unload(), and import that",
    ),
    (
        r"(.*\.)?_?flat_param(_\d+)?",
        "FSDP's flat parameters, whose tensors cannot be told apart; save the model again with StateDictType.FULL_STATE_DICT",
    ),
    (
        r"(.*\.)?(fp32_flat_groups|fp32_partitioned_groups_flat|single_partition_of_fp32_groups)(\..+)?",
        "DeepSpeed's partitions of an optimizer; run the zero_to_fp32.py that lies beside the checkpoint and import what it writes",
    ),
    (
        r".*\.(qweight|qzeros|SCB|weight_scale(_inv)?|_packed_params(\..+)?)|.*\.weight\.(absmax|quant_map|nested_absmax|quant_state\..+)",
        "quantised weights; import the ones in float32, float16 or bfloat16 that they were made from",
    ),
)
"""(what tensors are called, what they are and what their user does): state that has to be made into weights before it can come in."""

_BLOCK = r"(.*\.)?(blocks|layer|layers)\.\d+\."
_POOLED = r"(.*\.)?(attn_pool_(contrast|caption)\..+|proj_contrast)"

_BEIT = "a transformer of the kind of BEiT, CaiT or EVA"
_EVA = "a transformer of the kind of EVA or BEiT-3"
BY_SCALES = ((rf"{_BLOCK}(gamma_?[12]|lambda_[12]|attn\.[qv]_bias)",), _BEIT)
BY_GATES = ((rf"{_BLOCK}mlp\.w1\.weight",), _EVA)

IMAGE_TEXT = (
    ((r"(.*\.)?vision_encoder\..+", _POOLED), "TITAN, an image–text model of whole slides"),
    ((_POOLED,), "conch"),
)
WITH_PATCHES = (
    *IMAGE_TEXT,
    ((rf"{_BLOCK}blocks\.\d+\..+", r"(.*\.)?patch_embed\.proj\.0\.weight"), "ctranspath"),
    ((rf"{_BLOCK}blocks\.\d+\..+",), "a Swin transformer"),
    ((r"(.*\.)?stages\.\d+\.blocks\.\d+\.attn\.(logit_scale|meta_mlp\..+)",), "a Swin transformer"),
    ((rf"{_BLOCK}attn\.rel_pos.*|(.*\.)?mask_decoder\..+",), "a ViT with relative positions, such as the image encoder of SAM"),
    ((r"(.*\.)?self_attn\.[qkv]_proj\.[AB]\.weight",), "BEiT-3, such as MUSK"),
    ((r"(.*\.)?relative_position_bias(_table|\..+)",), _BEIT),
    BY_SCALES,
    ((rf"{_BLOCK}(attn\.(q_proj|inner_attn_ln)|mlp\.(ffn_ln|norm))\.weight",), _EVA),
    BY_GATES,
    ((rf"{_BLOCK}(attn|attention)\.[qk]_norm\.weight",), "a ViT with normalised queries and keys"),
    ((r"(.*\.)?(dist_token|distillation_token)",), "a distilled ViT, with a second class token"),
    (
        (r"(.*\.)?(norm_pre|pre_layrnorm|ln_pre)\.weight", r"(.*\.)?(patch_embed|embeddings|conv1)\..+"),
        "the ViT of a CLIP, with a LayerNorm before its blocks",
    ),
    ((r"(.*\.)?attn_pool\.(latent|q\.weight)",), "a ViT that ends in attention pooling, such as SigLIP's"),
    ((r"(.*\.)?patch_embed\.backbone\..+",), "a ViT on top of a convolutional network"),
    ((r"(.*\.)?encoder\.layers\.\d+\.ffn\.fc1\.weight",), "a slide encoder, such as the LongNet of Prov-GigaPath"),
)
"""(names that must all occur, what has them): models with patches as a ViT has them, and something that no ViT of the zoo has."""

WITHOUT_PATCHES = (
    ((r"(.*\.)?embeddings\.patch_embedding\.weight",), "a CLIP or SigLIP in the words of transformers"),
    ((r"(.*\.)?(visual|image_encoder)\.(conv1\.weight|class_embedding|transformer\.resblocks\..+)",), "a CLIP in the words of OpenAI"),
    ((r"(.*\.)?vision_encoder\..+", r"(.*\.)?text_encoder\..+"), "an image–text model, such as TITAN"),
    ((r"(.*\.)?encoder\.layers\.encoder_layer_\d+\..+",), "a ViT in the words of torchvision, which are not read"),
    ((r"(.*\.)?patch_embed\.proj\.\d+\.(\d+\.)?weight",), "a transformer with a convolutional stem"),
    (
        (
            r"(.*\.)?stages\.\d+\.((blocks|layers)\.)?\d+\.(conv_dw|dwconv|depthwise_conv)\.weight"
            r"|(.*\.)?features\.\d+\.\d+\.block\.0\.weight",
        ),
        "a ConvNeXt",
    ),
    (
        (r"(.*\.)?(layer)?\d\.\d+\.conv1\.weight|(.*\.)?stages\.\d+\.layers\.\d+\.layer\.\d+\.convolution\.weight",),
        "a ResNet, or of a network like it",
    ),
    ((r"(.*\.)?features\.denseblock\d+\..+",), "a DenseNet"),
    ((r"(.*\.)?conv_stem\.weight",), "an EfficientNet, or of a network like it"),
    ((r"(.*\.)?(running_mean|num_batches_tracked)",), "a network with BatchNorm, which a ViT has not"),
    ((r"(.*\.)?(embed_tokens|wte|word_embeddings|token_embedding)\.weight",), "a language model"),
)
"""The same for models whose patches, if there are any, go by other names."""


def with_patches(tower: Collection[str]) -> tuple:
    """`WITH_PATCHES` for a tower of these names, less what a DINOv3 has too: in timm's words it has EVA's scales, besides registers and no
    `pos_embed`, in those of its hub code EVA's gates, besides storage tokens.
    """
    in_timms_words = {"cls_token", "reg_token"} <= set(tower) and "pos_embed" not in tower
    has = (BY_SCALES,) if in_timms_words else (BY_GATES,) if "storage_tokens" in tower else ()
    return tuple(kind for kind in WITH_PATCHES if kind not in has)


def refuse_unready(names: Iterable[str]) -> None:
    """InputError for state that has to be made into weights first, with how that is done."""
    names = sorted(names)
    for pattern, what in UNREADY:
        found = [name for name in names if re.fullmatch(pattern, name)]
        if found:
            raise InputError(f"{len(found)} of the {len(names)} tensors, such as {found[0]}, are {what}")


def refuse_other(names: Iterable[str], kinds: tuple) -> None:
    """InputError when the names are those of one of the kinds of model, which is said."""
    names = list(names)
    for patterns, kind in kinds:
        if all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns):
            refuse(kind)


def refuse(kind: str) -> NoReturn:
    """InputError that says what the tensors are: a model out of scope, or of no kind that the zoo has."""
    if kind in OUT_OF_SCOPE:
        raise InputError(f"these look like the weights of {kind}, which is out of scope: {OUT_OF_SCOPE[kind]}")
    raise InputError(f"these are the tensors of {kind}; that is no model of the zoo, and `pathfm zoo` lists those that are")
