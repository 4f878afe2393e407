"""What a file is by its first bytes, whatever its name says: weights that can be read, or something else that is said."""

from pathlib import Path
from typing import Literal

from pathfm.errors import InputError

Kind = Literal["safetensors", "pytorch"]

BY_NAME: dict[str, Kind] = {".safetensors": "safetensors"} | dict.fromkeys((".pth", ".pt", ".bin", ".ckpt"), "pytorch")
ZIP, PICKLE = b"PK\x03\x04", b"\x80"  # torch.save since 1.6, and before
MAX_HEADER = 100 * 2**20  # bytes of a safetensors header, by its specification
WEB_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<script", b"<body")

OTHERS = {
    b"\x89HDF\r\n": "an HDF5 file, of Keras or of features",
    b"\x93NUMPY": "a single array of numpy",
    b"GGUF": "a GGUF file of a language model",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"\xfd7zXZ": "compressed by xz; unpack it first",
    b"BZh": "compressed by bzip2; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it first",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a rar archive; unpack it first",
    b"\x7fELF": "a program",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet table",
    b"II*\x00": "a TIFF image",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}
ONNX_VERSIONS, ONNX_FIELDS = range(1, 32), b"\x12\x1a\x22\x28\x32\x3a\x42"  # ModelProto: ir_version, then the tag of another field


def kind_of(path: Path) -> Kind:
    """How the file is read; InputError when it is no weight file, with what it is instead."""
    start = first_bytes(path)
    text = start.lstrip()
    if not start:
        raise InputError(f"{path} is empty; download it again")
    if not start.strip(b"\0"):
        raise InputError(f"{path} begins with nothing but zeros: the download was not finished; download it again")
    if text.lower().startswith(WEB_PAGES):
        raise InputError(f"{path} is a web page, not a weight file: the download was refused; log in where it comes from and get it again")
    if text.startswith(b"version https://git-lfs"):
        raise InputError(f"{path} is a pointer of Git LFS, not the weights; get the file itself with `git lfs pull`")
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and 1 < header <= MAX_HEADER:
        return "safetensors"
    if start.startswith(ZIP):
        return "pytorch"
    if what := _other(start, text):
        raise InputError(f"{path} is no weight file that pathfm knows: it is {what}; give a file of safetensors or PyTorch")
    if start[:1] == PICKLE:
        return "pytorch"
    if path.suffix in BY_NAME:
        return BY_NAME[path.suffix]
    raise InputError(f"{path} is no weight file that pathfm knows; they end in {', '.join(BY_NAME)} or .index.json")


def first_bytes(path: Path) -> bytes:
    """The first 512 bytes; InputError when the file cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(512)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _other(start: bytes, text: bytes) -> str | None:
    """What a file is by what such files begin with, in words; None when nothing is known of it."""
    known = next((what for magic, what in OTHERS.items() if start.startswith(magic)), None)
    if known:
        return known
    if start[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    if start[:1] == b"\x08" and len(start) > 2 and start[1] in ONNX_VERSIONS and start[2] in ONNX_FIELDS:
        return "an ONNX program"
    if len(text) >= 8 and text.isascii() and all(byte >= 32 or byte in b"\t\n\r" for byte in text):
        line = text.decode("ascii").splitlines()[0][:60]
        return f"{'JSON' if text[:1] in b'{[' else 'text'}, which begins {line!r}"
    return None
