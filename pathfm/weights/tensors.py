"""The tensors of a weight file by name, read one by one."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from pathfm.errors import InputError


class TensorFile(Mapping[str, np.ndarray]):
    """Tensors by name in their own type; each is read when it is asked for, and nothing of it is kept.

    `shapes` and `types` (numpy's names of types) are known without reading. Raises InputError for a value that is not finite.
    """

    def __init__(self, path: Path, read: Callable[[str], np.ndarray], shapes: dict[str, tuple[int, ...]], types: dict[str, str]):
        self.path, self.shapes, self.types, self._read = path, shapes, types, read

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.shapes:
            raise KeyError(name)
        tensor = self._read(name)
        if np.issubdtype(tensor.dtype, np.inexact) or tensor.dtype.name == "bfloat16":
            if not np.isfinite(tensor).all():
                raise InputError(f"values that are not finite, in {name}; such weights cannot be used")
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)
