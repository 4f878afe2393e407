"""The names, layouts and `config.json` of Hugging Face's ViT, DINOv2 (with and without registers) and DINOv3, both ways.

Names are those of published files. transformers 5 has others in memory and maps them when it loads and saves; a state dict that was
saved past it has those, and `in_memory` gives their table. Query, key and value are three tensors. The position embedding always owns
a slot for the class token and none for the registers; DINOv3 has none.
"""

from typing import Any

import numpy as np

from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec
from pathfm.zoo.recast import check_learned, check_rotary, swiglu_ratio
from pathfm.zoo.rules import Layout, Rule

_ATTENTION = "encoder.layer.{i}.attention.attention"


def _query_key_value(kind: str) -> tuple[str, ...]:
    return tuple(f"{_ATTENTION}.{part}.{kind}" for part in ("query", "key", "value"))


TOWER = (
    Rule("class_token", ("embeddings.cls_token",)),
    Rule("registers", ("embeddings.register_tokens",)),
    Rule("position", ("embeddings.position_embeddings",)),
    Rule("patch_embedding/kernel", ("embeddings.patch_embeddings.projection.weight",), "convolution"),
    Rule("patch_embedding/bias", ("embeddings.patch_embeddings.projection.bias",)),
    Rule("norm/scale", ("layernorm.weight",)),
    Rule("norm/bias", ("layernorm.bias",)),
    Rule("blocks_{i}/attention/qkv/kernel", _query_key_value("weight"), "linear"),
    Rule("blocks_{i}/attention/qkv/bias", _query_key_value("bias")),
    Rule("blocks_{i}/attention/projection/kernel", ("encoder.layer.{i}.attention.output.dense.weight",), "linear"),
    Rule("blocks_{i}/attention/projection/bias", ("encoder.layer.{i}.attention.output.dense.bias",)),
    Rule("blocks_{i}/attention_scale", ("encoder.layer.{i}.layer_scale1.lambda1",)),
    Rule("blocks_{i}/mlp_scale", ("encoder.layer.{i}.layer_scale2.lambda1",)),
)


def _pairs(ours: str, theirs: str, layout: Layout, kernel: str = "kernel") -> tuple[Rule, Rule]:
    """The rules of a layer's weight and bias."""
    return (
        Rule(f"blocks_{{i}}/{ours}/{kernel}", (f"encoder.layer.{{i}}.{theirs}.weight",), layout),
        Rule(f"blocks_{{i}}/{ours}/bias", (f"encoder.layer.{{i}}.{theirs}.bias",)),
    )


VIT = (
    *TOWER,
    *_pairs("attention_norm", "layernorm_before", "same", "scale"),
    *_pairs("mlp_norm", "layernorm_after", "same", "scale"),
    *_pairs("mlp/in", "intermediate.dense", "linear"),
    *_pairs("mlp/out", "output.dense", "linear"),
)
NORMS = (*_pairs("attention_norm", "norm1", "same", "scale"), *_pairs("mlp_norm", "norm2", "same", "scale"))
DINOV2 = (*TOWER, *NORMS, *_pairs("mlp/in", "mlp.fc1", "linear"), *_pairs("mlp/out", "mlp.fc2", "linear"))
DINOV2_GATED = (*TOWER, *NORMS, *_pairs("mlp/in", "mlp.weights_in", "linear"), *_pairs("mlp/out", "mlp.weights_out", "linear"))


def vit_rules(spec: ViTSpec) -> tuple[Rule, ...]:
    """The table of names of Hugging Face's ViT."""
    return VIT


def dinov2_rules(spec: ViTSpec) -> tuple[Rule, ...]:
    """The table of names of Hugging Face's DINOv2, with and without registers."""
    return DINOV2 if spec.mlp == "gelu" else DINOV2_GATED


def dinov3_rules(spec: ViTSpec, blocks: str = "layer") -> tuple[Rule, ...]:
    """The table of names of Hugging Face's DINOv3, whose blocks are called `blocks`; in memory of transformers 5 that is `model.layer`."""

    def layer(ours: str, theirs: tuple[str, ...], layout: Layout = "linear", kernel: str = "kernel") -> tuple[Rule, Rule]:
        names = [f"{blocks}.{{i}}.{name}" for name in theirs]
        return (
            Rule(f"blocks_{{i}}/{ours}/{kernel}", tuple(f"{name}.weight" for name in names), layout),
            Rule(f"blocks_{{i}}/{ours}/bias", tuple(f"{name}.bias" for name in names)),
        )

    weights, biases = layer("attention/qkv", tuple(f"attention.{part}_proj" for part in "qkv"))
    return (
        Rule("class_token", ("embeddings.cls_token",)),
        Rule("registers", ("embeddings.register_tokens",)),
        Rule("patch_embedding/kernel", ("embeddings.patch_embeddings.weight",), "convolution"),
        Rule("patch_embedding/bias", ("embeddings.patch_embeddings.bias",)),
        Rule("norm/scale", ("norm.weight",)),
        Rule("norm/bias", ("norm.bias",)),
        *layer("attention_norm", ("norm1",), "same", "scale"),
        weights,
        biases if spec.key_bias else Rule(biases.ours, (biases.theirs[0], "", biases.theirs[2])),
        *layer("attention/projection", ("attention.o_proj",)),
        Rule("blocks_{i}/attention_scale", (f"{blocks}.{{i}}.layer_scale1.lambda1",)),
        *layer("mlp_norm", ("norm2",), "same", "scale"),
        *layer("mlp/in", ("mlp.up_proj",) if spec.mlp == "gelu" else ("mlp.gate_proj", "mlp.up_proj")),
        *layer("mlp/out", ("mlp.down_proj",)),
        Rule("blocks_{i}/mlp_scale", (f"{blocks}.{{i}}.layer_scale2.lambda1",)),
    )


