"""The demo's MHIST: polyps from other hospitals, with a label that no programme drives.

The label is the shape of the crypts: serrated (SSA) or round (HP), as in MHIST (Wei et al., AIME 2021). Programmes, habits and
stains are drawn anew for every image and know nothing of it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pathfm.demo import painter
from pathfm.demo.painter import REACH, SQUARE, Objects, Stain
from pathfm.demo.world import HABITS, PROGRAMMES, World
from pathfm.files import replacing

TRAIN, TEST = 320, 160
HOSPITALS = 8
ANNOTATORS = 7
HEADER = ["Image Name", "Majority Vote Label", "Number of Annotators who Selected SSA (Out of 7)", "Partition"]


def annotations(world: World) -> pd.DataFrame:
    """One row an image, in MHIST's columns: half of them serrated, the votes of seven annotators around how serrated it is."""
    rng = world.rng("polyps")
    serrated = rng.permuted(np.arange(TRAIN + TEST) % 2 == 1)
    votes = np.where(serrated, rng.integers(4, ANNOTATORS + 1, len(serrated)), rng.integers(0, 4, len(serrated)))
    names = [f"MHIST_{letters(number)}.png" for number in range(len(serrated))]
    partition = np.where(np.arange(len(serrated)) < TRAIN, "train", "test")
    return pd.DataFrame(dict(zip(HEADER, (names, np.where(serrated, "SSA", "HP"), votes, partition), strict=True)))


def letters(number: int) -> str:
    """Three letters, as MHIST names its images: aaa, aab, …"""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in (2, 1, 0))


def polyp(world: World, number: int, votes: int) -> np.ndarray:
    """One image, uint8 [96, 96, 3]: two or three crypts, the more serrated the more annotators say so."""
    rng = world.rng("polyp", number)
    stain, programmes, habits = circumstances(world, number)
    tissue = painter.scatter(rng, programmes, habits, SQUARE + 2 * REACH).moved(-REACH, -REACH)
    glands = crypts(rng, votes / ANNOTATORS)
    cells = tissue.cells[tissue.cells[:, 7] != painter.EPITHELIUM]
    objects = Objects(np.concatenate([cells, painter.epithelium(rng, glands)]), glands)
    return painter.render(rng, objects, painter.free_ground(rng, programmes, SQUARE), stain, SQUARE, habits)


def circumstances(world: World, number: int) -> tuple[Stain, np.ndarray, np.ndarray]:
    """Stain, programmes and habits of one image, which know nothing of its label."""
    rng = world.rng("circumstances", number)
    hospital = painter.hospital_stain(world.rng("polyps of hospital", int(rng.integers(HOSPITALS))))
    return painter.slide_stain(rng, hospital), rng.standard_normal(len(PROGRAMMES)), rng.standard_normal(len(HABITS))


def crypts(rng: np.random.Generator, serration: float) -> np.ndarray:
    """Glands [2 or 3, 6], as `painter.Objects` has them, spread over the image."""
    count = int(rng.integers(2, 4))
    turn = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
    places = SQUARE / 2 + 27 * np.stack([np.cos(turn), np.sin(turn)], 1) + rng.normal(0, 3, (count, 2))
    depth = np.clip(0.04 + 0.22 * serration + rng.normal(0, 0.03, count), 0, 0.4)
    return np.column_stack([places, rng.normal(13, 1.5, count), depth, rng.integers(5, 8, count), rng.uniform(0, 2 * np.pi, count)])


def files(world: World) -> list[str]:
    return [f"images/{name}" for name in annotations(world)[HEADER[0]]]


def write_file(path: Path, world: World, number: int) -> None:
    votes = int(annotations(world)[HEADER[2]][number])
    with replacing(path) as temporary:
        Image.fromarray(polyp(world, number, votes)).save(temporary, "PNG")


def write_tables(folder: Path, world: World) -> None:
    with replacing(folder / "annotations.csv") as temporary:
        annotations(world).to_csv(temporary, index=False, lineterminator="\n")
