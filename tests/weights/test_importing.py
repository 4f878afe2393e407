"""`pathfm import`: any naming comes in and goes out bit for bit; what is wrong with a file is one sentence."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pathfm.cli import main
from pathfm.errors import InputError
from pathfm.models.vit import ViTSpec, by_name
from pathfm.weights.export import export_weights
from pathfm.weights.folder import open_weights, save_weights
from pathfm.weights.importing import import_checkpoint, open_checkpoint, recognised
from pathfm.zoo import known as zoo
from pathfm.zoo.checkpoint import chunked
from pathfm.zoo.dinov3 import MASK, PERIODS, hub_beside
from pathfm.zoo.known import HALF, SCRATCH, Known
from pathfm.zoo.namings import DINOV3, EVA, HF_DINOV2, HF_DINOV2_5, HF_DINOV3, HF_DINOV3_5, HF_VIT, HF_VIT_5, HUB, TIMM
from pathfm.zoo.rules import write_tensors
from tests.parity import random_params

PLAIN = ViTSpec(width=24, depth=3, heads=3, mlp_width=48, patch=8, image_size=32)
SCALED = replace(PLAIN, layer_scale=1.0)
GATED = replace(SCALED, mlp="swiglu_packed", mlp_width=64, registers=2)
TURNED = replace(SCALED, registers=2, slots="patches", rope=100.0, key_bias=False)
TURNED_GATED = replace(TURNED, mlp="swiglu_packed", mlp_width=64)
BUFFERS = {name: array for name, array in hub_beside(TURNED).items() if name != "mask_token"}

CASES = {
    "timm": (TIMM, replace(PLAIN, registers=2, slots="all"), {"head.weight": (5, 24), "head.bias": (5,)}),
    "timm, SwiGLU packed": (TIMM, replace(GATED, slots="patches"), {}),
    "timm, SwiGLU in two": (TIMM, replace(GATED, mlp="swiglu", slots="patches"), {}),
    "DINOv2's hub": (HUB, SCALED, {"mask_token": (1, 24)}),
    "DINOv2's hub, registers, SwiGLU": (HUB, GATED, {"mask_token": (1, 24)}),
    "Hugging Face's ViT": (HF_VIT, PLAIN, {"pooler.dense.weight": (24, 24), "pooler.dense.bias": (24,)}),
    "Hugging Face's DINOv2": (HF_DINOV2, SCALED, {"embeddings.mask_token": (1, 24)}),
    "Hugging Face's DINOv2, registers, SwiGLU": (HF_DINOV2, GATED, {"embeddings.mask_token": (1, 24)}),
    "Hugging Face's ViT, in memory": (HF_VIT_5, PLAIN, {"pooler.dense.bias": (24,)}),
    "Hugging Face's DINOv2, in memory": (HF_DINOV2_5, SCALED, {"embeddings.mask_token": (1, 24)}),
    "Hugging Face's DINOv2, registers, SwiGLU, in memory": (HF_DINOV2_5, GATED, {"embeddings.mask_token": (1, 24)}),
    "timm's Eva": (EVA, TURNED, {"head.weight": (5, 24), "head.bias": (5,)}),
    "timm's Eva, SwiGLU, no biases": (EVA, replace(TURNED_GATED, qkv_bias=False), {}),
    "DINOv3's hub": (DINOV3, TURNED, {"mask_token": (1, 24), **BUFFERS}),
    "DINOv3's hub, SwiGLU": (DINOV3, TURNED_GATED, {"mask_token": (1, 24), **BUFFERS}),
    "Hugging Face's DINOv3": (HF_DINOV3, TURNED, {"embeddings.mask_token": (1, 1, 24)}),
    "Hugging Face's DINOv3, SwiGLU, in memory": (HF_DINOV3_5, TURNED_GATED, {"embeddings.mask_token": (1, 1, 24)}),
}


def model(spec: ViTSpec, naming=TIMM, name: str = "demo") -> Known:
    return Known(name, spec, *HALF, 32, None, "none", "nowhere", naming.name)


def tensors_of(case: str) -> dict[str, np.ndarray]:
    naming, spec, beside = CASES[case]
    random = np.random.default_rng(5)
    drawn = {name: shape for name, shape in beside.items() if isinstance(shape, tuple)}
    extra = beside | {name: random.standard_normal(shape).astype(np.float32) for name, shape in drawn.items()}
    return write_tensors(random_params(spec), spec, naming.rules(spec)) | extra


def as_bytes(tensors):
    return {name: (tensor.dtype.name, tensor.shape, tensor.tobytes()) for name, tensor in tensors.items()}


def there_and_back(path, tmp_path, known: Known):
    checkpoint = open_checkpoint(path)
    import_checkpoint(checkpoint, tmp_path / "w", known)
    export_weights(open_weights(tmp_path / "w"), tmp_path / "out", "original")
    return checkpoint, load_file(tmp_path / "out" / "model.safetensors")


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_goes_out_as_it_came_bit_for_bit_heads_and_mask_token_included(case, kind, tmp_path):
    naming, spec, _ = CASES[case]
    tensors = {name: tensor.astype(getattr(ml_dtypes, kind, kind)) for name, tensor in tensors_of(case).items()}
    save_file(tensors, tmp_path / "theirs.safetensors")
    checkpoint, again = there_and_back(tmp_path / "theirs.safetensors", tmp_path, model(spec, naming))
    assert checkpoint.naming is naming
    assert as_bytes(again) == as_bytes(tensors)
    params = by_name(open_weights(tmp_path / "w").params["image"])
    assert {leaf.dtype.name for leaf in params.values()} == {"float32"}
    assert (params["class_token"].astype(kind if kind != "bfloat16" else ml_dtypes.bfloat16) == params["class_token"]).all()


def test_biases_that_timms_dinov3_leaves_out_are_the_architectures_zeros(tmp_path):
    tensors = tensors_of("timm's Eva, SwiGLU, no biases")
    save_file(tensors, tmp_path / "theirs.safetensors")
    _, again = there_and_back(tmp_path / "theirs.safetensors", tmp_path, model(TURNED_GATED, HF_DINOV3))
    assert as_bytes(again) == as_bytes(tensors)
    assert open_weights(tmp_path / "w").spec == replace(TURNED_GATED, qkv_bias=False)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (PERIODS, lambda periods: periods**2, "rope_embed.periods is not that of rotary position embeddings of 3 heads and base 100"),
        (MASK.format(i=1), lambda mask: np.ones_like(mask), "blocks.1.attn.qkv.bias_mask is not that of a key without a bias"),
    ],
)
def test_buffers_of_another_rotation_or_bias_are_refused(tmp_path, name, change, message):
    tensors = tensors_of("DINOv3's hub")
    save_file(tensors | {name: change(tensors[name])}, tmp_path / "theirs.safetensors")
    with pytest.raises(InputError, match=message):
        there_and_back(tmp_path / "theirs.safetensors", tmp_path, model(TURNED, DINOV3))


def test_tuned_weights_go_out_in_float32_with_their_heads(tmp_path):
    tensors = {name: tensor.astype(ml_dtypes.bfloat16) for name, tensor in tensors_of("timm").items()}
    save_file(tensors, tmp_path / "theirs.safetensors")
    import_checkpoint(open_checkpoint(tmp_path / "theirs.safetensors"), tmp_path / "w", model(CASES["timm"][1]))
    weights = open_weights(tmp_path / "w")
    save_weights(tmp_path / "tuned", weights.params, replace(weights.card, objective="direct"), origin=weights.origin)
    result = export_weights(open_weights(tmp_path / "tuned"), tmp_path / "out.safetensors", "original")
    assert {name: tensor.dtype.name for name, tensor in result.tensors.items() if "head" not in name}["cls_token"] == "float32"
    assert (result.tensors["head.bias"] == tensors["head.bias"]).all()
    assert json.loads((tmp_path / "out.json").read_text())["timm"]["num_classes"] == 5


def test_blocks_in_chunks_and_a_teachers_prefix_come_in_and_the_chunks_go_out(tmp_path):
    naming, spec, _ = CASES["DINOv2's hub"]
    tensors = {chunked(name, 2): tensor for name, tensor in tensors_of("DINOv2's hub").items()}
    save_file({f"teacher.backbone.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "theirs.safetensors")
    _, again = there_and_back(tmp_path / "theirs.safetensors", tmp_path, model(spec, naming))
    assert as_bytes(again) == as_bytes(tensors)


def test_shards_and_their_folder_are_read_by_their_index(tmp_path):
    tensors = tensors_of("timm, SwiGLU packed")
    names = sorted(tensors)
    shards = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, part in shards.items():
        save_file({name: tensors[name] for name in part}, tmp_path / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in shards.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        _, again = there_and_back(path, tmp_path, model(CASES["timm, SwiGLU packed"][1]))
        assert as_bytes(again) == as_bytes(tensors)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match="model-00002-of-00002.safetensors is missing"):
        open_checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"cls_token": "../elsewhere.safetensors"}}))
    with pytest.raises(InputError, match="leads out of"):
        open_checkpoint(tmp_path)


def test_the_size_that_position_embeddings_were_learned_at_is_read_from_them(tmp_path):
    larger = replace(PLAIN, image_size=48)
    save_file(write_tensors(random_params(larger), larger, TIMM.rules(larger)), tmp_path / "theirs.safetensors")
    card = import_checkpoint(open_checkpoint(tmp_path / "theirs.safetensors"), tmp_path / "w", model(PLAIN))
    assert (card.architecture.image_size, card.tile) == (48, 32)


def test_the_model_is_recognised_by_names_and_shapes_or_the_question_is_put(tmp_path, monkeypatch):
    small, gated = model(PLAIN, name="small one"), model(GATED, HUB, name="gated one")
    monkeypatch.setattr("pathfm.weights.importing.ZOO", {known.name: known for known in (small, gated)})
    save_file(tensors_of("DINOv2's hub, registers, SwiGLU"), tmp_path / "gated.safetensors")
    assert recognised(open_checkpoint(tmp_path / "gated.safetensors")) is gated
    save_file(tensors_of("DINOv2's hub"), tmp_path / "scaled.safetensors")
    wanted = r"no model of the zoo has 3 blocks of width 24, patch 8, no registers, GELU of 48, LayerScale; `pathfm zoo` lists them"
    with pytest.raises(InputError, match=wanted):
        recognised(open_checkpoint(tmp_path / "scaled.safetensors"))
    twin = replace(small, name="its twin")
    monkeypatch.setattr("pathfm.weights.importing.ZOO", {known.name: known for known in (small, twin)})
    save_file(write_tensors(random_params(PLAIN), PLAIN, TIMM.rules(PLAIN)), tmp_path / "small.safetensors")
    with pytest.raises(InputError, match="fit small one, its twin, .* say which it is with --arch"):
        recognised(open_checkpoint(tmp_path / "small.safetensors"))


def recognising(tmp_path, monkeypatch, tensors, *models) -> str:
    """What is said of a checkpoint with these tensors where the zoo has these models: the name of one, or why none."""
    monkeypatch.setattr("pathfm.weights.importing.ZOO", {known.name: known for known in models})
    save_file(tensors, tmp_path / "theirs.safetensors")
    try:
        return recognised(open_checkpoint(tmp_path / "theirs.safetensors")).name
    except InputError as error:
        return str(error)


def test_a_model_whose_tensors_do_not_all_fit_is_never_offered(tmp_path, monkeypatch):
    tensors = write_tensors(random_params(PLAIN), PLAIN, TIMM.rules(PLAIN))
    told = partial(recognising, tmp_path, monkeypatch)
    assert told(tensors, model(PLAIN)) == "demo"
    assert "missing: pos_embed; no model of the zoo fits" in told({n: t for n, t in tensors.items() if n != "pos_embed"}, model(PLAIN))
    more = tensors | {"blocks.0.adapter.weight": np.zeros((2, 24), np.float32)}
    assert "unused: blocks.0.adapter.weight; no model of the zoo fits" in told(more, model(PLAIN))
    misshapen = tensors | {"blocks.2.attn.proj.weight": np.zeros((24, 25), np.float32)}
    assert "blocks.2.attn.proj.weight of shape (24, 25) gives" in told(misshapen, model(PLAIN))
    without = replace(PLAIN, slots="patches")
    told_of = told(write_tensors(random_params(without), without, TIMM.rules(without)), model(PLAIN))
    assert "GELU of 48, no LayerScale, and position embeddings of other tokens than they" in told_of
    with pytest.raises(InputError, match="which pathfm trains from scratch; say so with --arch demo"):
        monkeypatch.setattr("pathfm.weights.importing.ZOO", {"demo": replace(model(PLAIN), source=SCRATCH)})
        save_file(tensors, tmp_path / "theirs.safetensors")
        recognised(open_checkpoint(tmp_path / "theirs.safetensors"))


def test_in_timms_words_a_copy_of_another_naming_is_as_likely_unless_both_see_the_same(tmp_path, monkeypatch):
    tensors = write_tensors(random_params(PLAIN), PLAIN, TIMM.rules(PLAIN))
    first, copied = model(PLAIN, name="first"), model(replace(PLAIN, interpolation="bicubic"), HF_VIT, "copied")
    assert recognising(tmp_path, monkeypatch, tensors, first, copied) == "first"
    otherwise = replace(copied, std=(0.2, 0.2, 0.2))
    assert "fit first, copied, which names and shapes do not tell apart" in recognising(tmp_path, monkeypatch, tensors, first, otherwise)
    theirs = write_tensors(random_params(PLAIN), PLAIN, HF_VIT.rules(PLAIN))
    assert recognising(tmp_path, monkeypatch, theirs, first, otherwise) == "copied"


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A whole checkpoint of the model that the zoo calls demo in these tests, and its tensors."""
    spec = CASES["timm"][1]
    monkeypatch.setitem(zoo.ZOO, "demo", model(spec))
    tensors = tensors_of("timm")
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", tensors


