"""A file is what its bytes say, whatever its name: weights are read, and everything else is named in one sentence."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from pathfm.errors import InputError
from pathfm.weights.tensor_files import open_tensors

ONNX = b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:\x10"


def npz() -> bytes:
    np.savez(file := io.BytesIO(), a=np.zeros(3))
    return file.getvalue()


def zipped() -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("config.json", "{}")
    return file.getvalue()


def tarred() -> bytes:
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"))
    return file.getvalue()


OTHERS = {
    "empty": (b"", "is empty; download it again"),
    "zeros": (bytes(4096), "begins with nothing but zeros: the download was not finished"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a pointer of Git LFS, not the weights"),
    "a web page": (b"\n<!DOCTYPE html><html></html>", "is a web page, not a weight file"),
    "an answer in text": (b"Entry not found", "it is text, which begins 'Entry not found'"),
    "an answer in JSON": (b'{"error": "Access to model x is restricted"}', """it is JSON, which begins '{"error": "Access"""),
    "ONNX": (ONNX, "it is an ONNX program"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "it is an HDF5 file, of Keras or of features"),
    "gzip": (gzip.compress(b"weights"), "it is compressed by gzip; unpack it first"),
    "tar": (tarred(), "it is a tar archive; unpack it first"),
    "numpy": (b"\x93NUMPY\x01\x00" + bytes(64), "it is a single array of numpy"),
    "GGUF": (b"GGUF" + bytes(range(64)), "it is a GGUF file of a language model"),
    "npz": (npz(), "is an .npz archive of numpy, not a file of PyTorch"),
    "zip": (zipped(), "is a zip archive that holds config.json, not a file of PyTorch"),
    "a damaged zip": (
        npz().replace(b"PK\x01\x02", b"PK\x01\xff"),
        "cannot be read as a file of PyTorch; it is truncated or of another format",
    ),
    "half a zip": (npz()[:100], "cannot be read as a file of PyTorch; it is truncated"),
}


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors", "pytorch_model.bin", "model.ckpt", "weights.dat", "checkpoint.pth.tar"])
@pytest.mark.parametrize("case", OTHERS)
def test_a_file_of_another_kind_is_named_under_any_name(case, name, tmp_path):
    content, said = OTHERS[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as told:
        open_tensors(tmp_path / name)
    assert str(told.value).startswith(f"{tmp_path / name} ") and said in str(told.value)


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "pytorch_model.bin", "checkpoint_0299.pth.tar", "uni"])
def test_safetensors_are_read_under_any_name(name, tmp_path):
    save_file({"a": np.arange(3, dtype=np.float32)}, tmp_path / name)
    assert (open_tensors(tmp_path / name)["a"] == [0, 1, 2]).all()


@pytest.mark.parametrize("kept", [3, 8, 20, 70, 2000])
def test_a_truncated_safetensors_file_is_said_to_be_that(kept, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros(1000, np.float32)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    size = f"2,000 of {len(whole):,} bytes" if kept == 2000 else f"{kept} bytes"
    with pytest.raises(InputError, match=rf"cannot be read as safetensors \(it is truncated: {size}.*\); download it again"):
        open_tensors(path)


def test_what_is_no_safetensors_at_all_says_what_the_library_says(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(range(200, 256)) * 9)
    with pytest.raises(InputError, match=r"cannot be read as safetensors \(.*header.*\); download it again"):
        open_tensors(path)


SHARDS = ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"]


def folder_of_shards(folder, index=True):
    for i, name in enumerate(SHARDS):
        save_file({f"t{i}": np.full(2, i, np.float32)}, folder / name)
    if index:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {f"t{i}": name for i, name in enumerate(SHARDS)}}))
    return folder


def test_every_shard_that_is_missing_is_named(tmp_path):
    assert sorted(open_tensors(folder_of_shards(tmp_path))) == ["t0", "t1", "t2"]
    for name in (SHARDS[0], SHARDS[2]):
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"of the 3 shards of .*index.json, {SHARDS[0]}, {SHARDS[2]} are missing; download all into one"):
        open_tensors(tmp_path)


def test_shards_without_their_index_and_one_shard_alone_are_said_to_be_that(tmp_path):
    folder_of_shards(tmp_path, index=False)
    with pytest.raises(InputError, match=f"holds shards .{', '.join(SHARDS)}. without model.safetensors.index.json; download that too"):
        open_tensors(tmp_path)
    with pytest.raises(InputError, match="is one of 3 shards; give their folder, or their index model.safetensors.index.json"):
        open_tensors(tmp_path / SHARDS[1])
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model.safetensors.index.json"}}))
    with pytest.raises(InputError, match="it is JSON"):
        open_tensors(tmp_path)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("card.json", "is a folder of weights of pathfm"),
        ("adapter_config.json", "is an adapter of peft without its base"),
        ("zero_to_fp32.py", "is a checkpoint of DeepSpeed"),
        (".metadata", "is a distributed checkpoint"),
        ("other.bin", "holds none of model.safetensors"),
    ],
)
def test_a_folder_of_another_kind_is_named(file, said, tmp_path):
    (tmp_path / file).write_text("{}")
    with pytest.raises(InputError, match=said):
        open_tensors(tmp_path)
