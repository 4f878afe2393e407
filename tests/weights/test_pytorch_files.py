"""PyTorch's files: nested dicts are read without running code, mapped rather than loaded; what is wrong is one sentence."""

import argparse
import builtins

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


def test_a_pickle_with_code_is_refused(tmp_path):
    torch.save({"model": {"a": torch.zeros(2)}, "args": argparse.Namespace(lr=1)}, tmp_path / "model.pth")
    with pytest.raises(InputError, match="model.pth holds code beside tensors, which pathfm does not run"):
        open_tensors(tmp_path / "model.pth")


def test_a_truncated_file_a_web_page_and_a_file_without_tensors_are_named(tmp_path):
    path = tmp_path / "model.pth"
    torch.save(checkpoint(), path)
    path.write_bytes(path.read_bytes()[:-200])
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
