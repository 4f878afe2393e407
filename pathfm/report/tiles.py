"""The sample of test tiles that an evaluation keeps: what is known of each, its feature and a small picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pathfm.errors import InputError
from pathfm.files import read_parquet, replacing, write_parquet

TILES = ("patient", "slide", "record", "site", "cancer", "thumbnail")
MOST_ROWS = 4096
MOST_BYTES = 8192  # of a thumbnail
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Tiles:
    """Tiles of test patients in the order of a draw by their names, the same for every encoder that is evaluated on the fold."""

    table: pd.DataFrame  # the columns of TILES: record is the tile's number in its slide, thumbnail JPEG; missing words are empty
    features: np.ndarray  # float32 [tiles, features], rows alike

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: Sequence[int]) -> "Tiles":
        return Tiles(self.table.iloc[rows].reset_index(drop=True), self.features[rows])

    @property
    def names(self) -> list[tuple[str, int]]:
        return list(zip(self.table["slide"], self.table["record"], strict=True))

    def write(self, table: Path, features: Path) -> None:
        write_parquet(self.table, table)
        with replacing(features) as temporary, open(temporary, "wb") as file:
            np.save(file, self.features.astype(np.float32), allow_pickle=False)

    @classmethod
    def read(cls, table: Path, features: Path) -> "Tiles":
        """InputError when a file is broken, they do not belong together, or a thumbnail is no small JPEG."""
        rows = read_parquet(table, list(TILES))
        try:
            values = np.load(features, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{features} cannot be read as an array of NumPy: {error}; evaluate again") from error
        if len(rows) > MOST_ROWS or values.ndim != 2 or len(values) != len(rows) or not np.isfinite(values).all():
            raise InputError(f"{features} does not hold a feature of finite numbers for each row of {table.name}; evaluate again")
        small = [isinstance(one, bytes) and one.startswith(JPEG) and len(one) <= MOST_BYTES for one in rows["thumbnail"]]
        if not all(small):
            raise InputError(f"{table}, row {small.index(False)}: the thumbnail is no JPEG of at most {MOST_BYTES:,} bytes; evaluate again")
        words = [name for name in TILES if name not in ("record", "thumbnail")]
        return cls(rows.assign(**{name: rows[name].fillna("").astype(str) for name in words}), np.asarray(values, np.float32))
