"""What the tensors of a checkpoint are for is told by their names: the tower, what is set aside, what is unknown."""

import pytest

from pathfm.errors import InputError
from pathfm.models.checkpoint_names import chunked, contents

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


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "state_dict.module.", "model.", "teacher.backbone.", "encoder.vit."])
def test_a_prefix_is_set_aside(prefix):
    found = contents(under(prefix))
    assert found.prefix == prefix
    assert found.tower == {name: prefix + name for name in TOWER}
    assert (found.beside, found.others, found.left) == ({}, {}, 0)
    assert found.lines() == ([f"the tower lies under {prefix!r}"] if prefix else [])


def test_of_teacher_and_student_the_teacher_is_taken_and_each_thing_beside_it_is_named():
    heads = ["teacher.dino_head.mlp.0.weight", "teacher.ibot_head.last_layer.weight_v", "student.dino_head.mlp.0.weight"]
    found = contents(
        [*under("student.backbone."), *under("teacher.backbone."), "teacher.backbone.mask_token", *heads, "optimizer.state.0.exp_avg"]
    )
    assert found.prefix == "teacher.backbone."
    assert sorted(found.beside) == ["mask_token", "teacher.dino_head.mlp.0.weight", "teacher.ibot_head.last_layer.weight_v"]
    assert found.beside["mask_token"] == "teacher.backbone.mask_token"
    assert (found.others, found.left) == ({"student.backbone.": len(TOWER)}, 2)
    assert len(found.lines()) == 4


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
    with pytest.raises(InputError, match=r"tensors of no known use: text_model\.embedding; leave them out"):
        contents([*under("vision."), "text_model.embedding"])


def test_what_is_no_vit_is_refused():
    with pytest.raises(InputError, match=r"no patch embedding of a ViT among the 2 tensors; the first are conv1\.weight, fc\.bias"):
        contents(["conv1.weight", "fc.bias"])
    with pytest.raises(InputError, match="look like the weights of ctranspath, which is out of scope: a Swin"):
        contents(["layers.0.blocks.0.attn.relative_position_bias_table", "patch_embed.proj.weight"])
    with pytest.raises(InputError, match="look like the weights of conch, which is out of scope"):
        contents(under("visual.trunk."))
