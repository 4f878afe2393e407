"""`pathfm verify` tells weights that are understood from those that are not, in words and by its exit code."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pathfm.cli import main
from pathfm.weights import verifying
from pathfm.zoo import known as zoo
from pathfm.zoo.namings import DINOV3, EVA, HF_DINOV3, HF_VIT, HUB, TIMM
from pathfm.zoo.rules import write_tensors
from tests.parity import import_timm, import_transformers, random_params, variant
from tests.weights.test_importing import model

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

CASES = {
    "timm": (TIMM, "plain"),
    "timm's Eva": (EVA, "rotary"),
    "DINOv2's hub": (HUB, "SwiGLU, a width that DINOv2 has"),
    "DINOv3's hub": (DINOV3, "rotary, no qkv bias, channel by channel"),
    "Hugging Face's ViT": (HF_VIT, "plain"),
    "Hugging Face's DINOv3": (HF_DINOV3, "rotary, SwiGLU"),
}


@pytest.fixture
def verified(tmp_path, monkeypatch, capsys):
    """Exit code and words of the command on tensors of a spec in a naming, as the model `known_as`."""

    def run(naming, spec, known_as=None, **changed):
        monkeypatch.setitem(zoo.ZOO, "demo", replace(model(known_as or spec, naming), tile=spec.image_size))
        tensors = write_tensors(random_params(spec), spec, naming.rules(spec)) | naming.beside(spec) | changed
        save_file(tensors, tmp_path / "theirs.safetensors")
        code = main(["verify", str(tmp_path / "theirs.safetensors"), "--arch", "demo"])
        return code, capsys.readouterr().out

    return run


def fitting(name, naming):
    spec = replace(variant(name), depth=1)
    return replace(spec, slots="class") if naming in (HUB, HF_VIT) else spec


@pytest.mark.parametrize("case", CASES)
def test_weights_that_go_in_and_out_and_give_their_librarys_features_are_verified(case, verified):
    import_timm(), import_transformers()
    naming, name = CASES[case]
    code, said = verified(naming, fitting(name, naming))
    assert code == 0 and said.endswith("verified: yes\n")
    assert "come back bit for bit" in said and "relative" in said and "SHA-256 of theirs.safetensors: " in said
    assert ("transformers'" if naming.library == "transformers" else "timm's") in said


def test_other_features_than_the_librarys_are_no(verified, monkeypatch):
    import_timm()
    real = verifying.stock_features
    monkeypatch.setattr(verifying, "stock_features", lambda *given: (real(*given)[0] * 1.001, "timm's, a little off"))
    code, said = verified(TIMM, variant("plain"))
    assert code == 1 and said.endswith("verified: no, features differ\n")


def test_the_config_beside_the_weights_says_how_many_heads_there_are(tmp_path, verified, monkeypatch, capsys):
    transformers = import_transformers()
    spec = variant("rotary")
    config = transformers.DINOv3ViTConfig(**{name: value for name, value in HF_DINOV3.said(spec).items() if name != "architectures"})
    transformers.DINOv3ViTModel(config).save_pretrained(tmp_path / "theirs")
    for heads, wanted in ((3, 0), (6, 1)):
        monkeypatch.setitem(zoo.ZOO, "demo", replace(model(replace(spec, heads=heads), HF_DINOV3), tile=64))
        assert main(["verify", str(tmp_path / "theirs"), "--arch", "demo"]) == wanted
        assert "with the config beside the weights" in capsys.readouterr().out


def test_values_that_are_rounded_do_not_come_back(verified):
    wide = {"norm.bias": np.linspace(0, 1, 96)}
    code, said = verified(TIMM, variant("plain"), **wide)
    assert code == 1 and "tensors: 1 of" in said and "do not come back as they were: norm.bias" in said


def test_without_the_library_the_tensors_alone_are_compared(verified, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, said = verified(TIMM, variant("plain"))
    assert code == 0 and "features: not compared: torch is not installed" in said
    assert said.endswith("verified: yes, but features could not be compared\n")


def test_weights_of_another_model_are_refused_as_an_import_refuses_them(verified, capsys):
    code, _ = verified(TIMM, variant("plain"), known_as=replace(variant("plain"), depth=3))
    assert code == 2


def test_files_are_left_as_they_are(verified, tmp_path):
    verified(TIMM, variant("plain"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs.safetensors"]
    assert "cls_token" in load_file(tmp_path / "theirs.safetensors")
