"""The program that `pathfm export --to stablehlo` writes runs without pathfm, for any batch size, and gives the tower's features."""

import builtins
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from pathfm.errors import InputError
from pathfm.models.images import normalised
from pathfm.models.vit import ViT
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.stablehlo import export_stablehlo
from tests.weights.test_folder import SPEC, random_params, with_panel

NEEDS = "the extra `stablehlo` (flatbuffers) is not installed"


@pytest.fixture
def weights(tmp_path):
    save_weights(tmp_path / "w", random_params(), *with_panel(), ["TCGA-AA-0001"])
    return open_weights(tmp_path / "w")


ELSEWHERE = """\
import sys, jax, numpy as np, safetensors.numpy
program = jax.export.deserialize(bytearray(open("tower.stablehlo", "rb").read()))
params = safetensors.numpy.load_file("params.safetensors")
for count in (1, 3):
    images = np.random.default_rng(count).integers(0, 256, (count, 16, 16, 3), np.uint8)
    np.save(f"features{count}.npy", program.call(params, images))
assert not [name for name in sys.modules if name.startswith("pathfm")]
"""


def test_the_program_runs_without_pathfm_for_any_batch_size(weights, tmp_path):
    pytest.importorskip("flatbuffers", reason=NEEDS)
    export_stablehlo(weights, tmp_path / "out")
    subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=tmp_path / "out", check=True)
    for count in (1, 3):
        images = np.random.default_rng(count).integers(0, 256, (count, 16, 16, 3), np.uint8)
        inputs = normalised(jax.numpy.asarray(images), (0.5,) * 3, (0.5,) * 3)
        wanted = ViT(SPEC).apply({"params": weights.params["image"]}, inputs)
        np.testing.assert_allclose(np.load(tmp_path / "out" / f"features{count}.npy"), wanted, rtol=1e-4, atol=1e-5)


def test_its_folder_holds_parameters_and_cards_without_patients(weights, tmp_path):
    pytest.importorskip("flatbuffers", reason=NEEDS)
    export_stablehlo(weights, tmp_path / "out", evaluation="| task | Δ |\n| --- | --- |")
    assert "position" in load_file(tmp_path / "out" / "params.safetensors")
    text = (tmp_path / "out" / "README.md").read_text()
    assert text.startswith("---\nlibrary_name") and "| task | Δ |" in text and "uint8 [batch, 16, 16, 3]" in text
    assert "TCGA" not in text + json.dumps(json.loads((tmp_path / "out" / "card.json").read_text()))


def test_without_flatbuffers_the_extra_is_named(weights, tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.startswith("flatbuffers") or "serialization" in name:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.delitem(sys.modules, "flatbuffers", raising=False)
    for name in [name for name in sys.modules if "jax._src.export.serialization" in name]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match=r"StableHLO needs flatbuffers: `pip install 'pathfm\[stablehlo\]'`"):
        export_stablehlo(weights, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_name_is_refused(weights, tmp_path):
    with pytest.raises(InputError, match="give --out a name without .onnx"):
        export_stablehlo(weights, tmp_path / "tower.onnx")
