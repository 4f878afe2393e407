"""The names and layouts of timm's `VisionTransformer`, both ways."""

from typing import Any

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec
from pathfm.zoo.recast import check_learned
from pathfm.zoo.rules import Rule

EPSILON = 1e-6  # of timm's LayerNorm

TOWER = (
    Rule("class_token", ("cls_token",)),
    Rule("registers", ("reg_token",)),
    Rule("position", ("pos_embed",)),
    Rule("patch_embedding/kernel", ("patch_embed.proj.weight",), "convolution"),
    Rule("patch_embedding/bias", ("patch_embed.proj.bias",)),
    Rule("norm/scale", ("norm.weight",)),
    Rule("norm/bias", ("norm.bias",)),
)

BLOCK = (
    Rule("blocks_{i}/attention_norm/scale", ("blocks.{i}.norm1.weight",)),
    Rule("blocks_{i}/attention_norm/bias", ("blocks.{i}.norm1.bias",)),
    Rule("blocks_{i}/attention/qkv/kernel", ("blocks.{i}.attn.qkv.weight",), "linear"),
    Rule("blocks_{i}/attention/qkv/bias", ("blocks.{i}.attn.qkv.bias",)),
    Rule("blocks_{i}/attention/projection/kernel", ("blocks.{i}.attn.proj.weight",), "linear"),
    Rule("blocks_{i}/attention/projection/bias", ("blocks.{i}.attn.proj.bias",)),
    Rule("blocks_{i}/attention_scale", ("blocks.{i}.ls1.gamma",)),
    Rule("blocks_{i}/mlp_norm/scale", ("blocks.{i}.norm2.weight",)),
    Rule("blocks_{i}/mlp_norm/bias", ("blocks.{i}.norm2.bias",)),
    Rule("blocks_{i}/mlp/out/kernel", ("blocks.{i}.mlp.fc2.weight",), "linear"),
    Rule("blocks_{i}/mlp/out/bias", ("blocks.{i}.mlp.fc2.bias",)),
    Rule("blocks_{i}/mlp_scale", ("blocks.{i}.ls2.gamma",)),
)

FIRST_LAYER = (
    Rule("blocks_{i}/mlp/in/kernel", ("blocks.{i}.mlp.fc1.weight",), "linear"),
    Rule("blocks_{i}/mlp/in/bias", ("blocks.{i}.mlp.fc1.bias",)),
)

FIRST_LAYER_SPLIT = (
    Rule("blocks_{i}/mlp/in/kernel", ("blocks.{i}.mlp.fc1_g.weight", "blocks.{i}.mlp.fc1_x.weight"), "linear"),
    Rule("blocks_{i}/mlp/in/bias", ("blocks.{i}.mlp.fc1_g.bias", "blocks.{i}.mlp.fc1_x.bias")),
)


def timm_rules(spec: ViTSpec) -> tuple[Rule, ...]:
    """The table of timm's names; InputError for slots that its `VisionTransformer` does not know."""
    if spec.slots == "class" and spec.registers:
        raise InputError("timm's VisionTransformer cannot say position embeddings of the class token but not of the registers")
    return TOWER + BLOCK + (FIRST_LAYER_SPLIT if spec.mlp == "swiglu" else FIRST_LAYER)


def timm_arguments(spec: ViTSpec) -> dict[str, Any]:
    """The arguments of timm's `VisionTransformer`; classes are given by their names in `timm.layers` and `torch.nn`.

    A `norm_layer` of another epsilon than timm's own is a name and the arguments of its `functools.partial`.
    """
    timm_rules(spec)
    check_learned(spec, "timm's VisionTransformer")
    arguments = {
        "img_size": spec.image_size,
        "patch_size": spec.patch,
        "num_classes": 0,
        "embed_dim": spec.width,
        "depth": spec.depth,
        "num_heads": spec.heads,
        "mlp_ratio": spec.mlp_width * (2 if spec.mlp == "swiglu_packed" else 1) / spec.width,
        "qkv_bias": spec.qkv_bias,
        "init_values": spec.layer_scale,
        "reg_tokens": spec.registers,
        "no_embed_class": spec.slots == "patches",
        "global_pool": "token",
        "dynamic_img_size": True,
    }
    gated = {"swiglu": {"mlp_layer": "SwiGLU", "act_layer": "SiLU"}, "swiglu_packed": {"mlp_layer": "SwiGLUPacked", "act_layer": "SiLU"}}
    if spec.epsilon != EPSILON:
        arguments["norm_layer"] = ["LayerNorm", {"eps": spec.epsilon}]
    return arguments | gated.get(spec.mlp, {})


def timm_entry(spec: ViTSpec) -> str:
    """The name in timm's registry that `timm_arguments`, or those of `Eva`, make into this architecture.

    JSON can say neither SwiGLU nor DINOv3's epsilon, so they come from there.
    """
    if spec.rope is not None:
        return "vit_small_patch16_dinov3"
    return "vit_giant_patch14_dinov2" if spec.mlp == "swiglu_packed" else "vit_base_patch16_224"
