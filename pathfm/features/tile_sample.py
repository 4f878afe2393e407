"""A bounded sample of a fold's test tiles, each with its feature and a small picture: what the report's gallery of tiles is made of."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from pathfm.files import replacing
from pathfm.probes.bags import spread

MOST_TILES = 512
MOST_PATIENTS = 128
EDGE = 64  # pixels of a thumbnail
MOST_BYTES = 4096  # of a thumbnail
QUALITIES = (80, 60, 40, 20)  # of its JPEG: the first that is small enough


class Tile(NamedTuple):
    """A tile on its way to its feature."""

    slide: str
    number: int  # of its record
    thumbnail: bytes | None  # JPEG; None: not of the sample


@dataclass(frozen=True)
class TileSample:
    """Tiles in the order of the hashes of their names, which is that of a draw."""

    table: pd.DataFrame  # patient, slide, record (its number), thumbnail (JPEG)
    features: np.ndarray  # float32 [tiles, features], rows alike

    @classmethod
    def of(cls, slides: Sequence["TileSample"]) -> "TileSample":
        """Those of all slides, one or more, together."""
        table = pd.concat([one.table for one in slides], ignore_index=True)
        order = sorted(range(len(table)), key=lambda row: _drawn(table["slide"][row], table["record"][row]))
        return cls(table.iloc[order].reset_index(drop=True), np.concatenate([one.features for one in slides])[order])


def chosen_tiles(slides: pd.DataFrame, patients: Iterable[str], tiles_per_slide: int = 0) -> dict[str, list[int]]:
    """Slide → the numbers of its tiles that are in the sample of these patients, ascending.

    `slides` are rows of slides.parquet; of each slide only the tiles count that an evaluation reads, `tiles_per_slide` or all (0). At most
    MOST_PATIENTS patients and MOST_TILES tiles, as many of each patient, drawn by the hashes of names alone: every encoder that is
    evaluated on the fold keeps the same.
    """
    slides = slides[slides["patient"].isin(set(patients))]
    drawn = sorted(set(slides["patient"]), key=_drawn)[:MOST_PATIENTS]
    chosen: dict[str, list[int]] = {}
    for _, rows in slides[slides["patient"].isin(drawn)].groupby("patient"):
        read = ((row.slide, spread(int(row.tiles), tiles_per_slide or int(row.tiles))) for row in rows.itertuples())
        tiles = [(slide, int(number)) for slide, numbers in read for number in numbers]
        for slide, number in sorted(tiles, key=lambda tile: _drawn(*tile))[: MOST_TILES // len(drawn)]:
            chosen.setdefault(slide, []).append(number)
    return {slide: sorted(numbers) for slide, numbers in sorted(chosen.items())}


def _drawn(*names: object) -> bytes:
    return hashlib.sha256("/".join(map(str, names)).encode()).digest()


def thumbnail(image: np.ndarray) -> bytes:
    """A tile uint8 [tile, tile, 3] as JPEG of at most EDGE pixels and MOST_BYTES bytes."""
    picture = Image.fromarray(image)
    picture.thumbnail((EDGE, EDGE), Image.Resampling.BOX)
    for quality in QUALITIES:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()


def keep(path: Path, tiles: Sequence[tuple[Tile, np.ndarray]]) -> None:
    """Writes those of a slide's tiles that have a thumbnail: their numbers, features and thumbnails."""
    sampled = [(tile, feature) for tile, feature in tiles if tile.thumbnail is not None]
    features = np.array([feature for _, feature in sampled], np.float32).reshape(len(sampled), len(tiles[0][1]))
    thumbnails = np.array([tile.thumbnail for tile, _ in sampled], bytes)  # a JPEG ends in no zero, which this type would cut
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, record=np.array([tile.number for tile, _ in sampled], int), features=features, thumbnail=thumbnails)


def kept(path: Path, patient: str, slide: str) -> TileSample:
    """What `keep` has written of a slide."""
    with np.load(path, allow_pickle=False) as found:
        table = pd.DataFrame({"patient": patient, "slide": slide, "record": found["record"], "thumbnail": found["thumbnail"].tolist()})
        return TileSample(table, found["features"])
