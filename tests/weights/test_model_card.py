"""The model card of an export says what the weights are, on what terms, and how they load; it names no patient."""

import json
from dataclasses import replace

import pytest

from pathfm.models.vit import ViTSpec
from pathfm.weights.card import Base
from pathfm.weights.exported import exported
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.model_card import model_card
from pathfm.weights.origin import Origin
from pathfm.zoo.namings import HF_VIT, HUB, TIMM
from tests.parity import random_params
from tests.weights.test_folder import CARD

SPEC = ViTSpec(width=24, depth=1, heads=3, mlp_width=48, patch=8, image_size=32)
TABLE = "| task | mean Δ |\n| --- | --- |\n| MHIST | +1.0 |\n"


def card_of(tmp_path, model: str | None, spec: ViTSpec = SPEC, naming=TIMM, name: str = "direct_*1*", target: str = "original") -> str:
    card = replace(CARD, name=name, architecture=spec, base=Base(name="uni", weight_hash="b" * 64), data_hash="d" * 64)
    origin = Origin(model, naming.name) if model else None
    save_weights(tmp_path / "w", {"image": random_params(spec)}, card, patients=["TCGA-AA-0001"], origin=origin)
    weights = open_weights(tmp_path / "w")
    return model_card(weights, exported(weights, target), "weights.safetensors", TABLE)


def metadata(text: str) -> dict:
    _, head, _ = text.split("---\n", 2)
    return {name: json.loads(value) for name, value in (line.split(": ", 1) for line in head.splitlines())}


def test_the_header_names_library_licence_and_base(tmp_path):
    text = card_of(tmp_path, "uni")
    found = metadata(text)
    assert (found["library_name"], found["license"], found["base_model"]) == ("timm", "cc-by-nc-nd-4.0", "MahmoodLab/UNI")
    assert "The tower began as uni" in text and "read its text before you pass these weights on" in text
    assert "TCGA" not in text


def test_a_licence_without_an_identifier_is_named_and_linked(tmp_path):
    found = metadata(card_of(tmp_path, "kaiko_vits16"))
    assert found["license"] == "other" and found["license_name"] == "Kaiko Non-Commercial Public License"
    assert found["license_link"].startswith("https://github.com/kaiko-ai/") and "base_model" not in found


def test_weights_that_began_here_have_no_base(tmp_path):
    assert not {"license", "base_model"} & set(metadata(card_of(tmp_path, None)))


def test_it_holds_base_data_table_and_a_name_without_markup(tmp_path):
    text = card_of(tmp_path, "uni")
    assert "# direct\\_\\*1\\*\n" in text
    assert "| base | uni, " + "b" * 64 in text and "| data hash | " + "d" * 64 in text
    assert "## Evaluation\n\n| task | mean Δ |" in text


@pytest.mark.parametrize(
    ("naming", "spec", "target", "code"),
    [
        (TIMM, replace(SPEC, epsilon=1e-12), "original", "norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-12)"),
        (TIMM, replace(SPEC, mlp="swiglu_packed"), "original", "mlp_layer=timm.layers.SwiGLUPacked"),
        (TIMM, replace(SPEC, output="class+mean"), "original", "features = torch.cat([features, tokens[:, 1:].mean(1)], dim=-1)"),
        (HUB, replace(SPEC, layer_scale=1.0), "original", "DinoVisionTransformer(img_size=32, patch_size=8"),
        (HF_VIT, SPEC, "original", "interpolate_pos_encoding=True"),
        (TIMM, replace(SPEC, registers=2, slots="patches"), "hf", 'AutoModel.from_pretrained("THIS FOLDER")'),
    ],
)
def test_the_code_that_loads_it_is_the_librarys(naming, spec, target, code, tmp_path):
    text = card_of(tmp_path, "uni", spec, naming, target=target)
    assert code in text
    compile(text.split("```python\n")[1].split("```")[0], "the card's code", "exec")
