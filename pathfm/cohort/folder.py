"""The cohort folder: where each thing lies that preparation makes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pathfm import __version__
from pathfm.errors import InputError
from pathfm.files import alone, fitting, inside, read_json, write_json

MAX_ROW_STEM = 130


@dataclass(frozen=True)
class CohortFolder:
    """Paths in a cohort folder; docs/formats.md describes each file."""

    root: Path

    @classmethod
    def open(cls, root: str | Path) -> "CohortFolder":
        """The cohort folder at `root`; InputError when there is none."""
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"there is no cohort folder at {root}; make one with `pathfm tile` and `pathfm expression`")
        return cls(root)

    @property
    def slides(self) -> Path:
        return self.root / "slides.parquet"

    @property
    def lock(self) -> Path:
        """Held by whoever changes a file of the folder that other jobs change too."""
        return self.root / ".lock"

    @property
    def expression(self) -> Path:
        return self.root / "expression.h5ad"

    def matrix(self, name: str) -> Path:
        """A matrix of vectors beside expression, one row a patient."""
        return inside(self.root, f"{name}.h5ad")

    @property
    def expression_report(self) -> Path:
        return self.root / "expression.report.json"

    @property
    def labels(self) -> Path:
        return self.root / "labels.parquet"

    @property
    def pairs(self) -> Path:
        return self.root / "pairs.parquet"

    @property
    def splits(self) -> Path:
        return self.root / "splits.parquet"

    @property
    def manifest(self) -> Path:
        return self.root / "cohort.json"

    def records(self, slide: str) -> Path:
        """The slide's tile images, one record a tile."""
        return inside(self.root / "tiles", f"{slide}.array_record")

    def tiles(self, slide: str) -> Path:
        """The table whose row i describes record i."""
        return inside(self.root / "tiles", f"{slide}.parquet")

    def row(self, slide: str) -> Path:
        """The slide's row of `slides.parquet`, and what it was made from; a hash of the name where that is too long for a file's."""
        return inside(self.root / "tiles", f"{fitting(slide, MAX_ROW_STEM)}.json")

    def thumbnail(self, slide: str) -> Path:
        return inside(self.root / "thumbnails", f"{slide}.jpg")


@contextmanager
def manifest(folder: CohortFolder) -> Iterator[dict]:
    """`cohort.json` to be changed: what is in the dict at the end is written. Other jobs wait for their turn."""
    with alone(folder.lock):
        steps = read_json(folder.manifest) if folder.manifest.exists() else {}
        yield steps
        write_json(steps, folder.manifest)


def record_step(folder: CohortFolder, step: str, parameters: dict, inputs: dict) -> None:
    """Notes in `cohort.json` what made a part of the folder."""
    with manifest(folder) as steps:
        steps[step] = described_step(parameters, inputs)


def described_step(parameters: dict, inputs: dict) -> dict:
    """A step's entry in `cohort.json`: version, parameters, inputs with sizes and hashes."""
    return {"pathfm": __version__, "parameters": parameters, "inputs": inputs}
