"""PyTorch's files: nested dicts are read without running code, mapped rather than loaded; what is wrong is one sentence."""

import argparse
import builtins
import re
from pathlib import Path

import numpy as np
import pytest

from pathfm.errors import InputError
from pathfm.weights import pytorch_files
from pathfm.weights.tensor_files import open_tensors
from tests.parity import REASON

torch = pytest.importorskip("torch", reason=REASON)


def checkpoint():
    generator = torch.Generator().manual_seed(0)
    tensors = {"a.weight": torch.randn(3, 4, generator=generator).t(), "b": torch.randn(5, generator=generator).to(torch.bfloat16)}
    return {"teacher": {"backbone": tensors}, "epoch": 3, "b": torch.arange(4, dtype=torch.float64)}


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".pt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_nested_tensors_are_read_under_dotted_names_in_their_own_types(suffix, zipped, tmp_path, monkeypatch):
    monkeypatch.setattr(pytorch_files, "OPENED_AGAIN_AFTER", 8)
    path = tmp_path / f"model{suffix}"
    torch.save(checkpoint(), path, _use_new_zipfile_serialization=zipped)
    tensors = open_tensors(path)
    assert tensors.shapes == {"teacher.backbone.a.weight": (4, 3), "teacher.backbone.b": (5,), "b": (4,)}
    assert set(tensors.types.values()) == {"float32", "bfloat16", "float64"}
    wanted = checkpoint()["teacher"]["backbone"]
    np.testing.assert_array_equal(tensors["teacher.backbone.a.weight"], wanted["a.weight"].numpy())
    np.testing.assert_array_equal(tensors["teacher.backbone.b"].astype(np.float32), wanted["b"].float().numpy())
    assert tensors["teacher.backbone.b"].dtype.name == "bfloat16"


def refused(path) -> str:
    with pytest.raises(InputError) as told:
        open_tensors(path)
    assert str(told.value).startswith(f"{path} ") and "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (argparse.Namespace(lr=1), "argparse.Namespace"),
        (Path("data"), "pathlib"),
        (np.float64(0.3), "numpy"),
        (print, "print"),
        (torch.nn.Linear(2, 2), "a whole model, with .*torch.nn.modules.linear.Linear"),
    ],
)
def test_a_pickle_with_code_is_refused_and_the_code_is_named(beside, said, zipped, tmp_path):
    torch.save({"model": {"a": torch.zeros(2)}, "args": beside}, tmp_path / "model.pth", _use_new_zipfile_serialization=zipped)
    told = refused(tmp_path / "model.pth")
    assert re.search(rf"holds code beside tensors, which pathfm does not run \(.*{said}.*\); load it where you trust it", told)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".safetensors"])
def test_a_torchscript_archive_is_said_to_be_one(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(path)
    assert "is a TorchScript archive, a program with its weights, which pathfm does not run; load it with torch.jit.load" in refused(path)


def test_a_file_of_pytorch_is_read_under_any_name(tmp_path):
    for name in ("checkpoint_0299.pth.tar", "model.safetensors", "teacher"):
        torch.save({"a": torch.ones(2)}, tmp_path / name)
        assert (open_tensors(tmp_path / name)["a"] == 1).all()


def test_lists_are_read_too_and_a_tensor_alone_is_no_model(tmp_path):
    torch.save({"optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}]}, tmp_path / "lightning.ckpt")
    assert list(open_tensors(tmp_path / "lightning.ckpt")) == ["optimizer_states.0.state.0.exp_avg"]
    torch.save(torch.zeros(5, 1024), tmp_path / "slide.pt")
    assert "holds a single tensor of shape (5, 1024), not the weights of a model by name" in refused(tmp_path / "slide.pt")


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_type_that_no_array_has_is_told_without_reading(tmp_path):
    odd = {
        "qint8": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "float8_e4m3fn": torch.ones(3).to(torch.float8_e4m3fn),
        "float32 (sparse)": torch.ones(3).to_sparse(),
        "float32 (without values)": torch.empty(3, device="meta"),
    }
    torch.save(odd, tmp_path / "model.pth")
    types = open_tensors(tmp_path / "model.pth").types
    assert types == {name: name for name in odd}


def test_a_truncated_file_a_web_page_and_a_file_without_tensors_are_named(tmp_path):
    path = tmp_path / "model.pth"
    torch.save(checkpoint(), path)
    whole = path.read_bytes()
    torch.save(checkpoint(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    old = (tmp_path / "old.pth").read_bytes()
    for cut in (whole[:-200], whole[: len(whole) // 2], old[:60], old[: len(old) // 2], old[:-5]):
        path.write_bytes(cut)
        with pytest.raises(InputError, match="model.pth cannot be read as a file of PyTorch; it is truncated"):
            open_tensors(path)
    path.write_bytes(b"\n<html>please log in</html>")
    with pytest.raises(InputError, match="model.pth is a web page"):
        open_tensors(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(InputError, match="model.pth holds no tensors"):
        open_tensors(path)


def test_without_torch_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "model.pth").write_bytes(b"PK")
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name == "torch":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match="a file of PyTorch, which is not installed; `pip install torch`, or get the .safetensors"):
        open_tensors(tmp_path / "model.pth")
