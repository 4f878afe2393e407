"""A folder of weights: the same bits come back, and what is not whole, not finished or not its own is refused."""

import json
import os
import shutil
from collections import namedtuple
from dataclasses import replace

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pathfm.errors import InputError
from pathfm.modalities.panel import Panel
from pathfm.models.vit import ViTSpec, from_names, parameter_shapes
from pathfm.weights.card import Card, SeenModality
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.hashing import weight_hash

SPEC = ViTSpec(width=16, depth=1, heads=2, mlp_width=32, patch=8, image_size=16, layer_scale=0.1)
CARD = Card(name="a run", objective="direct", architecture=SPEC, mean=(0.5,) * 3, std=(0.5,) * 3, tile=16, mpp=0.5, step=3)


def with_panel():
    """A card that names a panel, and the panels of its folder."""
    seen = SeenModality(choice="hvg:2", features=len(panel().genes), panel_hash=panel().hash)
    return replace(CARD, modalities={"expression": seen}), {"expression": panel()}


def random_params(seed=0):
    random = np.random.default_rng(seed)
    image = from_names({name: random.standard_normal(shape).astype(np.float32) for name, shape in parameter_shapes(SPEC).items()})
    return {
        "image": image,
        "head": {"kernel": random.standard_normal((16, 3)).astype(np.float32)},
        "temperature": np.array(0.07, np.float32),
    }


def panel():
    return Panel(
        ("ENSG00000000003", "ENSG00000000005"), ("TSPAN6", "TNMD"), np.array([1, 2], np.float32), np.array([1, 0.5], np.float32), 5.0
    )


@pytest.fixture
def folder(tmp_path):
    save_weights(tmp_path / "run" / "weights", random_params(), *with_panel(), ["TCGA-AA-0002", "TCGA-AA-0001"])
    return tmp_path / "run" / "weights"


def assert_same(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_a_run_and_its_folder_of_weights_give_back_what_was_saved(folder):
    for path in (folder, folder.parent, str(folder.parent)):
        weights = open_weights(path)
        assert_same(weights.params, random_params())
        assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(weights.params))
        assert (weights.spec, weights.path) == (SPEC, folder)
        assert weights.patients == {"TCGA-AA-0001", "TCGA-AA-0002"}
        assert weights.panel.genes == panel().genes
        assert weights.card.weight_hash == weight_hash(random_params()["image"])
        assert weights.card.base is None and weights.card.step == 3


def test_no_patient_stands_in_the_card(folder):
    assert "TCGA" not in (folder / "card.json").read_text()


def test_sharded_arrays_are_saved_as_the_whole(folder, tmp_path):
    mesh = Mesh(np.array(jax.devices()), ("data",))
    split = jax.tree.map(
        lambda leaf: NamedSharding(mesh, PartitionSpec("data") if leaf.ndim and leaf.shape[0] % mesh.size == 0 else PartitionSpec()),
        random_params(),
    )
    params = jax.device_put(random_params(), split)
    assert not all(leaf.is_fully_replicated for leaf in jax.tree.leaves(params))
    card = save_weights(tmp_path / "sharded", params, CARD)
    assert card.weight_hash == open_weights(folder).card.weight_hash
    weights = open_weights(tmp_path / "sharded")
    assert_same(weights.params, random_params())
    assert weights.panel is None and weights.patients == frozenset()


def test_saving_again_replaces_the_earlier_folder_and_leaves_nothing_beside_it(folder):
    save_weights(folder, random_params(1), CARD)
    assert_same(open_weights(folder).params, random_params(1))
    assert open_weights(folder).panel is None
    assert os.listdir(folder.parent) == ["weights"]


def test_the_hash_sees_names_shapes_types_and_bits():
    image = random_params()["image"]
    hashes = {weight_hash(image)}
    for change in (
        {"norm": {**image["norm"], "bias": image["norm"]["bias"] + np.float32(1e-7)}},
        {"norm": {"scale": image["norm"]["bias"], "bias": image["norm"]["scale"]}},
        {"class_token": image["class_token"].reshape(1, 16)},
        {"class_token": image["class_token"].view(np.int32)},
        {"class_tokens": image["class_token"]},
    ):
        hashes.add(weight_hash({**image, **change}))
    assert len(hashes) == 6
    assert weight_hash(dict(reversed(image.items()))) == weight_hash(image)


def test_what_was_written_half_is_not_there(folder, monkeypatch):
    def refuse(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Panel, "write", refuse)
    with pytest.raises(InputError, match=r"cannot write .*weights: No space left on device; free some space"):
        save_weights(folder, random_params(1), *with_panel())
    with pytest.raises(InputError, match="cannot write"):
        save_weights(folder.parent / "new", random_params(1), *with_panel())
    assert os.listdir(folder.parent) == ["weights"]
    assert_same(open_weights(folder).params, random_params())


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "total used free")(10**9, 10**9, 100))
    with pytest.raises(InputError, match=r"cannot write .*/new/weights: .* has 0 MB free"):
        save_weights(tmp_path / "new" / "weights", random_params(), CARD)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_an_unfinished_run_and_another_folder_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="there is no folder .*nowhere; give a finished training run"):
        open_weights(tmp_path / "nowhere")
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="is not finished: .* run it to the end"):
        open_weights(tmp_path / "run")
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="neither a training run nor a folder of weights"):
        open_weights(tmp_path / "photos")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, "is not a card of format 1 to 2"),
        ({"pooling": "magic"}, "names the pooling 'magic'; known are mean"),
        ({"normalisation": {"mean": [0.5], "std": [1, 1, 1]}}, "no normalisation of three means"),
        ({"normalisation": {"mean": [0, 0, 0], "std": [1, 0, 1]}}, "standard deviations above 0"),
        ({"architecture": {**SPEC.to_dict(), "heads": 3}}, "card.json: .*heads must divide width"),
        ({"architecture": {**SPEC.to_dict(), "depth": 2}}, "do not fit the architecture of its card: missing blocks_1/"),
        ({"architecture": {**SPEC.to_dict(), "layer_scale": None}}, "unused blocks_0/attention_scale, unused blocks_0/mlp_scale$"),
        ({"architecture": {**SPEC.to_dict(), "mlp_width": 64}}, r"blocks_0/mlp/in/bias is \(32,\) instead of \(64,\)"),
        ({"weight_hash": "0" * 64}, "are not those that its card was written for"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder, change, message):
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        open_weights(folder)


def test_a_card_that_lacks_a_field_or_is_no_json_is_refused(folder):
    path = folder / "card.json"
    card = json.loads(path.read_text())
    del card["tile"]
    path.write_text(json.dumps(card))
    with pytest.raises(InputError, match="card.json lacks tile"):
        open_weights(folder)
    path.write_text("{")
    with pytest.raises(InputError, match="card.json is not JSON"):
        open_weights(folder)


def test_damaged_or_missing_parameters_are_refused(folder):
    for file in (folder / "params").rglob("d/*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with pytest.raises(InputError, match="params .*take a fresh copy"):
        open_weights(folder)
    shutil.rmtree(folder / "params")
    with pytest.raises(InputError, match="params is missing"):
        open_weights(folder)


def test_parameters_of_another_architecture_are_not_saved(tmp_path):
    with pytest.raises(InputError, match="do not fit the architecture"):
        save_weights(tmp_path / "w", random_params(), replace(CARD, architecture=replace(SPEC, registers=2)))
    assert os.listdir(tmp_path) == []