_IN_MEMORY = {
    "attention.attention.query.": ("attention.q_proj.",),
    "attention.attention.key.": ("attention.k_proj.",),
    "attention.attention.value.": ("attention.v_proj.",),
    "attention.output.dense.": ("attention.o_proj.",),
    "intermediate.dense.": ("mlp.fc1.",),
    "layer.{i}.output.dense.": ("layer.{i}.mlp.fc2.",),
    "mlp.weights_in.": ("mlp.gate_proj.", "mlp.up_proj."),
    "mlp.weights_out.": ("mlp.down_proj.",),
}


def in_memory(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The table with the names that transformers 5 has in memory, of ViT or of DINOv2."""
    blocks = "layers." if rules is VIT else "encoder.layer."

    def renamed(name: str) -> list[str]:
        found = next((old for old in _IN_MEMORY if old in name), None)
        names = [name.replace(found, new) for new in _IN_MEMORY[found]] if found else [name]
        return [other.replace("encoder.layer.", blocks) for other in names]

    return tuple(Rule(rule.ours, tuple(new for name in rule.theirs for new in renamed(name)), rule.layout) for rule in rules)


def vit_config(spec: ViTSpec) -> dict[str, Any]:
    """`config.json` of Hugging Face's ViTModel; InputError names what it cannot say."""
    check_learned(spec, "Hugging Face's ViTModel")
    for said, what in ((spec.registers, "registers"), (spec.layer_scale is not None, "LayerScale"), (spec.mlp != "gelu", "SwiGLU")):
        if said:
            raise InputError(f"Hugging Face's ViTModel cannot say {what}")
    return _config(spec) | {"architectures": ["ViTModel"], "model_type": "vit", "intermediate_size": spec.mlp_width}


def dinov2_config(spec: ViTSpec) -> dict[str, Any]:
    """`config.json` of Hugging Face's Dinov2Model, or Dinov2WithRegistersModel; InputError names what it cannot say."""
    check_learned(spec, "Hugging Face's Dinov2Model")
    gated = spec.mlp != "gelu"
    ratio = swiglu_ratio(spec, "Hugging Face's Dinov2Model") if gated else spec.mlp_width / spec.width
    if ratio != int(ratio):
        raise InputError(f"Hugging Face's Dinov2Model cannot say an MLP of width {spec.mlp_width}: its mlp_ratio is a whole number")
    named = {"architectures": ["Dinov2Model"], "model_type": "dinov2"}
    if spec.registers:
        named = {"architectures": ["Dinov2WithRegistersModel"], "model_type": "dinov2_with_registers"}
        named["num_register_tokens"] = spec.registers
    scale = 1.0 if spec.layer_scale is None else spec.layer_scale
    return _config(spec) | named | {"mlp_ratio": int(ratio), "use_swiglu_ffn": gated, "layerscale_value": scale}


def dinov2_beside(spec: ViTSpec) -> dict[str, np.ndarray]:
    """What Hugging Face's DINOv2 wants beside its parameters: the mask token, on which no feature depends."""
    return {"embeddings.mask_token": np.zeros((1, spec.width), np.float32)}


def dinov3_config(spec: ViTSpec) -> dict[str, Any]:
    """`config.json` of Hugging Face's DINOv3ViTModel; InputError names what it cannot say."""
    check_rotary(spec, "Hugging Face's DINOv3ViTModel")
    gated, general = spec.mlp != "gelu", _config(spec)
    for name in ("qkv_bias", "hidden_dropout_prob", "attention_probs_dropout_prob"):
        del general[name]
    return general | {
        "architectures": ["DINOv3ViTModel"],
        "model_type": "dinov3_vit",
        "num_channels": 3 // spec.passes,
        "intermediate_size": spec.mlp_width,
        "hidden_act": "silu" if gated else "gelu",
        "use_gated_mlp": gated,
        "query_bias": spec.qkv_bias,
        "key_bias": spec.qkv_bias and spec.key_bias,
        "value_bias": spec.qkv_bias,
        "layerscale_value": 1.0 if spec.layer_scale is None else spec.layer_scale,
        "num_register_tokens": spec.registers,
        "rope_theta": spec.rope,
    }


def dinov3_beside(spec: ViTSpec) -> dict[str, np.ndarray]:
    """What Hugging Face's DINOv3 wants beside its parameters: the mask token, and registers even where there are none."""
    beside = {"embeddings.mask_token": np.zeros((1, 1, spec.width), np.float32)}
    return beside if spec.registers else beside | {"embeddings.register_tokens": np.zeros((1, 0, spec.width), np.float32)}


def _config(spec: ViTSpec) -> dict[str, Any]:
    return {
        "hidden_size": spec.width,
        "num_hidden_layers": spec.depth,
        "num_attention_heads": spec.heads,
        "hidden_act": "gelu",
        "layer_norm_eps": spec.epsilon,
        "image_size": spec.image_size,
        "patch_size": spec.patch,
        "num_channels": 3,
        "qkv_bias": spec.qkv_bias,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
