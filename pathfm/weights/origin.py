"""What an import keeps so that an export can write the weights back as they came: their naming, types, and tensors beside the tower."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pathfm.errors import InputError
from pathfm.files import read_json, write_json
from pathfm.weights.safetensors_files import read_safetensors, write_safetensors
from pathfm.zoo.namings import NAMINGS

RECORD, BESIDE = "origin.json", "beside.safetensors"


@dataclass(frozen=True)
class Origin:
    """Where imported weights came from.

    `model` is their name in the zoo, `naming` that of their tensors, `chunk` how many blocks made a chunk of DINOv2's hub naming (0: not
    cut). `types` leads from names to numpy's types where they are not float32; `beside` holds heads and mask tokens.
    """

    model: str
    naming: str
    chunk: int = 0
    types: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        record = {"model": self.model, "naming": self.naming, "chunk": self.chunk, "types": dict(self.types)}
        write_json(record, folder / RECORD)
        if self.beside:
            write_safetensors(self.beside, folder / BESIDE)

    @classmethod
    def read(cls, folder: Path) -> "Origin | None":
        """The origin of the weights in a folder, or None for weights that were made here; InputError when the record is broken."""
        path = folder / RECORD
        if not path.exists():
            return None
        record = read_json(path)
        if not isinstance(record, dict) or set(record) != {"model", "naming", "chunk", "types"} or record["naming"] not in NAMINGS:
            raise InputError(f"{path} is not a record of an import; take a fresh copy of the folder")
        beside = read_safetensors(folder / BESIDE) if (folder / BESIDE).exists() else {}
        return cls(**record, beside=beside)