def said(capsys, *words) -> tuple[int, str]:
    code = main(["import", *map(str, words)])
    return code, capsys.readouterr().err


def test_the_command_writes_a_folder_and_names_what_it_set_aside(theirs, tmp_path, capsys):
    path, _ = theirs
    code, told = said(capsys, path, "--arch", "demo", "--out", tmp_path / "w")
    assert code == 0
    assert "import: kept beside the parameters: head.bias, head.weight\n" in told
    assert "demo in the naming timm, position embeddings learned at 32 px" in told
    assert open_weights(tmp_path / "w").origin.model == "demo"


HTML = b"<!DOCTYPE html><html><title>Access to this model is restricted</title></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-100], "cannot be read as safetensors"),
        (lambda data: HTML, "is a web page, not a weight file"),
        (lambda data: POINTER, "is a pointer of Git LFS"),
        (lambda data: b"", "is empty"),
        (lambda data: {"norm.bias": np.full(24, np.nan, np.float32)}, "values that are not finite, in norm.bias"),
        (lambda data: {"head.bias": np.full(5, np.inf, np.float32)}, "values that are not finite, in head.bias"),
        (lambda data: {"blocks.1.attn.proj.weight": np.zeros((24, 23), np.float32)}, "of shape (24, 23) gives"),
        (lambda data: {"norm.weight": None}, "missing: norm.weight"),
        (lambda data: {"tail": np.zeros(2, np.float32)}, "unused: tail"),
        (lambda data: {"norm.bias": np.zeros(24, np.int32)}, "the tensor norm.bias is of the type i32, which is no type of weights"),
        (
            lambda data: {"norm.bias": np.zeros(24, np.int8)},
            "of the type i8, which is no type of weights; if they are quantised, import those",
        ),
        (lambda data: {"norm.bias": np.zeros(0, np.float32)}, "1 tensors are empty, such as norm.bias: a part of a model that several"),
        (lambda data: {"pos_embed": np.zeros((1, 20, 24), np.float32)}, "holds no square grid of position embeddings"),
        (lambda data: {"blocks.2.norm1.weight": None}, "the tensors are those of 2 blocks of width 24"),
    ],
)
def test_each_thing_wrong_with_a_file_is_one_sentence(theirs, tmp_path, capsys, change, message):
    path, tensors = theirs
    changed = change(path.read_bytes())
    if isinstance(changed, bytes):
        path.write_bytes(changed)
    else:
        save_file({name: tensor for name, tensor in (tensors | changed).items() if tensor is not None}, path)
    code, told = said(capsys, path, "--arch", "demo", "--out", tmp_path / "w")
    *before, last = told.splitlines()
    assert code == 2
    assert all(line.startswith("import: ") for line in before)
    assert last.startswith(f"pathfm import: {path}") and message in last
    assert not (tmp_path / "w").exists()


