"""The table of timm's names runs both ways, and the zoo is consistent."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pathfm.cli import main
from pathfm.errors import InputError
from pathfm.models.vit import by_name, from_names, parameter_shapes
from pathfm.zoo.known import ZOO, known
from pathfm.zoo.namings import NAMINGS
from pathfm.zoo.pretraining import SAW, pretrained_on
from pathfm.zoo.timm import timm_arguments
from tests.parity import VARIANTS, random_params, variant
from tests.timm_words import from_timm, to_timm


@pytest.mark.parametrize("name", VARIANTS)
def test_out_and_in_again_is_the_same_bit_for_bit(name):
    spec = variant(name)
    params = random_params(spec)
    tensors = to_timm(params, spec)
    again = by_name(from_timm(tensors, spec))
    assert {name: leaf.tobytes() for name, leaf in again.items()} == {name: leaf.tobytes() for name, leaf in by_name(params).items()}
    out_again = to_timm(from_names(again), spec)
    assert {name: (leaf.shape, leaf.tobytes()) for name, leaf in out_again.items()} == {
        n: (t.shape, t.tobytes()) for n, t in tensors.items()
    }


def test_layouts_are_pytorchs():
    spec = variant("SwiGLU")
    tensors = to_timm(random_params(spec), spec)
    assert tensors["patch_embed.proj.weight"].shape == (96, 3, 16, 16)
    assert tensors["blocks.1.attn.qkv.weight"].shape == (288, 96)
    assert tensors["blocks.0.mlp.fc1_g.weight"].shape == tensors["blocks.0.mlp.fc1_x.weight"].shape == (172, 96)


def test_missing_and_unused_tensors_are_listed_in_one_sentence():
    spec = variant("plain")
    tensors = to_timm(random_params(spec), spec)
    del tensors["blocks.1.attn.proj.bias"]
    tensors["head.weight"] = np.zeros((2, 96), np.float32)
    with pytest.raises(InputError, match=r"missing: blocks\.1\.attn\.proj\.bias; unused: head\.weight$"):
        from_timm(tensors, spec)


@pytest.mark.parametrize("wrong", [np.zeros((3, 96)), np.zeros(96), np.zeros((96, 288))])
def test_a_tensor_of_another_shape_is_named(wrong):
    spec = variant("plain")
    tensors = to_timm(random_params(spec), spec) | {"blocks.0.attn.qkv.weight": wrong.astype(np.float32)}
    with pytest.raises(InputError, match=r"blocks\.0\.attn\.qkv\.weight of shape .* instead of \(96, 288\)"):
        from_timm(tensors, spec)


def test_what_timm_cannot_say_is_named():
    spec = known("small").spec.from_dict(known("small").spec.to_dict() | {"registers": 4})
    with pytest.raises(InputError, match="timm's VisionTransformer cannot say"):
        timm_arguments(spec)


@pytest.mark.parametrize("name", ZOO)
def test_every_model_of_the_zoo_can_be_built_at_its_tile_size_and_goes_out(name):
    model = known(name)
    assert model.spec.grid(model.tile, model.tile)
    naming = NAMINGS[model.naming]
    assert naming.said(model.spec) and model.spec.interpolation in naming.interpolations(model.spec)
    assert {rule.ours.format(i=0) for rule in naming.rules(model.spec)} >= set(parameter_shapes(replace(model.spec, depth=1)))
    assert min(model.std) > 0 and model.licence and model.source


def test_the_zoo_lists_each_model_once_and_says_what_is_out_of_scope(capsys):
    assert main(["zoo"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()[2:]] == [*ZOO, "conch:", "ctranspath:", "seen"]
    assert listed.splitlines()[-1].startswith("seen with published weights: none; `pathfm verify WEIGHTS`")
    assert main(["zoo", "virchow2", "--json"]) == 0
    (virchow2,) = json.loads(capsys.readouterr().out)
    wanted = {"width": 1280, "depth": 32, "patch": 14, "registers": 4, "slots": "all", "features": 2560, "activation": "SwiGLU"}
    assert virchow2 | wanted == virchow2
    assert virchow2["rope"] is None and virchow2["seen with published weights"] == "not yet"
    assert main(["zoo", "ctranspath"]) == 2
    assert "ctranspath is out of scope: a Swin transformer" in capsys.readouterr().err


def test_the_zoo_names_what_it_has():
    with pytest.raises(InputError, match="no model 'vit_huge'; it has demo, tiny, small"):
        known("vit_huge")


def test_what_models_were_pre_trained_on_is_said_of_models_that_are_there():
    assert set(SAW) <= set(ZOO) and all(source for _, source in SAW.values())
    assert pretrained_on("phikon") == ("TCGA",) and pretrained_on("h_optimus_0") == () and pretrained_on("virchow") is None
