"""`pathfm export` and the way back: one tensor file, one card, no patient unless asked."""

import argparse
import json
import os
from dataclasses import replace

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from pathfm.commands import export
from pathfm.errors import InputError
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.importing import import_checkpoint, open_checkpoint
from pathfm.zoo.known import Known
from tests.timm_words import to_timm
from tests.weights.test_folder import SPEC, random_params, with_panel

KNOWN = Known("small test tower", SPEC, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 16, None, "none", "nowhere")


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    return export.run(parser.parse_args([str(word) for word in words]))


def brought_in(path, out):
    return import_checkpoint(open_checkpoint(path), out, KNOWN)


@pytest.fixture
def weights(tmp_path):
    card, panels = with_panel()
    save_weights(tmp_path / "run" / "weights", random_params(), replace(card, split_hash="ab"), panels, ["TCGA-AA-0001"])
    return tmp_path / "run"


def test_an_export_holds_the_tower_and_a_card_without_patients(weights, tmp_path):
    out = tmp_path / "out" / "weights.safetensors"
    assert run("--checkpoint", weights, "--out", out) == 0
    assert sorted(os.listdir(out.parent)) == ["weights.json", "weights.md", "weights.safetensors"]
    tensors = load_file(out)
    expected = to_timm(random_params()["image"], SPEC)
    assert tensors.keys() == expected.keys()
    assert all((tensors[name] == expected[name]).all() and tensors[name].dtype == np.float32 for name in expected)
    with safe_open(out, "np") as file:
        assert file.metadata() == {"format": "pt"}
    card = json.loads((out.parent / "weights.json").read_text())
    assert card["architecture"] == SPEC.to_dict()
    assert card["panel"] == [["ENSG00000000003", "TSPAN6"], ["ENSG00000000005", "TNMD"]]
    assert (card["split_hash"], card["tile"], card["mpp"]) == ("ab", 16, 0.5)
    assert card["timm"]["embed_dim"] == 16
    assert "TCGA" not in json.dumps(card)


def test_patients_are_named_on_request(weights, tmp_path):
    run("--checkpoint", weights, "--out", tmp_path / "w.safetensors", "--with-ids")
    assert json.loads((tmp_path / "w.json").read_text())["patients"] == ["TCGA-AA-0001"]


def test_another_suffix_is_refused(weights, tmp_path):
    with pytest.raises(InputError, match="must end in .safetensors or be that of a folder, not as weights.pt does"):
        run("--checkpoint", weights, "--out", tmp_path / "weights.pt")


def test_a_tensor_file_comes_in_and_goes_out_bit_for_bit(tmp_path):
    tensors = to_timm(random_params()["image"], SPEC)
    save_file(tensors, tmp_path / "theirs.safetensors")
    card = brought_in(tmp_path / "theirs.safetensors", tmp_path / "imported")
    assert (card.objective, card.name, card.mpp) == ("imported", "small test tower", None)
    jax.tree.map(np.testing.assert_array_equal, open_weights(tmp_path / "imported").params, {"image": random_params()["image"]})
    run("--checkpoint", tmp_path / "imported", "--out", tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert {name: tensor.tobytes() for name, tensor in again.items()} == {name: tensor.tobytes() for name, tensor in tensors.items()}


def test_a_file_that_is_no_tensor_file_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="model.safetensors is missing"):
        brought_in(path, tmp_path / "imported")
    path.write_text("<!doctype html><html>Access to this model is restricted</html>")
    with pytest.raises(InputError, match="model.safetensors is a web page, not a weight file: the download was refused"):
        brought_in(path, tmp_path / "imported")
    save_file(to_timm(random_params()["image"], SPEC), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read as safetensors .* download it again"):
        brought_in(path, tmp_path / "imported")
    assert not (tmp_path / "imported").exists()


def test_values_that_are_not_finite_and_tensors_of_another_model_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = to_timm(random_params()["image"], SPEC)
    save_file(tensors | {"norm.bias": np.full(16, np.nan, np.float32)}, path)
    with pytest.raises(InputError, match="values that are not finite, in norm.bias"):
        brought_in(path, tmp_path / "imported")
    save_file(tensors | {"tail.bias": np.zeros(2, np.float32)}, path)
    with pytest.raises(InputError, match="model.safetensors: .* unused: tail.bias"):
        brought_in(path, tmp_path / "imported")
