"""The losses beside open_clip's own, with every gradient."""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pathfm.objectives import pairs
from pathfm.objectives.pair_losses import info_nce_of_pairs, siglip
from pathfm.objectives.pairs import Rows, Rule
from tests.objectives.pair_formulas import drawn_rows

REASON = "the extra `parity` (open_clip_torch beside torch) is not installed"


@pytest.fixture(scope="module")
def open_clip_losses():
    """The module of open_clip's losses alone: the package would import timm, torchvision and tokenizers with it."""
    pytest.importorskip("torch", reason=REASON)
    package = find_spec("open_clip")
    if package is None or package.origin is None:
        pytest.skip(REASON)
    spec = spec_from_file_location("open_clip_losses", Path(package.origin).parent / "loss.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("chunk", [1024, 6])
@pytest.mark.parametrize("loss", ["ClipLoss", "SigLipLoss"])
def test_equals_open_clip_with_its_gradients(loss, chunk, open_clip_losses, monkeypatch):
    import torch

    monkeypatch.setattr(pairs, "CHUNK", chunk)
    rng = np.random.default_rng(3)
    image, text = (drawn_rows(rng, 20, 16) for _ in range(2))
    scale, bias = 10.0, -4.0
    given = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (image, text, scale, bias)]
    wanted = getattr(open_clip_losses, loss)()(*given[: 3 if loss == "ClipLoss" else 4])
    wanted.backward()

    def ours(image, text, scale, bias):
        place = jnp.arange(20)
        images, vectors = (Rows(unit, place, place, None) for unit in (image, text))
        if loss == "ClipLoss":
            return info_nce_of_pairs(images, vectors, vectors, scale, Rule("diagonal"))[0]
        return siglip(images, vectors, scale, bias, Rule("diagonal"))[0]

    arrays = [jnp.asarray(array, jnp.float32) for array in (image, text, scale, bias)]
    value, gradients = jax.jit(jax.value_and_grad(ours, argnums=(0, 1, 2, 3)))(*arrays)
    assert abs(float(value) - wanted.item()) < 2e-6 * max(1.0, wanted.item())
    for gradient, theirs in zip(gradients, given, strict=True):
        if theirs.grad is not None:
            assert np.linalg.norm(gradient - theirs.grad.numpy()) <= 1e-5 * np.linalg.norm(theirs.grad.numpy())
        else:
            assert loss == "ClipLoss" and not np.any(gradient)