def test_another_architecture_is_said_in_words(theirs, tmp_path, capsys):
    code, told = said(capsys, theirs[0], "--arch", "uni", "--out", tmp_path / "w")
    assert code == 2
    assert "are those of 3 blocks of width 24, patch 8, 2 registers, GELU of 48, no LayerScale, but uni has 24 blocks of width 1024" in told
    assert told.endswith("LayerScale; they fit demo\n")


def test_what_fits_no_model_is_not_said_to_fit_one(theirs, tmp_path, capsys):
    path, tensors = theirs
    save_file({name: tensor for name, tensor in tensors.items() if name != "pos_embed"}, path)
    code, told = said(capsys, path, "--arch", "uni", "--out", tmp_path / "w")
    assert code == 2 and told.endswith("LayerScale; they fit no model of the zoo\n")


def test_a_file_in_the_words_of_a_class_with_another_rule_of_interpolation_takes_that_rule(tmp_path, monkeypatch, capsys):
    spec = replace(SCALED, interpolation="bicubic_offset")
    monkeypatch.setitem(zoo.ZOO, "demo", model(spec, HUB))
    save_file(write_tensors(random_params(spec), spec, TIMM.rules(spec)), tmp_path / "theirs.safetensors")
    code, told = said(capsys, tmp_path / "theirs.safetensors", "--arch", "demo", "--out", tmp_path / "w")
    assert code == 0 and open_weights(tmp_path / "w").spec.interpolation == "antialias"
    assert (
        "resampled by the rule of timm's VisionTransformer (antialias), in whose words the file is; demo was published with another" in told
    )


def test_models_out_of_scope_and_other_files_are_refused(tmp_path, capsys):
    for words, message in (
        (("any.bin", "--arch", "conch"), "conch is out of scope: an image–text model"),
        (("any.bin", "--arch", "resnet50"), "the zoo has no model 'resnet50'"),
        (("any.safetensors", "--arch", "uni"), "any.safetensors is missing"),
        ((tmp_path, "--arch", "uni"), "holds none of model.safetensors"),
        ((__file__, "--arch", "uni"), "is no weight file that pathfm knows"),
    ):
        code, told = said(capsys, *words, "--out", tmp_path / "w")
        assert code == 2 and message in told


@pytest.mark.parametrize("name", ["import", "verify", "zoo", "export"])
def test_help_needs_neither_numpy_nor_jax(name):
    asked = f"import sys; from pathfm.cli import main\ntry: main([{name!r}, '--help'])\nexcept SystemExit: pass"
    heavy = "print('heavy:', sorted({'numpy', 'jax', 'torch'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", f"{asked}\n{heavy}"], capture_output=True, text=True, check=True).stdout
    assert told.startswith("usage:") and told.endswith("heavy: []\n")
