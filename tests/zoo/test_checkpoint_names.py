"""What the tensors of a checkpoint are for is told by their names: the tower, what is set aside, what is unknown."""

import pytest

from pathfm.errors import InputError
from pathfm.zoo.checkpoint import chunked, contents

TOWER = (
    "cls_token",
    "pos_embed",
    "patch_embed.proj.weight",
    "patch_embed.proj.bias",
    "blocks.0.norm1.weight",
    "blocks.1.norm1.weight",
    "norm.weight",
)


def under(prefix: str, names=TOWER):
    return [prefix + name for name in names]


PREFIXES = ["", "module.", "backbone.", "state_dict.module.", "model.", "teacher.backbone.", "encoder.vit.", "student."]
WRAPPED = ["module._orig_mod.", "_orig_mod.", "_forward_module.model.", "base_model.model.", "_fsdp_wrapped_module.backbone."]


@pytest.mark.parametrize("prefix", PREFIXES + WRAPPED)
def test_a_prefix_is_set_aside(prefix):
    found = contents(under(prefix))
    assert found.prefix == prefix
    assert found.tower == {name: prefix + name for name in TOWER}
    assert (found.beside, found.others, found.left) == ({}, {}, {})
    assert found.lines() == ([f"the tower lies under {prefix!r}"] if prefix else [])


def test_of_teacher_and_student_the_teacher_is_taken_and_each_thing_beside_it_is_named():
    heads = ["teacher.dino_head.mlp.0.weight", "teacher.ibot_head.last_layer.weight_v", "student.dino_head.mlp.0.weight"]
    found = contents(
        [*under("student.backbone."), *under("teacher.backbone."), "teacher.backbone.mask_token", *heads, "optimizer.state.0.exp_avg"]
    )
    assert found.prefix == "teacher.backbone."
    assert sorted(found.beside) == ["mask_token", "teacher.dino_head.mlp.0.weight", "teacher.ibot_head.last_layer.weight_v"]
    assert found.beside["mask_token"] == "teacher.backbone.mask_token"
    assert found.others == {"student.backbone.": len(TOWER) + 1}
    assert found.left == {"state of its training": ["optimizer.state.0.exp_avg"]}
    assert found.lines() == [
        "of 2 towers the one under 'teacher.backbone.' is taken, the one that its trainer evaluates",
        "kept beside the parameters: mask_token, teacher.dino_head.mlp.0.weight, teacher.ibot_head.last_layer.weight_v",
        "another tower is left out: 'student.backbone.', 8 tensors",
        "state of its training is left out: 1 tensors, optimizer.state.0.exp_avg",
    ]


def test_chunks_of_blocks_are_undone_and_made_again():
    names = [f"blocks.{i // 3}.{i}.norm1.weight" for i in range(7)]
    found = contents([*under("", TOWER[:4]), *names])
    assert found.chunk == 3
    assert [name for name in found.tower if name.startswith("blocks")] == [f"blocks.{i}.norm1.weight" for i in range(7)]
    assert [chunked(f"blocks.{i}.norm1.weight", 3) for i in range(7)] == names
    assert chunked("norm.weight", 3) == "norm.weight"


def test_heads_of_classes_and_poolers_are_kept_beside():
    hugging_face = [
        "vit.embeddings.patch_embeddings.projection.weight",
        "vit.embeddings.cls_token",
        "vit.pooler.dense.weight",
        "classifier.bias",
    ]
    found = contents(hugging_face)
    assert found.prefix == "vit."
    assert found.beside == {"pooler.dense.weight": "vit.pooler.dense.weight", "classifier.bias": "classifier.bias"}


def test_tensors_of_no_known_use_are_listed():
    with pytest.raises(InputError, match=r"tensors of no known use: slide_encoder\.embedding; leave them out"):
        contents([*under("vision."), "slide_encoder.embedding"])


def test_what_is_no_vit_is_refused():
    with pytest.raises(InputError, match=r"no patch embedding of a ViT among the 2 tensors; the first are conv1\.weight, fc\.bias"):
        contents(["conv1.weight", "fc.bias"])


TRAINERS = {
    "DINO": (
        ["student.module.backbone.", "teacher.backbone."],
        "teacher.backbone.",
        ["teacher.head.last_layer.weight_g"],
        ["dino_loss.center"],
    ),
    "iBOT": (["student.backbone.", "teacher.backbone."], "teacher.backbone.", ["teacher.backbone.masked_embed"], ["ibot_loss.center2"]),
    "MoCo v3": (
        ["state_dict.module.base_encoder.", "state_dict.module.momentum_encoder."],
        "state_dict.module.base_encoder.",
        ["state_dict.module.base_encoder.head.0.weight", "state_dict.module.predictor.0.weight"],
        ["optimizer.state.0.mu", "scaler._scale"],
    ),
    "MoCo v2": (["encoder_q.", "encoder_k."], "encoder_q.", ["encoder_q.fc.0.weight"], ["queue", "queue_ptr"]),
    "MAE": (["model."], "model.", ["model.mask_token", "model.decoder_pos_embed", "model.decoder_blocks.0.norm1.weight"], ["scaler.scale"]),
    "MSN": (["encoder.module.", "target_encoder.module."], "target_encoder.module.", [], ["prototypes", "opt.state.0.exp_avg"]),
    "SwAV": (["module."], "module.", ["module.projection_head.0.weight"], ["module.prototypes.weight"]),
    "BYOL": (["online_encoder.net.", "target_encoder.net."], "online_encoder.net.", ["online_predictor.net.0.weight"], []),
    "timm, an average beside": (
        ["state_dict.", "state_dict_ema."],
        "state_dict_ema.",
        ["state_dict_ema.head.weight"],
        ["optimizer.state.0.exp_avg"],
    ),
    "Lightning": (
        ["state_dict.model."],
        "state_dict.model.",
        ["state_dict.classifier.weight"],
        [
            "state_dict.criterion.weight",
            "state_dict.train_acc.tp",
            "optimizer_states.0.state.0.exp_avg",
            "callbacks.EMA.weights.norm.weight",
        ],
    ),
    "Lightning, an average in a callback": (
        ["state_dict.model.", "callbacks.EMA.ema_state_dict.model."],
        "state_dict.model.",
        [],
        ["hyper_parameters.class_weights", "loops.fit_loop.seen"],
    ),
    "open_clip around timm": (
        ["visual.trunk."],
        "visual.trunk.",
        ["visual.head.proj.weight"],
        ["logit_scale", "text.transformer.resblocks.0.ln_1.weight", "token_embedding.weight", "positional_embedding"],
    ),
    "a CLIP of transformers": (
        ["vision_model."],
        "vision_model.",
        ["visual_projection.weight"],
        ["text_model.pooler.dense.bias", "logit_scale"],
    ),
    "DeepSpeed": (["module.backbone."], "module.backbone.", [], ["lr_scheduler.last", "optimizer.fp32_flat_groups.0"]),
}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_what_trainers_leave_beside_a_tower_is_set_aside_and_the_tower_is_the_one_they_evaluate(trainer):
    prefixes, taken, beside, left = TRAINERS[trainer]
    found = contents([*(name for prefix in prefixes for name in under(prefix)), *beside, *left])
    assert found.tower == {name: taken + name for name in TOWER}
    assert sorted(found.beside.values()) == sorted(beside)
    assert sorted(name for names in found.left.values() for name in names) == sorted(left)
    assert found.others == {prefix: len(TOWER) for prefix in prefixes if prefix != taken}
    assert all(any(name in line for line in found.lines()) for names in found.left.values() for name in names)


def test_wrappers_inside_a_tower_are_taken_off():
    names = [
        "patch_embed._orig_mod.proj.weight",
        "blocks.0._checkpoint_wrapped_module.norm1.weight",
        "blocks.1._fsdp_wrapped_module.norm1.bias",
    ]
    found = contents(under("module.", names))
    assert sorted(found.tower) == ["blocks.0.norm1.weight", "blocks.1.norm1.bias", "patch_embed.proj.weight"]
    assert found.tower["blocks.1.norm1.bias"] == "module.blocks.1._fsdp_wrapped_module.norm1.bias"


def test_of_two_towers_that_nothing_tells_apart_none_is_taken():
    with pytest.raises(InputError, match=r"there are several towers, under 'global\.', 'local\.'; save the one that is meant alone"):
        contents([*under("local."), *under("global.")])
    assert contents([*under("schema."), *under("teacher.")]).prefix == "teacher."
